"""Use cases of bills: send a packet in a sponsor's name, once per bill number, and tell how far it is.

A bill is recorded before its packet, with the day's limits under a lock. Its packet has the key of the bill, so an
attempt whose outcome is unknown is repeated, and finds the packet. What a bill says follows from the records.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from server.core.beijing_year import day_begin_ms
from server.core.enterprise import bills as rules
from server.core.enterprise.bills import BillRequest, BillRules, BillStatus, SentPacket
from server.core.ids import is_user
from server.core.kinds import PacketKind
from server.core.limits import Limits, check_bytes
from server.core.packet_request import PacketRequest, Terms
from server.core.refusals import Reason, RequestRefused
from storage.postgres.enterprise.bills import BillDay, BillRow, BillStore, NewBill, OverBillDay

UNKNOWN = (Reason.STORE_UNAVAILABLE, Reason.OVERLOADED, Reason.INTERNAL, Reason.BANK_UNKNOWN, Reason.BANK_AWAY)
PAGE_MAX: Final = 100
LAST_MS: Final = 2**63 - 1
Send = Callable[[PacketRequest], Awaitable[Terms]]


class Bill(NamedTuple):
    """A bill and how far it is. `packet_id` 0, times 0: not yet. `reason`: why it has failed.

    It is for a user or a group: the id of the other one is 0.
    """

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
    group_id: int = 0
    kind: str = PacketKind.ENTERPRISE
    shares: int = 1
    opened_shares: int = 0
    opened_fen: int = 0


class BillPage(NamedTuple):
    """Bills, the newest first; `next_cursor`: where older ones are, empty if there are none."""

    bills: list[Bill]
    next_cursor: str


class BillService:
    """Use cases send and find bills. Raises RequestRefused, StoreUnavailable."""

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
        try:
            rules.check(one, self.rules, self._limits)
        except RequestRefused as refused:
            sent = None if refused.reason is Reason.BAD_KEY else await self._sent_before(one)
            if sent is None:
                raise
            return sent
        return await self.send_checked(one)

    async def send_checked(self, one: BillRequest) -> Bill:
        """Send what is checked, or what an event brings."""
        await self.check_sponsor(one.sponsor_id)
        row = await self._begin(one)
        if row[:8] != one.content:
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

    async def page(self, sponsor_id: int, cursor: str) -> BillPage:
        """The bills of a sponsor, the newest first. Raises RequestRefused: the cursor is none of this list."""
        before_ms, before = _place(cursor)
        rows = await self._store.page(sponsor_id, before_ms, before, PAGE_MAX + 1)
        bills = [_told(row, self._now_ms()) for row in rows[:PAGE_MAX]]
        last = rows[PAGE_MAX - 1] if len(rows) > PAGE_MAX else None
        return BillPage(bills, "" if last is None else f"{last.asked_at_ms}.{last.number}")

    async def again(self, sponsor_id: int, number: str, *, is_given: bool) -> Bill | None:
        """The bill with this number, sent now if it was not; None: there is none.

        `is_given`: the sponsor still gives something for the event. The content is that of the first attempt.
        """
        row = await self._store.find(sponsor_id, number)
        if row is None:
            return None
        if row.packet_id is None and is_given:
            return await self.send_checked(BillRequest(*row[:6]))
        return _told(row, self._now_ms())

    async def _sent_before(self, one: BillRequest) -> Bill | None:
        """What this number has sent when it was still allowed: the config may have changed since (I6)."""
        row = await self._store.find(one.sponsor_id, one.number)
        if row is None or row.packet_id is None or row[:8] != one.content:
            return None
        return _told(row, self._now_ms())

    async def check_sponsor(self, sponsor_id: int) -> None:
        """Raise RequestRefused unless packets may be sent in the name of this user."""
        if not await self._store.is_sponsor(sponsor_id):
            raise RequestRefused(Reason.NOT_A_SPONSOR)

    async def _begin(self, one: BillRequest) -> BillRow:
        now_ms, to_group = self._now_ms(), one.kind.row.goes_to_group
        day = BillDay(day_begin_ms(now_ms), *rules.most_a_day(self.rules, to_group))
        try:
            return await self._store.begin(NewBill(*one.content, now_ms), day)
        except OverBillDay as over:
            most = f"{day.packets or 'any number of'} packets of {day.fen or 'any amount'} in all"
            whom = "group" if to_group else "user"
            detail = f"a {whom} gets at most {most} a day from one sponsor, and has {over.packets} of {over.fen}"
            raise RequestRefused(Reason.LIMIT, detail) from None

    async def _try(self, one: BillRequest) -> None:
        """Send its packet. A refusal is recorded, unless it leaves open whether the packet was sent."""
        content = one.kind, one.target_id, one.amount_fen, one.shares, one.greeting, one.client_seed
        caps = rules.share_caps(one, self.rules) if one.kind.row.goes_to_group else None
        asked = PacketRequest(one.sponsor_id, one.key, *content, share_caps=caps)
        try:
            await self._send(asked)
        except RequestRefused as refused:
            if refused.reason in UNKNOWN:
                raise
            await self._store.fail(one.sponsor_id, one.number, refused.reason, self._now_ms())


def _place(cursor: str) -> tuple[int, str]:
    """The place of the last bill of a page; of none the end of all time."""
    at_ms, point, number = cursor.partition(".")
    if not cursor:
        return LAST_MS, ""
    if not (point and at_ms.isascii() and at_ms.isdigit() and int(at_ms) <= LAST_MS and "\0" not in number):
        raise RequestRefused(Reason.BAD_REQUEST, "cursor: it is not one of this list")
    return int(at_ms), number


def _told(row: BillRow, now_ms: int) -> Bill:
    packet, to_user = None, is_user(row.target_id)
    if row.packet_id is not None and row.expires_at_ms is not None:
        opened, closed = row.received_at_ms is not None, row.closed_at_ms is not None
        packet = SentPacket(row.packet_id, opened, row.expires_at_ms, closed)
    return Bill(
        row.sponsor_id,
        row.number,
        row.target_id if to_user else 0,
        row.amount_fen,
        rules.status_of(packet, row.failed, now_ms),
        row.packet_id or 0,
        "" if packet else row.failed,
        row.sent_at_ms or 0,
        row.received_at_ms or 0,
        row.refunded_fen or 0,
        0 if to_user else row.target_id,
        row.kind,
        row.shares,
        row.opened_shares or 0,
        row.opened_fen or 0,
    )
