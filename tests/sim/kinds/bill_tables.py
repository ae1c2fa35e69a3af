"""Simulated table of bills, with the rules of its statements. Ranges and events are not simulated."""

from __future__ import annotations

from storage.postgres.enterprise.bills import BillDay, BillRow, NewBill, OverBillDay
from storage.postgres.packets.packets import ClaimRow, PacketRow
from storage.postgres.packets.sends import BILL_KEY

DAY_MS = 86_400_000


class BillTables:
    """Bills. Every method is one transaction."""

    packets: dict[int, PacketRow]
    claims: dict[int, list[ClaimRow]]
    by_key: dict[tuple[int, str], int]
    sponsors: dict[int, str]

    def __init__(self) -> None:
        self.bills: dict[tuple[int, str], BillRow] = {}  # by sponsor and number, without what packets say

    def find_bill(self, sponsor_id: int, number: str) -> BillRow | None:
        row = self.bills.get((sponsor_id, number))
        if row is None:
            return None
        packet_id = self.by_key.get((sponsor_id, f"bill:{number}"))
        if packet_id is None:
            return row
        packet, claims = self.packets[packet_id], self.claims[packet_id]
        return row._replace(
            packet_id=packet_id,
            sent_at_ms=packet.created_at_ms,
            expires_at_ms=packet.expires_at_ms,
            closed_at_ms=packet.closed_at_ms,
            refunded_fen=packet.refunded_fen,
            opened_shares=len(claims),
            opened_fen=sum(one.amount_fen for one in claims),
            received_at_ms=claims[-1].at_ms if len(claims) == packet.shares else None,
        )

    def begin_bill(self, bill: NewBill, day: BillDay) -> BillRow:
        found = self.find_bill(bill.sponsor_id, bill.number)
        key = bill.sponsor_id, bill.number
        if found is not None and (found[:8] != bill[:8] or found.packet_id is not None):
            return found
        if found is not None and not found.failed and found.asked_at_ms >= day.begin_ms:
            return found
        try:
            self.check_bill_day(bill, day)
        except OverBillDay:
            if found is not None and not found.failed:
                self.fail_bill(*key, "limit")
            raise
        self.bills[key] = BillRow(*bill, "", *[None] * 8)
        made = self.find_bill(*key)
        assert made is not None
        return made

    def check_bill_day(self, bill: NewBill, day: BillDay) -> None:
        """What failed is not counted, nor the bill itself."""
        counted = [
            row.amount_fen
            for row in self.bills.values()
            if (row.sponsor_id, row.target_id) == (bill.sponsor_id, bill.target_id)
            and day.begin_ms <= row.asked_at_ms < day.begin_ms + DAY_MS
            and not row.failed
            and row.number != bill.number
        ]
        packets, fen = len(counted), sum(counted)
        if (day.packets and packets >= day.packets) or (day.fen and fen + bill.amount_fen > day.fen):
            raise OverBillDay(packets, fen)

    def has_failed_bill(self, row: PacketRow) -> bool:
        """It is the packet of a bill that has failed."""
        number = row.key.removeprefix(BILL_KEY) if row.key.startswith(BILL_KEY) else ""
        bill = self.bills.get((row.sender_id, number))
        return bill is not None and bool(bill.failed)

    def fail_bill(self, sponsor_id: int, number: str, reason: str) -> None:
        row = self.bills.get((sponsor_id, number))
        if row is not None and (sponsor_id, f"bill:{number}") not in self.by_key:
            self.bills[sponsor_id, number] = row._replace(failed=reason)
