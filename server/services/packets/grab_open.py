"""Grab and open: let the packet decide, make the claim durable with everybody else's, then say what happened."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

import structlog

from server.core import pages
from server.core.kinds import PacketKind
from server.core.limits import Limits
from server.core.packet import (
    CLAIMED,
    EXPIRED,
    GONE,
    NO_TICKET,
    NOT_ALLOWED,
    WON,
    Claim,
    Decision,
    Packet,
    Terms,
    best_luck,
    may_open,
)
from server.core.pages import State
from server.services.chat.groups import GroupService
from server.services.packets.commit import CommitPath, PacketBatch
from server.services.packets.live_packet import LivePacket, PendingRequest, Reply, Snapshot
from server.services.packets.recovery import Recovery, claim_of, terms_of
from server.services.runtime.events import Announce, Claimed, Finished
from server.services.runtime.load_shedding import LoadShedding
from server.services.runtime.outage_log import OutageLog
from server.services.runtime.refusals import Reason, RequestRefused
from storage.errors import StoreUnavailable
from storage.postgres.packets import packets as store

LOG = structlog.get_logger()
LOAD_MAX = 100  # packets read in one go: replaying hundreds of claims each takes the loop milliseconds
LIVE_MAX = 50_000  # packets kept in memory; more are evicted once nothing of them is under way
TO_LOAD_MAX = 50_000  # packets that wait to be read
LOOKING = -1  # a ticket that nobody holds: an open with it changes nothing
ADMISSIONS_MAX = 10_000  # first come, first counted: what statistics lose in a storm is not its beginning
RETRY_S = 0.5  # between two attempts to read packets whose claims were told and must be recorded


class Proof(NamedTuple):
    """All that anyone needs to check a packet that is over."""

    terms: Terms
    state: State  # finished or refunded
    claims: list[Claim]
    best: Claim | None


class PacketService:
    """The live packets and what users do with them."""

    def __init__(
        self,
        records: store.PacketStore,
        groups: GroupService,
        limits: Limits,
        now_ms: Callable[[], int],
        random_number: Callable[[], int],
        announce: Announce,
    ) -> None:
        self._records = records
        self._groups = groups
        self._limits = limits
        self._now_ms = now_ms
        self._random_number = random_number
        self._announce = announce
        self._lives: dict[int, LivePacket] = {}
        self._to_load: dict[LivePacket, None] = {}
        self._loading: list[LivePacket] = []
        self._owed: dict[LivePacket, None] = {}  # to be read again by themselves when the stores are back
        self._load_shedding = LoadShedding(LOAD_MAX, limits, TO_LOAD_MAX)
        self._outage_log = OutageLog("loading_waits")
        self._wake = asyncio.Event()
        self._path: CommitPath
        self._recovery: Recovery
        self._opens: defaultdict[int, int] = defaultdict(int)
        self.over: list[int] = []  # packets whose mirror nobody needs any more
        self.admissions: list[tuple[int, int, int]] = []  # packet, user, time of grabs that were given a ticket

    def wire(self, path: CommitPath, recovery: Recovery) -> None:
        """The commit path reports here what becomes of claims, so it is made second."""
        self._path = path
        self._recovery = recovery

    @property
    def live_packets(self) -> int:
        """How many packets are in memory."""
        return len(self._lives)

    @property
    def unanswered(self) -> bool:
        """Somebody waits for a packet to be read, or for a claim to be durable."""
        return any(live.waiting or live.rejected for live in self._lives.values())

    @property
    def retry_after_ms(self) -> int:
        """When who heard OVERLOADED may ask again: when both queues have room."""
        return max(self._path.retry_after_ms, self._load_shedding.retry_after_ms(self._unread))

    @property
    def _unread(self) -> int:
        """Packets that wait to be read, or are being read."""
        return len(self._to_load) + len(self._loading)

    def live_ids(self) -> Collection[int]:
        """The packets in memory."""
        return self._lives.keys()

    def live(self, packet_id: int) -> LivePacket | None:
        """A packet as it is in memory, if it is there."""
        return self._lives.get(packet_id)

    def take_opens(self) -> Mapping[int, int]:
        """How often packets were opened since this was asked last, with whatever result."""
        opens, self._opens = self._opens, defaultdict(int)
        return opens

    # --- use cases --------------------------------------------------------------------------------------------

    def grab(self, user_id: int, packet_id: int, reply: Reply) -> None:
        """Tap a packet. Answers at once from memory unless the packet must be loaded or its end is not durable."""
        if self._path.almost_overloaded:
            reply(Reason.OVERLOADED)
        else:
            self._enter(packet_id, PendingRequest(user_id, None, self._now_ms(), reply))

    def open(self, user_id: int, packet_id: int, ticket: int, reply: Reply) -> None:
        """Turn a ticket into a claim. `won` comes when it is durable."""
        self._opens[packet_id] += 1
        if self._path.overloaded:
            reply(Reason.OVERLOADED)
        else:
            self._enter(packet_id, PendingRequest(user_id, ticket, self._now_ms(), reply))

    def look(self, user_id: int, packet_id: int, reply: Reply) -> None:
        """Have a packet in memory, to be `seen`. The answer means nothing more, and waits for no claim."""
        if self._path.almost_overloaded:
            reply(Reason.OVERLOADED)
        elif self.seen(packet_id) is not None:
            reply(NO_TICKET)
        else:
            self._enter(packet_id, PendingRequest(user_id, LOOKING, self._now_ms(), reply))

    def seen(self, packet_id: int) -> Snapshot | None:
        """What may be said of a packet now; None if it is not in memory."""
        live = self._lives.get(packet_id)
        return None if live is None else live.seen()

    async def reveal(self, user_id: int, packet_id: int) -> Proof:
        """The proof of a packet whose record is closed: before, claims may be told that it does not hold yet.

        Raises Refused, StoreUnavailable.
        """
        rows, claims = await self._records.load([packet_id])
        row = rows.get(packet_id)
        if row is None or not await self._may_see(user_id, row):
            raise RequestRefused(Reason.NOT_ALLOWED)
        terms, all_claims = terms_of(row), [claim_of(one) for one in claims[packet_id]]
        state = state_of(row, self._now_ms())
        if state not in pages.OVER:
            raise RequestRefused(Reason.NOT_FINISHED)
        return Proof(terms, state, all_claims, best_luck(terms, all_claims))

    async def _may_see(self, user_id: int, row: store.PacketRow) -> bool:
        """The sender sees all claims, members of its groups as the kind says."""
        if user_id == row.sender_id:
            return True
        if not PacketKind(row.kind).row.proof_for_group:
            return False
        group_ids = (row.target_id, *row.also_in)
        await self._groups.keep(group_ids)
        return user_id in self._groups.audience(group_ids)

    def add(self, terms: Terms, audience: Collection[int]) -> None:
        """A packet that was just sent: known here without reading it again, unless somebody has guessed its id."""
        live = self._lives.get(terms.packet_id)
        if live is not None:
            live.audience = live.audience or audience  # it is being read, perhaps since before there was a record
        else:
            live = self._lives[terms.packet_id] = LivePacket(terms.packet_id)
            live.ready(Packet(terms), audience, mirrored=False, mirror_length=0)
            live.read_at_s = asyncio.get_running_loop().time()
            self._evict()

    def sent_again(self, packet_id: int, group_id: int) -> None:
        """Members of another group may open it, too. If it is being loaded, that may have missed it."""
        live = self._lives.get(packet_id)
        if live is not None and group_id not in live.also_in:
            live.also_in += (group_id,)
            if live.packet is not None:
                live.audience = self._groups.audience((live.packet.terms.target_id, *live.also_in))

    def refunded(self, packet_ids: Iterable[int]) -> None:
        """What nobody opened is back with the senders."""
        for packet_id in packet_ids:
            if (live := self._lives.get(packet_id)) is not None:
                live.refunded = True

    def close_quiet(self, packet_ids: Iterable[int]) -> list[int]:
        """Close these packets, but not those of which claims are at the stores: their turn comes again."""
        quiet = []
        for packet_id in packet_ids:
            live = self._lives.get(packet_id)
            if live is None or live.quiet:
                quiet.append(packet_id)
                if live is not None and live.packet is not None:
                    live.packet.close()
        return quiet

    # --- deciding ---------------------------------------------------------------------------------------------

    def _enter(self, packet_id: int, attempt: PendingRequest) -> None:
        live = self._lives.get(packet_id)
        must_load = live is None or live.packet is None
        if must_load and self._load_shedding.is_too_high(self._unread):
            attempt.answer(Reason.OVERLOADED)
            return
        if live is None:
            live = self._lives[packet_id] = LivePacket(packet_id)
            self._load_soon(live)
        if live.packet is None:
            live.waiting.append(attempt)
            if live in self._owed:  # who asks need not wait for the next try
                del self._owed[live]
                self._load_soon(live)
        else:
            self._decide(live, live.packet, attempt)

    def _decide(self, live: LivePacket, packet: Packet, attempt: PendingRequest) -> None:
        user_id = attempt.user_id
        if user_id not in packet.claims and not may_open(packet.terms, user_id, user_id in live.audience):
            attempt.answer(NOT_ALLOWED)
            return
        if attempt.ticket is None:
            ticket_ms, per_share = self._limits.ticket_lifetime_ms, self._limits.tickets_per_share
            decision = packet.grab(user_id, attempt.at_ms, self._random_number(), ticket_ms, per_share)
            if decision.ticket is not None and len(self.admissions) < ADMISSIONS_MAX:
                self.admissions.append((live.packet_id, user_id, attempt.at_ms))
        else:
            decision = packet.open(user_id, attempt.ticket, attempt.at_ms)
        self._conclude(live, attempt, decision)

    def _decide_again(self, live: LivePacket, packet: Packet, attempt: PendingRequest) -> None:
        """An open that was won before a store refused it: its turn comes again, without a ticket."""
        decision = packet.take(attempt.user_id, attempt.at_ms)
        promised, claim = attempt.claim, decision.claim
        if attempt.answered and (claim is None or promised is None or claim.index != promised.index):
            LOG.critical("told_claim_was_lost", packet_id=live.packet_id, user_id=attempt.user_id)
        if decision.answer is CLAIMED and claim and promised and claim.at_ms == promised.at_ms:
            attempt.answer(packet.told(WON, claim))  # it was this very open that won, and it is recorded
        else:
            self._conclude(live, attempt, decision)

    def _conclude(self, live: LivePacket, attempt: PendingRequest, decision: Decision) -> None:
        if decision.answer is WON:
            attempt.claim = decision.claim
            self._path.submit(live, attempt)
        elif decision is EXPIRED and not live.log_known:
            self._find_out(live, attempt)
        elif _speaks_of(decision, live) > live.durable:
            live.waiting.append(attempt)
        else:
            attempt.answer(decision)

    def _find_out(self, live: LivePacket, attempt: PendingRequest) -> None:
        """Nobody else moves an expired packet on, so a claim that only the mirror holds is still to be recorded."""
        if self._path.mirror_is_up:
            live.distrust()
            live.waiting.append(attempt)
            self._reload_when_landed(live)
        else:
            attempt.answer(Reason.STORE_UNAVAILABLE)

    # --- what becomes of claims: called by the commit path ----------------------------------------------------

    def claims_durable(self, part: PacketBatch) -> None:
        """Claims may be spoken of: tell who waited for that, and the sender and the group."""
        live = part.live
        if live.waiting and live.packet is part.packet:
            waiting, live.waiting = live.waiting, []
            for attempt in waiting:
                self._decide(live, part.packet, attempt)
        self._announce_claims(live, part.packet, part.claims)

    def _announce_claims(self, live: LivePacket, packet: Packet, claims: list[Claim]) -> None:
        terms = packet.terms
        self._announce(Claimed(terms, claims), (terms.sender_id,))
        if claims[-1].index == terms.shares - 1:
            self._announce_end(live, packet, claims[-1])

    def _announce_end(self, live: LivePacket, packet: Packet, last: Claim) -> None:
        """Each group hears it under its own stream; the sender always, in the group or not."""
        terms, took_ms, best = packet.terms, last.at_ms - packet.terms.created_at_ms, packet.best_luck()
        first = live.audience if not live.also_in else self._groups.audience((terms.target_id,))
        self._announce(Finished(terms, terms.target_id, took_ms, best), {*first, terms.sender_id})
        for group_id in live.also_in:
            self._announce(Finished(terms, group_id, took_ms, best), self._groups.audience((group_id,)))

    def claims_recorded(self, part: PacketBatch) -> None:
        """Claims stand in the books; a finished packet needs no mirror any more."""
        if part.version + len(part.attempts) == part.packet.terms.shares:
            self.over.append(part.live.packet_id)
        self._reload_when_landed(part.live)

    def claims_rejected(self, part: PacketBatch, why: str) -> None:
        """A store refused or did not answer: read the packet again once nothing of it is under way."""
        LOG.debug("claims_undone", packet_id=part.live.packet_id, claims=len(part.attempts), why=why)
        self._reload_when_landed(part.live)

    def _reload_when_landed(self, live: LivePacket) -> None:
        if live.packet is None and live.in_flight == 0:
            self._load_soon(live)

    # --- loading ----------------------------------------------------------------------------------------------

    def _load_soon(self, live: LivePacket) -> None:
        self._to_load[live] = None
        self._wake.set()

    def _load_later(self, live: LivePacket) -> None:
        if not self._owed:
            asyncio.get_running_loop().call_later(RETRY_S, self._load_owed)
        self._owed[live] = None

    def _load_owed(self) -> None:
        owed, self._owed = self._owed, {}
        for live in owed:
            self._load_soon(live)

    def load(self, packet_ids: Iterable[int]) -> None:
        """Load packets that nobody asked for, to re-drive what reached the mirror alone."""
        for packet_id in packet_ids:
            if packet_id not in self._lives:
                live = self._lives[packet_id] = LivePacket(packet_id)
                self._load_soon(live)

    async def run_loading(self) -> None:
        """Load what is asked for, all of it in one go; for ever, to be supervised."""
        while True:
            await self._wake.wait()
            batch = list(self._to_load)[:LOAD_MAX]
            for live in batch:
                del self._to_load[live]
            if not self._to_load:
                self._wake.clear()
            self._loading = batch
            self._load_shedding.begin()
            try:
                loaded = await self._recovery.load(batch)
            except StoreUnavailable as error:
                self._outage_log.begins(error)
                self._give_up(batch)
                continue
            finally:
                self._load_shedding.end(more_waits=bool(self._to_load))
                self._loading = []
            self._outage_log.is_over()
            for live in loaded.unusable:
                self._forget_missing(live)
            for live in batch:
                if live.packet is not None:
                    self._resume(live, live.packet, loaded.news.get(live))
                elif live.packet_id in self._lives:
                    self._load_soon(live)  # overtaken by another writer

    def _resume(self, live: LivePacket, packet: Packet, news: list[Claim] | None) -> None:
        if news:
            self._announce_claims(live, packet, news)
        # slices are undone from whichever stage they were in: back to the order in which they were decided
        rejected, live.rejected = sorted(live.rejected, key=_index_of), []
        waiting, live.waiting = live.waiting, []
        for attempt in rejected:
            self._decide_again(live, packet, attempt)
        for attempt in waiting:
            self._decide(live, packet, attempt)
        if packet.finished and not live.in_flight:
            self.over.append(live.packet_id)  # by a re-drive, perhaps
        self._evict()

    def _forget_missing(self, live: LivePacket) -> None:
        if live.audience:  # it was sent while it was looked for, and is looked for once more
            live.audience = ()
            self._load_soon(live)
            return
        del self._lives[live.packet_id]
        for attempt in (*live.rejected, *live.waiting):
            attempt.answer(NOT_ALLOWED)

    def _give_up(self, batch: list[LivePacket]) -> None:
        """The stores are away: say so. What was told is still to be recorded, what is in doubt to be found out."""
        for live in batch:
            for attempt in (*live.rejected, *live.waiting):
                if not attempt.answered:
                    attempt.answer(Reason.STORE_UNAVAILABLE)
                    attempt.claim = None
            live.rejected = [attempt for attempt in live.rejected if attempt.claim is not None]
            live.waiting = []
            if live.rejected or live.replaced is not None:
                self._load_later(live)
            else:
                del self._lives[live.packet_id]

    def _evict(self) -> None:
        surplus = len(self._lives) - LIVE_MAX
        if surplus <= 0:
            return
        oldest = list(islice(self._lives.values(), surplus * 2))
        for live in [live for live in oldest if live.quiet and live.packet is not None][:surplus]:
            del self._lives[live.packet_id]


def _index_of(attempt: PendingRequest) -> int:
    """Which claim an undone open had made."""
    assert attempt.claim is not None
    return attempt.claim.index


def _speaks_of(decision: Decision, live: LivePacket) -> int:
    """How many claims must be durable before this may be said."""
    if decision.answer is CLAIMED and decision.claim is not None:
        return decision.claim.index + 1
    if decision is GONE and live.packet is not None:
        return live.packet.terms.shares
    return 0


def state_of(row: store.PacketRow, now_ms: int) -> State:
    """How far a recorded packet is."""
    return pages.state_of(terms_of(row), row.version, row.closed_at_ms is not None, now_ms)
