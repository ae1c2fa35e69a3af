"""A live packet and the attempts on it, between the moment they are decided and the moment they are durable.

    waiting --decide--> won --commit path--> durable --> reply
       ^                 |
       |                 +-- a store refused or did not answer --> undone --reload, decide again--+
       +------------------------------------------------------------------------------------------+

What memory knows ahead of the stores is told to nobody: an answer that rests on a claim which is not durable yet
waits with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice
from typing import NamedTuple, TypeAlias

import msgspec

from server.core.packet import Claim, Decision, Packet, may_open
from server.core.pages import Known
from server.core.refusals import Reason

Reply: TypeAlias = Callable[[Decision | Reason], None]


class PendingRequest(msgspec.Struct, eq=False):
    """One grab or open on its way. `at_ms` is when it arrived; `ticket` is None for a grab."""

    user_id: int
    ticket: int | None
    at_ms: int
    reply: Reply
    claim: Claim | None = None  # what was decided, while it is not durable
    answered: bool = False

    def answer(self, decision: Decision | Reason) -> None:
        """Tell the user, once."""
        if not self.answered:
            self.answered = True
            self.reply(decision)


class Snapshot(NamedTuple):
    """A packet at one moment, to speak of: claims that come later stand behind the durable ones."""

    packet: Packet
    durable: int
    refunded: bool
    audience: Collection[int]

    @property
    def known(self) -> Known:
        """What may be said of it: the claims that are durable. A copy, because the packet's own go on growing."""
        claims = dict(islice(self.packet.claims.items(), self.durable))
        return Known(self.packet.terms, claims, self.refunded)

    def may_open(self, user_id: int) -> bool:
        """Whether the rules let a user open it."""
        return may_open(self.packet.terms, user_id, user_id in self.audience)

    def may_follow(self, user_id: int) -> bool:
        """Whether a user who sees its list may be told of claims to come: not who has left or was kicked."""
        return user_id == self.packet.terms.sender_id or self.may_open(user_id)


class LivePacket:
    """A packet in memory. While `packet` is None (being loaded or reloaded) everything waits."""

    __slots__ = (
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
        "waiting",
    )

    def __init__(self, packet_id: int) -> None:
        self.packet_id = packet_id
        self.packet: Packet | None = None
        self.replaced: Packet | None = None  # what a reload takes the tickets over from
        self.audience: Collection[int] = ()  # the members of its groups, or the one receiver
        self.also_in: tuple[int, ...] = ()  # groups that it was sent to again, besides the one of its terms
        self.durable = 0  # so many claims may be spoken of
        self.recorded = 0  # so many are known to stand in the books
        self.refunded = False  # the record is closed, and what nobody opened is back with the sender
        self.in_flight = 0  # so many batches at the stores hold claims of this packet
        self.log_known = True  # False: the mirror was away when this was read, and may hold more
        self.mirrored = False  # the mirror holds what the claims in flight are built on
        self.mirror_length = 0  # what the mirror's log looks like while it does not
        self.waiting: list[PendingRequest] = []
        self.rejected: list[PendingRequest] = []
        self.read_at_s = 0.0  # the stores were read then (the clock of the loop)

    def ready(self, packet: Packet, audience: Collection[int], mirrored: bool, mirror_length: int) -> None:
        """Stand as the stores tell."""
        if self.replaced is not None:
            packet.keep_tickets(self.replaced)
            self.replaced = None
        self.packet = packet
        self.audience = audience
        self.durable = self.recorded = packet.version
        self.mirrored = mirrored
        self.mirror_length = mirror_length

    def distrust(self) -> None:
        """What memory holds is not what the stores hold: everything waits until it was read again."""
        if self.packet is not None:
            self.replaced, self.packet = self.packet, None

    def seen(self) -> Snapshot | None:
        """What may be said of it now; None while it is being loaded."""
        if self.packet is None:
            return None
        return Snapshot(self.packet, self.durable, self.refunded, self.audience)

    @property
    def quiet(self) -> bool:
        """Nothing of it is at the stores and nothing waits."""
        return not (self.in_flight or self.waiting or self.rejected)
