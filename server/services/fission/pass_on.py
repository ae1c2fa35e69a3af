"""Passing a packet on: an opener makes a link, and who shows it is admitted, before they grab.

An admission is recorded before it is in memory, and judged by the books: the maker of the link must have a recorded
claim. Other servers follow admissions over the change feed; a packet that is read reads its admissions with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from server.core.fission import links
from server.core.fission.links import Link
from server.core.kinds import TO_INVITED, Audience
from server.core.limits import Limits
from server.core.packet_request import Terms
from server.core.pages import State, state_of
from server.core.refusals import Reason, RequestRefused
from server.services.chat.login import LoginService
from server.services.packets.audience import depth_of
from server.services.packets.live_packet import Snapshot
from server.services.packets.live_packets import LivePackets
from server.services.packets.on_behalf import OnBehalfService
from server.services.runtime.batching import Batcher
from server.services.runtime.change_feed import ChangeFeed
from storage.errors import StoreUnavailable
from storage.postgres.packets.admissions import AdmissionRow, AdmissionStore, AskedAdmission

BATCH_MAX = 500
READ_MAX = 1_000  # packets whose admissions are read at once
TOLD_MAX = 10_000  # admissions of which it is remembered that every server knows them; others are asked for again


class MadeLink(NamedTuple):
    """The text of a link, and what it says."""

    text: str
    link: Link


class Arrival(NamedTuple):
    """Where a link leads. `over`: nothing is left to open there, so its user was not admitted."""

    packet_id: int
    over: Snapshot | None = None


class PassOnService:
    """Use cases make a link and show one. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: AdmissionStore,
        packets: LivePackets,
        looks: OnBehalfService,
        login: LoginService,
        changes: ChangeFeed,
        limits: Limits,
        now_ms: Callable[[], int],
        doubt: Callable[[Iterable[int]], None] | None = None,
    ) -> None:
        """`login` holds the keys. `doubt`: has packets read again, if one of several sets gives no answer."""
        self._store = store
        self._packets = packets
        self._looks = looks
        self._login = login
        self._changes = changes
        self._limits = limits
        self._now_ms = now_ms
        self._doubt = doubt
        self.batcher: Batcher[AskedAdmission, AdmissionRow] = Batcher(self._admit, BATCH_MAX, limits)
        self.admitted = 0  # users, since this server started
        self._told: OrderedDict[tuple[int, int], None] = OrderedDict()  # admissions that every server knows
        changes.on_change("admission", self.follow)
        changes.on_gap(self.catch_up)

    async def make(self, user_id: int, packet_id: int) -> MadeLink:
        """A link to a packet that the user has opened."""
        seen = await self._looks.look(packet_id)
        depth = None if seen is None else depth_of(seen.audience, user_id)
        if seen is None or depth is None or user_id not in seen.known.claims:
            raise RequestRefused(Reason.NOT_ALLOWED)  # to others there is no such packet
        if _state(seen, self._now_ms()) is not State.OPEN:
            raise RequestRefused(Reason.FINISHED)
        links.check_depth(depth + 1, self._limits.pass_on_depth_max)
        lifetime_s = self._limits.pass_on_lifetime_s
        expires_at_s = links.expiry_s(seen.packet.terms, self._now_ms(), lifetime_s)
        link = Link(packet_id, user_id, depth, expires_at_s)
        return MadeLink(links.made(link, self._login.signing_key[1]), link)

    async def show(self, user_id: int, text: str, packet_id: int = 0) -> Arrival:
        """Be admitted by a link, or find that it is not needed: a user who was admitted before may open anyway.

        `packet_id`: where it should lead; 0: anywhere.
        """
        now_ms = self._now_ms()
        link = links.read(text, self._login.keys, now_ms / 1000)
        if packet_id not in (0, link.packet_id):
            raise RequestRefused(Reason.BAD_LINK, "link: it leads to another packet")
        seen = await self._looks.look(link.packet_id)
        if seen is None:
            raise RequestRefused(Reason.NOT_ALLOWED)
        terms = seen.packet.terms
        is_in = seen.may_open(user_id) or user_id in seen.known.claims
        if not _is_passed_on(terms) or not links.may_be_admitted(terms, user_id):
            if is_in:
                return Arrival(link.packet_id)
            raise RequestRefused(Reason.NOT_ALLOWED)
        if is_in:  # perhaps by a request that has had no answer yet
            if (link.packet_id, user_id) not in self._told:
                await self._record(link, user_id, now_ms)
            return Arrival(link.packet_id)
        if _state(seen, now_ms) is not State.OPEN:
            return Arrival(link.packet_id, seen)
        links.check_depth(link.depth_of_friend, self._limits.pass_on_depth_max)
        await self._record(link, user_id, now_ms)
        return Arrival(link.packet_id)

    async def _record(self, link: Link, user_id: int, now_ms: int) -> None:
        """Returns when the admission is recorded, now or before, and every server knows it."""
        asked = AskedAdmission(link.packet_id, user_id, link.from_user, link.depth_of_friend, now_ms)
        row = await self.batcher.submit(asked)
        self._packets.admit(row.packet_id, row.user_id, row.depth)
        await self._changes.wait_until_told("admission", self._store.change_of(row), row.number)
        self._told[row.packet_id, row.user_id] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)

    async def _admit(self, asked: list[AskedAdmission]) -> list[AdmissionRow | Exception]:
        rows = await self._store.admit(asked, TO_INVITED, self._limits.pass_on_depth_max)
        self.admitted += sum(row is not None for row in rows)
        # a claim is durable before it is recorded: who passes it on at once is a moment ahead of the record
        early = RequestRefused(Reason.STORE_UNAVAILABLE, "the claim of the link's maker is not recorded yet")
        return [early if row is None else row for row in rows]

    # --- what other servers record ----------------------------------------------------------------------------

    async def follow(self, change: int, version: int) -> None:
        """A user was admitted somewhere."""
        try:
            rows = await self._store.of_change(change)
        except StoreUnavailable:
            if self._doubt is None:
                raise
            self._doubt(self._packets.passed_on())  # a set that is away does not stop what is in others
        else:
            for row in rows:
                self._packets.admit(row.packet_id, row.user_id, row.depth)

    async def catch_up(self) -> None:
        """Any user may have been admitted; a packet that is being read may lack that."""
        packet_ids = self._packets.passed_on()
        for first in range(0, len(packet_ids), READ_MAX):
            some = packet_ids[first : first + READ_MAX]
            try:
                rows = await self._store.of_packets(some)
            except StoreUnavailable:
                if self._doubt is None:
                    raise
                self._doubt(some)
            else:
                for row in rows:
                    self._packets.admit(row.packet_id, row.user_id, row.depth)


def _state(seen: Snapshot, now_ms: int) -> State:
    return state_of(seen.packet.terms, len(seen.known.claims), seen.refunded, now_ms)


def _is_passed_on(terms: Terms) -> bool:
    return terms.kind.row.audience is Audience.INVITED
