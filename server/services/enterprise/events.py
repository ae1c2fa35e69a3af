"""Use cases of events: what a sponsor gives to users who follow it or sign up, and the report of such a user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from server.core.enterprise import events as rules
from server.core.enterprise.bills import BillRequest
from server.core.enterprise.events import SEED_BYTES, EventKind, EventRange
from server.core.limits import Limits
from server.core.packet_request import DEFAULT_GREETING
from server.core.refusals import Reason, RequestRefused
from server.services.enterprise.bills import Bill, BillService
from server.services.enterprise.reported import ReportedUsers
from server.services.seeds.seals import NONCE_BYTES, Seals, Unsealable
from storage.postgres.enterprise.bills import BillStore, RangeRow

NOTHING: Final = 0  # as an upper bound: nothing is given any more


class RangeSet(NamedTuple):
    """The commitment to the seed of a range (empty: nothing is given), and the seed of the one before."""

    commitment: bytes
    revealed_seed: bytes


class EventService:
    """Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: BillStore,
        bills: BillService,
        reported: ReportedUsers,
        seals: Seals,
        limits: Limits,
        now_ms: Callable[[], int],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store, self._bills, self._reported, self.seals = store, bills, reported, seals
        self._limits, self._now_ms, self._random_bytes = limits, now_ms, random_bytes

    async def set_range(self, sponsor_id: int, kind: str, low_fen: int, high_fen: int, greeting: str) -> RangeSet:
        """What a sponsor gives for an event from now on, with a new seed; both amounts 0: nothing."""
        event_kind = rules.kind_of(kind)
        if (low_fen, high_fen) == (NOTHING, NOTHING):
            before = await self._store.drop_range(sponsor_id, event_kind)
            return RangeSet(b"", self._revealed(before))
        given = EventRange(sponsor_id, event_kind, low_fen, high_fen, greeting or DEFAULT_GREETING)
        rules.check_range(given, self._bills.rules, self._limits)
        await self._bills.check_sponsor(sponsor_id)
        seed = self._random_bytes(SEED_BYTES)
        sealed = self.seals.seal_at(seed, _place(sponsor_id, event_kind), self._random_bytes(NONCE_BYTES))
        row = RangeRow(*given, sealed, self.seals.key_id, self._now_ms())
        return RangeSet(given.commitment(seed), self._revealed(await self._store.set_range(row)))

    async def report(self, sponsor_id: int, event_id: str, kind: str, user_id: int) -> Bill | None:
        """A user has followed, or signed up: the bill of their packet; None: the sponsor gives nothing for it.

        One packet for a user and kind of event. The same event id again, with the same content, answers the same.
        """
        event_kind = rules.kind_of(kind)
        rules.check_event_id(event_id)
        if user_id == sponsor_id:
            raise RequestRefused(Reason.BAD_TARGET, "user_id: a sponsor does not follow itself")
        await self._bills.check_sponsor(sponsor_id)
        recorded = await self._store.report(sponsor_id, event_id, event_kind, user_id, self._now_ms())
        if recorded is None:
            raise RequestRefused(Reason.KEY_REUSED, "event_id: it was reported before with other content")
        await self._reported.tell(user_id, recorded)
        found = await self._store.range(sponsor_id, event_kind)
        given = EventRange(sponsor_id, event_kind, 0, 0, "") if found is None else _range_of(found)
        number, is_given = given.bill_number(user_id), found is not None
        earlier = await self._bills.again(sponsor_id, number, is_given=is_given)
        if earlier is not None or found is None:
            return earlier
        amount_fen = given.amount_fen(self._seed(found), user_id)
        asked = BillRequest(sponsor_id, number, user_id, amount_fen, given.greeting)
        try:
            return await self._bills.send_checked(asked)
        except RequestRefused as refused:
            if refused.reason is not Reason.KEY_REUSED:
                raise
        return await self._bills.again(sponsor_id, number, is_given=is_given)  # another report has come first

    def _revealed(self, before: RangeRow | None) -> bytes:
        return b"" if before is None else self._seed(before)

    def _seed(self, row: RangeRow) -> bytes:
        try:
            return self.seals.unseal_at(row.key_id, row.sealed, _place(row.sponsor_id, EventKind(row.kind)))
        except Unsealable:
            raise RequestRefused(Reason.INTERNAL, "the seed of the range cannot be unsealed") from None


def _range_of(row: RangeRow) -> EventRange:
    return EventRange(row.sponsor_id, EventKind(row.kind), row.low_fen, row.high_fen, row.greeting)


def _place(sponsor_id: int, kind: EventKind) -> bytes:
    return b"event range " + sponsor_id.to_bytes(8, "big") + kind.encode()
