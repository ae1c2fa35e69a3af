"""Requests on records."""

from __future__ import annotations

from msgspec import UNSET

from server.core.refusals import Reason, RequestRefused
from server.http_api.handlers.call import Call, cursor_number
from server.http_api.shapes import money as shapes
from server.services.assembly import Services
from server.services.money.records import RecordItem


class RecordRequests:
    """What a user sent and received, by year."""

    def __init__(self, services: Services) -> None:
        self._records, self._reads = services.records, services.reads

    async def show(self, call: Call) -> shapes.RecordPageReply:
        """What a user sent or received in a year, newest first, in pages"""
        user_id, asked = call.path["user_id"], call.query
        before = _before(asked.cursor)
        async with self._reads.turn():
            page = await self._records.show(user_id, asked.direction, asked.year, *before)
        last = page.lines[-1] if page.lines else None
        return shapes.RecordPageReply(
            user_id=str(user_id),
            direction=page.direction.value,
            year=page.year,
            years=page.years,
            packets=page.packets,
            total_fen=page.total_fen,
            best_lucks=page.best_lucks,
            lines=[_line(one) for one in page.lines],
            next_cursor=f"{last.at_ms}.{last.packet_id}" if last is not None and page.more else UNSET,
        )


def _before(cursor: str) -> tuple[int, int]:
    """The line that a cursor names; zeros: the top. Raises RequestRefused."""
    at, dot, packet = cursor.partition(".")
    if cursor and not (dot and at and packet):
        raise RequestRefused(Reason.BAD_REQUEST, "cursor: it is not one of this list")
    return cursor_number(at), cursor_number(packet)


def _line(one: RecordItem) -> shapes.RecordShown:
    return shapes.RecordShown(
        packet_id=str(one.packet_id),
        kind=one.kind,
        at_ms=one.at_ms,
        other_id=str(one.user_id),
        name=one.name,
        amount_fen=one.amount_fen,
        shares=one.shares,
        opened=one.opened,
        state=one.state,
        best_luck=one.is_best,
    )
