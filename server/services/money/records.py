"""Records (红包记录): what I sent and received, by year, newest first; a page costs the same however much there is.

The totals stand ready (`years`, one row a user and year), and a page is a piece of an index. A packet is received
when its money is in the wallet, and belongs to the year in which it was opened; a sent one to that in which it was
sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from server.core import beijing_year
from server.core.ids import is_user
from server.core.kinds import PacketKind
from server.core.pages import State
from server.core.refusals import Reason, RequestRefused
from server.services.chat.names import NameService
from server.services.packets.stored_state import state_of
from storage.postgres.money import records as store
from storage.postgres.money.records import RecordRow, Span, YearRow
from storage.postgres.packets.packets import PacketRow

RECORDS_PAGE: Final = 20  # lines; storage/postgres/money/records.sql reads one more


class RecordDirection(StrEnum):
    """Which way the money went; the values stand on the wire."""

    SENT = "sent"
    RECEIVED = "received"


class RecordItem(NamedTuple):
    """One packet in a user's records. `user_id` is the sender, or the receiver (a user or a group)."""

    packet_id: int
    kind: PacketKind
    shares: int
    opened: int  # shares opened so far
    at_ms: int  # opened, or sent
    user_id: int
    name: str  # "" for a group
    amount_fen: int  # the own share, or the total
    state: State  # or that of a scheduled packet
    is_best: bool  # received: mine was the best luck


class RecordPage(NamedTuple):
    """A page, below the totals of its whole year. `years`: those with anything, newest first."""

    direction: RecordDirection
    year: int
    years: list[int]
    packets: int
    total_fen: int
    best_lucks: int  # received only
    lines: list[RecordItem]
    more: bool


class Totals(NamedTuple):
    """A year, one way."""

    packets: int
    total_fen: int
    best_lucks: int


class DirectionRow(NamedTuple):
    """What differs between the two directions."""

    page: Callable[[int, Span], Awaitable[list[RecordRow]]]
    totals: Callable[[YearRow], Totals]
    other: Callable[[PacketRow], int]


class RecordService:
    """Use case records. Raises RequestRefused, StoreUnavailable."""

    def __init__(self, records: store.RecordStore, names: NameService, now_ms: Callable[[], int]) -> None:
        self._store = records
        self._names = names
        self._now_ms = now_ms
        self._ways: dict[RecordDirection, DirectionRow] = {
            RecordDirection.SENT: DirectionRow(records.sent, _sent, lambda packet: packet.target_id),
            RecordDirection.RECEIVED: DirectionRow(records.received, _received, lambda packet: packet.sender_id),
        }

    async def show(
        self, user_id: int, direction: str, year: int, before_at_ms: int = 0, before_packet_id: int = 0
    ) -> RecordPage:
        """A page of a year (0: this one): the newest lines, or those after a line that was shown already."""
        way = self._ways[_direction(direction)]
        year = year or beijing_year.year_of(self._now_ms())
        every = {row.year: way.totals(row) for row in await self._store.years(user_id)}
        found = {number: totals for number, totals in every.items() if totals.packets or totals.best_lucks}
        rows: list[RecordRow] = []
        if year in found:  # so no year is too strange to have bounds
            rows = await way.page(user_id, _span(year, before_at_ms, before_packet_id))
        lines = await self._lines(rows[:RECORDS_PAGE], way)
        totals = found.get(year, Totals(0, 0, 0))
        return RecordPage(RecordDirection(direction), year, list(found), *totals, lines, len(rows) > RECORDS_PAGE)

    async def _lines(self, rows: Sequence[RecordRow], way: DirectionRow) -> list[RecordItem]:
        others = [way.other(row.packet) for row in rows]
        names = await self._names.by_id(filter(is_user, others))
        now_ms = self._now_ms()
        return [
            RecordItem(
                packet_id=row.packet.packet_id,
                kind=PacketKind(row.packet.kind),
                shares=row.packet.shares,
                opened=row.packet.version,
                at_ms=row.at_ms,
                user_id=other_id,
                name=names.get(other_id, ""),
                amount_fen=row.amount_fen,
                state=_state_of(row.packet, now_ms),
                is_best=row.is_best,
            )
            for row, other_id in zip(rows, others, strict=True)
        ]


def _state_of(packet: PacketRow, now_ms: int) -> State:
    """How far a packet is; a scheduled one may wait for its time."""
    if packet.send_at_ms is not None and packet.closed_at_ms is None and now_ms < packet.send_at_ms:
        return State.SCHEDULED
    if packet.send_at_ms is not None and (packet.closed_at_ms or packet.send_at_ms) < packet.send_at_ms:
        return State.CANCELLED
    return state_of(packet, now_ms)


def _direction(name: str) -> RecordDirection:
    try:
        return RecordDirection(name)
    except ValueError:
        raise RequestRefused(Reason.BAD_REQUEST, f"direction: sent or received, not {name[:20]!r}") from None


def _span(year: int, before_at_ms: int, before_packet_id: int) -> Span:
    """The part of a year after a line; without one (0) all of it."""
    from_ms, until_ms = beijing_year.bounds(year)
    top = (until_ms, 0)  # no line of the year sorts after it
    return Span(from_ms, *(min(top, (before_at_ms, before_packet_id)) if before_at_ms else top))


def _sent(year: YearRow) -> Totals:
    return Totals(year.sent_count, year.sent_fen, 0)


def _received(year: YearRow) -> Totals:
    return Totals(year.received_count, year.received_fen, year.best_lucks)
