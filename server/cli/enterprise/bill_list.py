"""The newest bills of a sponsor, as far as they are, from the records."""

from __future__ import annotations

from typing import Any, Final

from server.core.enterprise.bills import BillStatus, SentPacket, status_of
from storage.postgres.database import Database
from storage.postgres.enterprise.bill_list import BillLine, BillListStore

PAGE: Final = 1_000
AFTER_ALL_MS: Final = 2**62


async def newest_bills(
    database: Database, sponsor_id: int, status: BillStatus | None, most: int, now_ms: int
) -> list[dict[str, Any]]:
    """The newest bills that are so far (None: all), at most `most`. Raises StoreUnavailable."""
    store, found, place = BillListStore(database), list[dict[str, Any]](), (AFTER_ALL_MS, "")
    while len(found) < most:
        page = await store.before(sponsor_id, *place, PAGE)
        lines = [_line(one, now_ms) for one in page]
        found += [line for line in lines if status in (None, line["status"])]
        if len(page) < PAGE:
            break
        place = (page[-1].asked_at_ms, page[-1].number)
    return found[:most]


def _line(bill: BillLine, now_ms: int) -> dict[str, Any]:
    packet = None
    if bill.packet_id is not None and bill.expires_at_ms is not None:
        opened, closed = bill.received_at_ms is not None, bill.closed_at_ms is not None
        packet = SentPacket(bill.packet_id, opened, bill.expires_at_ms, closed)
    return {
        "bill_number": bill.number,
        "user_id": bill.user_id,
        "amount_fen": bill.amount_fen,
        "status": status_of(packet, bill.failed, now_ms).value,
        "reason": "" if packet else bill.failed,
        "asked_at_ms": bill.asked_at_ms,
        "packet_id": bill.packet_id or 0,
    }
