"""Use cases of bills: send a packet in a sponsor's name, once per bill number, and tell how far it is.

A bill is recorded before its packet, with the day's limits under a lock. Its packet has the key of the bill, so an
attempt whose outcome is unknown is repeated, and finds the packet. What a bill says follows from the records.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from server.core.beijing_year import day_begin_ms
from server.core.enterprise import bills as rules
from server.core.enterprise.bills import BillRequest, BillRules, BillStatus, SentPacket
from server.core.kinds import PacketKind
from server.core.limits import Limits, check_bytes
from server.core.packet_request import PacketRequest, Terms
from server.core.refusals import Reason, RequestRefused
from storage.postgres.enterprise.bills import BillDay, BillRow, BillStore, NewBill, OverBillDay

UNKNOWN = (Reason.STORE_UNAVAILABLE, Reason.OVERLOADED, Reason.INTERNAL, Reason.BANK_UNKNOWN, Reason.BANK_AWAY)
Send = Callable[[PacketRequest], Awaitable[Terms]]


class Bill(NamedTuple):
    """A bill and how far it is. `packet_id` 0, times 0: not yet. `reason`: why it has failed."""

    sponsor_id: int
    number: str
    user_id: int
    amount_fen: int
    status: BillStatus
    packet_id: int = 0
    reason: str = ""
    sent_at_ms: int = 0
    received_at_ms: int = 0
    refunded_fen: int = 0


class BillService:
    """Use cases send and find a bill. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: BillStore,
        send: Send,
        bill_rules: BillRules,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        """`send` sends a packet as its sender would, once per key."""
        self._store, self._send = store, send
        self.rules = bill_rules  # a reload replaces them
        self._limits, self._now_ms = limits, now_ms

    async def send(self, one: BillRequest) -> Bill:
        """Send the packet of a bill, or find that of an earlier request with this number and content."""
        rules.check(one, self.rules, self._limits)
        return await self.send_checked(one)

    async def send_checked(self, one: BillRequest) -> Bill:
        """Send what is checked, or what an event brings."""
        await self.check_sponsor(one.sponsor_id)
        row = await self._begin(one)
        if row[:6] != one[:6]:
            raise RequestRefused(Reason.KEY_REUSED, "the bill number was used before with other content")
        if row.packet_id is None:
            await self._try(one)
        return await self.find(one.sponsor_id, one.number)

    async def find(self, sponsor_id: int, number: str) -> Bill:
        """The bill with this number. Raises RequestRefused (NOT_ALLOWED): there is none."""
        check_bytes("bill_number", number, 1, rules.NUMBER_BYTES_MAX, Reason.BAD_KEY)
        row = await self._store.find(sponsor_id, number)
        if row is None:
            raise RequestRefused(Reason.NOT_ALLOWED)
        return _told(row, self._now_ms())

    async def earlier(self, sponsor_id: int, number: str) -> Bill | None:
        """The bill with this number if its packet was sent, or may have been."""
        row = await self._store.find(sponsor_id, number)
        return None if row is None or row.packet_id is None else _told(row, self._now_ms())

    async def check_sponsor(self, sponsor_id: int) -> None:
        """Raise RequestRefused unless packets may be sent in the name of this user."""
        if not await self._store.is_sponsor(sponsor_id):
            raise RequestRefused(Reason.NOT_A_SPONSOR)

    async def _begin(self, one: BillRequest) -> BillRow:
        now_ms, bounds = self._now_ms(), self.rules
        day = BillDay(day_begin_ms(now_ms), bounds.user_packets_a_day, bounds.user_fen_a_day)
        try:
            return await self._store.begin(NewBill(*one[:6], now_ms), day)
        except OverBillDay as over:
            most = f"{day.packets or 'any number of'} packets of {day.fen or 'any amount'} in all"
            detail = f"a user gets at most {most} a day from one sponsor, and has {over.packets} of {over.fen}"
            raise RequestRefused(Reason.LIMIT, detail) from None

    async def _try(self, one: BillRequest) -> None:
        """Send its packet. A refusal is recorded, unless it leaves open whether the packet was sent."""
        content = PacketKind.ENTERPRISE, one.user_id, one.amount_fen, 1, one.greeting, one.client_seed
        asked = PacketRequest(one.sponsor_id, one.key, *content)
        try:
            await self._send(asked)
        except RequestRefused as refused:
            if refused.reason in UNKNOWN:
                raise
            await self._store.fail(one.sponsor_id, one.number, refused.reason)


def _told(row: BillRow, now_ms: int) -> Bill:
    packet = None
    if row.packet_id is not None and row.expires_at_ms is not None:
        opened, closed = row.received_at_ms is not None, row.closed_at_ms is not None
        packet = SentPacket(row.packet_id, opened, row.expires_at_ms, closed)
    return Bill(
        row.sponsor_id,
        row.number,
        row.user_id,
        row.amount_fen,
        rules.status_of(packet, row.failed, now_ms),
        row.packet_id or 0,
        "" if packet else row.failed,
        row.sent_at_ms or 0,
        row.received_at_ms or 0,
        row.refunded_fen or 0,
    )
