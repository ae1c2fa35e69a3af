"""Grab and open: let the packet decide, make the claim durable with all others of its batch, then reply.

When Redis or PostgreSQL refuses a claim, or is away: see both_stores.py and mirror_first.py.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import structlog

from server.core.decisions import CLAIMED, EXPIRED, GONE, NO_TICKET, NOT_ALLOWED, WON, Decision
from server.core.limits import Limits
from server.core.packet import Packet
from server.core.packet_request import may_open
from server.core.packet_states import PacketEvent
from server.core.refusals import Reason
from server.services.packets.batch import ClaimsDurable, PacketsOver
from server.services.packets.claim_news import ClaimNews
from server.services.packets.commit.path import CommitPath
from server.services.packets.live_packet import LivePacket
from server.services.packets.live_packets import LivePackets
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.recovery import PacketReady, Recovery
from server.services.packets.requests import GrabRequest, LookRequest, OpenRequest, PendingRequest, WinRequest
from server.services.runtime.bus import Bus

LOG = structlog.get_logger()
LOOKING = -1  # a ticket that no user holds: an open with it changes nothing
FAILURES_MAX = 2  # of a store, before an open gets an error
OLD_S = 0.1  # so long a look trusts what memory knows of a packet that another server decides
ADMISSIONS_MAX = 10_000  # of the grabs in a storm the first ones are counted


class Admission(NamedTuple):
    """A grab that was given a ticket."""

    packet_id: int
    user_id: int
    at_ms: int


class WinRejected(NamedTuple):
    """A store has refused the claim of a win, or its outcome was unknown; its user was not told of it.

    Another share is as good. `recorded`: the claim stands in the record after all.
    """

    request: WinRequest
    recorded: Decision | None


class GrabOpenService:
    """Decides grabs and opens on the packets in memory. Replies go over the bus."""

    def __init__(
        self,
        packets: LivePackets,
        commit: CommitPath,
        recovery: Recovery,
        health: MirrorHealth,
        news: ClaimNews,
        limits: Limits,
        bus: Bus,
        random_number: Callable[[], int],
    ) -> None:
        self._packets = packets
        self._commit = commit
        self._recovery = recovery
        self._health = health
        self._news = news
        self._limits = limits
        self._bus = bus
        self._random_number = random_number
        self._opens: defaultdict[int, int] = defaultdict(int)
        self._admissions: list[Admission] = []
        # With several servers, each may decide a packet for a while: what was read before may be old (see peers).
        self.certain_since: Callable[[int], float] | None = None
        bus.subscribe(self._on_durable, ClaimsDurable)
        bus.subscribe(self._on_ready, PacketReady)

    @property
    def retry_after_ms(self) -> int:
        """When a request that was refused as OVERLOADED may be repeated: both queues then have room."""
        return max(self._commit.retry_after_ms, self._recovery.retry_after_ms)

    def take_opens(self) -> Mapping[int, int]:
        """How often each packet was opened since the last call, with whatever result."""
        opens, self._opens = self._opens, defaultdict(int)
        return opens

    def take_admissions(self, most: int) -> list[Admission]:
        """The oldest grabs that were given a ticket since the last call."""
        taken, self._admissions = self._admissions[:most], self._admissions[most:]
        return taken

    # --- requests ---------------------------------------------------------------------------------------------

    def grab(self, request: GrabRequest) -> None:
        """Reply at once from memory, unless the packet must be loaded or its end is not durable."""
        if self._commit.almost_overloaded:
            self._bus.reply(request, Reason.OVERLOADED)
        else:
            self._enter(request)

    def open(self, request: OpenRequest) -> None:
        """Turn a ticket into a claim. The reply `won` comes when the claim is durable."""
        self._opens[request.packet_id] += 1
        if self._commit.overloaded:
            self._bus.reply(request, Reason.OVERLOADED)
        else:
            self._enter(request)

    def look(self, request: LookRequest) -> None:
        """Have the packet in memory, for a snapshot. The reply says no more, and waits for no claim."""
        if self._commit.almost_overloaded:
            self._bus.reply(request, Reason.OVERLOADED)
        elif self._packets.snapshot(request.packet_id) is None or self._may_be_old(request.packet_id):
            self._enter(request)
        else:
            self._bus.reply(request, NO_TICKET)

    def _may_be_old(self, packet_id: int) -> bool:
        """Another server may decide the packet, and it was read a while ago: it is read again now."""
        live = self._packets.get(packet_id)
        if live is None or self.certain_since is None:
            return False
        old_s = asyncio.get_running_loop().time() - OLD_S
        is_old = live.read_at_s < min(old_s, self.certain_since(packet_id))
        if is_old:
            self._recovery.doubt((packet_id,))
        return is_old

    def _enter(self, request: PendingRequest) -> None:
        live = self._packets.get(request.packet_id)
        if live is not None and live.packet is not None:
            self._decide(live, live.packet, request)
        elif self._recovery.is_overloaded:
            self._bus.reply(request, Reason.OVERLOADED)
        else:
            if live is None:
                live = self._recovery.request(request.packet_id)
            live.waiting.append(request)
            self._recovery.hurry(live)

    # --- deciding ---------------------------------------------------------------------------------------------

    def _decide(self, live: LivePacket, packet: Packet, request: PendingRequest) -> None:
        user_id = request.user_id
        if user_id not in packet.claims and not may_open(packet.terms, user_id, user_id in live.audience):
            self._bus.reply(request, NOT_ALLOWED)
            return
        if type(request) is GrabRequest:
            if self._needs_reading(live, request) and user_id not in packet.claims and not packet.finished:
                self._read_before(live, request)
                return
            decision = self._grab(packet, request)
        else:
            ticket = request.ticket if type(request) is OpenRequest else LOOKING
            decision = packet.open(user_id, ticket, request.at_ms)
        self._conclude(live, request, decision)

    def _grab(self, packet: Packet, request: GrabRequest) -> Decision:
        decision = packet.grab(request.user_id, request.at_ms, self._random_number(), self._limits)
        if decision.ticket is not None and len(self._admissions) < ADMISSIONS_MAX:
            self._admissions.append(Admission(request.packet_id, request.user_id, request.at_ms))
        return decision

    def _retry(self, live: LivePacket, packet: Packet, request: PendingRequest) -> None:
        """Retry, without a ticket, an open whose claim a store refused.

        If the store goes on to fail although the packet can be read (a lock, a right that was revoked), its user
        gets a temporary error.
        """
        if request.failures >= FAILURES_MAX and not request.answered and request.user_id not in packet.claims:
            request.claim = None
            self._bus.reply(request, Reason.STORE_UNAVAILABLE)
            return
        decision = packet.take(request.user_id, request.at_ms)
        promised, claim = request.claim, decision.claim
        if request.answered and (claim is None or promised is None or claim.index != promised.index):
            LOG.critical("acknowledged_claim_lost", packet_id=live.packet_id, user_id=request.user_id)
        if decision.answer is CLAIMED and claim and promised and claim.at_ms == promised.at_ms:
            self._bus.reply(
                request, packet.decision_for(WON, claim)
            )  # it was this very open that won, and it is recorded
        else:
            self._conclude(live, request, decision)

    def _conclude(self, live: LivePacket, request: PendingRequest, decision: Decision) -> None:
        if decision.answer is WON:
            request.claim = decision.claim
            self._commit.submit(live, request)
        elif decision is EXPIRED and not live.log_known:
            self._find_out(live, request)
        elif decision is EXPIRED and self._needs_reading(live, request):
            self._read_before(live, request)
        elif decision is NOT_ALLOWED and request.user_id in live.admitted and request.failures < FAILURES_MAX:
            self._read_again(live, request)
        elif _rests_on(decision, live) > live.durable:
            live.waiting.append(request)
        else:
            self._bus.reply(request, decision)

    def _needs_reading(self, live: LivePacket, request: PendingRequest) -> bool:
        """Whether another server may have decided more of the packet than memory knows of it."""
        if self.certain_since is None or live.read_at_s >= self.certain_since(live.packet_id):
            return False
        request.needs_read_s = request.needs_read_s or asyncio.get_running_loop().time()
        return live.read_at_s < request.needs_read_s

    def _read_before(self, live: LivePacket, request: PendingRequest) -> None:
        live.distrust(PacketEvent.DOUBTED)
        live.waiting.append(request)
        self._recovery.reload_when_released(live)

    def _find_out(self, live: LivePacket, request: PendingRequest) -> None:
        """No process moves an expired packet on, so a claim that only the mirror holds is still to be recorded."""
        if self._health.takes(live.packet_id):
            self._read_before(live, request)
        else:
            self._bus.reply(request, Reason.STORE_UNAVAILABLE)

    def _read_again(self, live: LivePacket, request: PendingRequest) -> None:
        """A friend was admitted by a link, so the share that must be opened first is: by way of another server."""
        request.failures += 1  # a record that does not say so is not read without end
        self._read_before(live, request)

    # --- what becomes of claims -------------------------------------------------------------------------------

    def _on_durable(self, event: ClaimsDurable, audience: Collection[int]) -> None:
        """Claims may be told: decide the requests that waited for them, then tell the sender and the groups."""
        part = event.batch
        live = part.live
        if live.waiting and live.packet is part.packet:
            for request in live.take_waiting():
                self._decide_if_ready(live, part.packet, request)
        self._news.publish(live, part.packet, part.claims)

    def _on_ready(self, event: PacketReady, audience: Collection[int]) -> None:
        """A packet was read: announce what is new, retry its rejected opens, decide the requests that waited."""
        live, packet = event.live, event.packet
        if event.unannounced:
            self._news.publish(live, packet, event.unannounced)
        rejected, waiting = live.take_rejected(), live.take_waiting()
        for request in rejected:
            if type(request) is WinRequest and not request.answered:
                self._bus.publish(WinRejected(request, _as_recorded(packet, request)))
            elif live.packet is packet:
                self._retry(live, packet, request)
            else:
                live.rejected.append(request)
        for request in waiting:
            self._decide_if_ready(live, packet, request)
        if packet.finished and not live.in_flight:
            self._bus.publish(PacketsOver((live.packet_id,)))  # by a re-drive, perhaps

    def _decide_if_ready(self, live: LivePacket, packet: Packet, request: PendingRequest) -> None:
        """An earlier request of the same round may have found that the packet must be read again."""
        if live.packet is packet:
            self._decide(live, packet, request)
        else:
            live.waiting.append(request)


def _as_recorded(packet: Packet, request: PendingRequest) -> Decision | None:
    """The win of this very request, if the packet, which was read again, has it."""
    claim = packet.claims.get(request.user_id)
    return None if claim is None or claim != request.claim else packet.decision_for(WON, claim)


def _rests_on(decision: Decision, live: LivePacket) -> int:
    """How many claims must be durable before this may be told."""
    if decision.answer is CLAIMED and decision.claim is not None:
        return decision.claim.index + 1
    if decision is GONE and live.packet is not None:
        return live.packet.terms.shares
    return 0
