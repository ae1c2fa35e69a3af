"""A packet in memory: its state, what is durable of it, and the requests that wait for it.

    waiting --decide--> won --commit path--> durable --> reply
       ^                 |
       |                 +-- a store refused or did not answer --> rejected --reload, retry--+
       +------------------------------------------------------------------------------------+

Memory runs ahead of the stores. A reply that rests on a claim which is not durable yet waits with that claim.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import NamedTuple

from server.core.packet import Packet
from server.core.packet_request import may_open
from server.core.packet_states import PacketEvent, PacketState, next_state
from server.core.pages import Known
from server.services.packets.requests import PendingRequest


class Snapshot(NamedTuple):
    """A packet at one moment. Claims that come later stand after the durable ones."""

    packet: Packet
    durable: int
    refunded: bool
    audience: Collection[int]

    @property
    def known(self) -> Known:
        """What may be told of it: the durable claims. A copy, because the packet's own claims go on growing."""
        claims = dict(islice(self.packet.claims.items(), self.durable))
        return Known(self.packet.terms, claims, self.refunded)

    def may_open(self, user_id: int) -> bool:
        """Whether the rules let a user open it."""
        return may_open(self.packet.terms, user_id, user_id in self.audience)

    def has_said(self, user_id: int) -> bool:
        """Whether the user has said its words, if it has any."""
        return self.packet.said is None or user_id in self.packet.said

    def sees(self, user_id: int) -> bool:
        """Whether it was posted where the user reads."""
        return user_id in self.audience

    def may_follow(self, user_id: int) -> bool:
        """Whether a user who sees the list may be told of later claims: not after leaving or being removed."""
        return user_id == self.packet.terms.sender_id or self.may_open(user_id)


class LivePacket:
    """One packet in memory. `packet` is set in the state READY only; in every other state requests wait."""

    __slots__ = (
        "admitted",
        "also_in",
        "audience",
        "durable",
        "in_flight",
        "log_known",
        "mirror_length",
        "mirrored",
        "packet",
        "packet_id",
        "read_at_s",
        "recorded",
        "refunded",
        "rejected",
        "replaced",
        "state",
        "waiting",
    )

    def __init__(self, packet_id: int) -> None:
        self.packet_id = packet_id
        self.state = PacketState.ABSENT
        self.packet: Packet | None = None
        self.replaced: Packet | None = None  # the object whose tickets a reload takes over
        self.audience: Collection[int] = ()  # who sees it: members of its groups, the one receiver, or `admitted`
        self.admitted: dict[int, int] = {}  # by user who came by a link: its depth (see core/fission/links)
        self.also_in: tuple[int, ...] = ()  # groups that it was sent to again, besides the one of its terms
        self.durable = 0  # number of claims that are durable, so replies and pushes may name them
        self.recorded = 0  # number of claims that PostgreSQL is known to hold
        self.refunded = False  # the record is closed, and the sender has the unopened rest back
        self.in_flight = 0  # number of batches at the stores that hold claims of this packet
        self.log_known = True  # False: the mirror was away at the last read, and may hold more claims
        self.mirrored = False  # the mirror holds all claims before those in flight
        self.mirror_length = 0  # the length of the mirror's log while `mirrored` is False
        self.waiting: list[PendingRequest] = []
        self.rejected: list[PendingRequest] = []
        self.read_at_s = 0.0  # when the stores were last read (the clock of the loop)

    def move(self, event: PacketEvent) -> None:
        """Go to the next state. Raises ValueError if this event cannot happen now."""
        self.state = next_state(self.state, event)

    def become_ready(
        self, event: PacketEvent, packet: Packet, audience: Collection[int], mirrored: bool, mirror_length: int
    ) -> None:
        """Take the state that the stores hold (READ), or that of a packet just sent (SENT)."""
        self.move(event)
        if self.replaced is not None:
            packet.keep_tickets(self.replaced)
            self.replaced = None
        self.packet = packet
        self.audience = audience
        self.durable = self.recorded = packet.version
        self.mirrored = mirrored
        self.mirror_length = mirror_length

    def distrust(self, event: PacketEvent) -> None:
        """Memory may differ from the stores: everything waits until it was read again."""
        self.move(event)
        if self.packet is not None:
            self.replaced, self.packet = self.packet, None

    def reject(self, requests: Iterable[PendingRequest]) -> None:
        """These opens were won in memory, but a store did not take them; they are retried after the reload."""
        self.distrust(PacketEvent.REJECTED)
        self.rejected += requests

    def take_rejected(self) -> list[PendingRequest]:
        """The rejected opens, in the order in which they were decided, whichever stage rejected them."""
        rejected, self.rejected = sorted(self.rejected, key=_index_of), []
        return rejected

    def take_waiting(self) -> list[PendingRequest]:
        """The requests that wait, in the order of their arrival."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def snapshot(self) -> Snapshot | None:
        """What may be told of it now; None unless it is ready."""
        if self.packet is None:
            return None
        return Snapshot(self.packet, self.durable, self.refunded, self.audience)

    @property
    def has_claims_under_way(self) -> bool:
        """Claims of it were decided that no store has taken or refused yet, or that are retried."""
        return bool(self.in_flight or self.rejected)

    @property
    def quiet(self) -> bool:
        """Nothing of it is at the stores and no request waits."""
        return not (self.in_flight or self.waiting or self.rejected)


def _index_of(request: PendingRequest) -> int:
    """Which claim a rejected open had made."""
    assert request.claim is not None
    return request.claim.index
