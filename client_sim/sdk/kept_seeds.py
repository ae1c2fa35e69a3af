"""What a sender keeps from before and from the send, and what a proof then shows about the choice of the seed."""

from __future__ import annotations

from typing import Final, NamedTuple

from client_sim.sdk import fairness
from client_sim.sdk.methods import campaign_proofs
from protocol import messages

SEEDS_PER_TREE: Final = 64
KEPT_MAX: Final = 1_000  # packets, the oldest are dropped


class Kept(NamedTuple):
    """What I know of a packet that I sent."""

    commitment: bytes
    client_seed: bytes
    is_certain: bool  # false: an earlier run of the app may have sent the packet, with another client seed
    root: bytes | None  # of the tree of its server seed, if it was told before the send


class Verdict(NamedTuple):
    """The check of a proof: what is wrong, and what it does not show. Both empty: no one party chose the seed."""

    faults: list[str]
    unproven: list[str]


class KeptSeeds:
    """The roots that a server told, and the packets that were sent since then."""

    def __init__(self) -> None:
        self._roots: dict[int, bytes] = {}
        self._sent: dict[int, Kept] = {}
        self._changed: list[str] = []

    def told(self, trees: messages.SeedTrees) -> None:
        """The server has committed to these trees. What it told first is kept."""
        for tree in trees.trees:
            if self._roots.setdefault(tree.number, tree.root) != tree.root:
                self._changed.append(f"tree {tree.number} was told with two roots")

    def sent(self, reply: messages.PacketSent, client_seed: bytes, *, is_certain: bool) -> None:
        """A packet was sent. A repeated send keeps what the first one gave."""
        root = self._roots.get(reply.seed_index // SEEDS_PER_TREE)
        self._sent.setdefault(reply.packet_id, Kept(reply.commitment, client_seed, is_certain, root))
        if len(self._sent) > KEPT_MAX:
            del self._sent[next(iter(self._sent))]

    def check(self, revealed: messages.Revealed) -> Verdict:
        """Check a proof by itself and against what was kept."""
        found, unproven = [*_faults(revealed), *self._changed], []
        kept = self._sent.get(revealed.packet_id)
        if kept is not None:
            found += _contradictions(kept, revealed)
        if revealed.seed_index < 0:
            unproven.append("the server chose the seed by itself: it was sent by a server of an older version")
        elif not revealed.client_seed:
            unproven.append("the send had no client seed: the server knew the seed before")
        if kept is None:
            unproven.append("this client did not send it: commitment, client seed and root are the server's word")
        elif revealed.seed_index >= 0:
            if kept.root is None:
                unproven.append("the root was not told to this client before the send")
            if not kept.is_certain and revealed.client_seed != kept.client_seed:
                unproven.append(
                    "the client seed is not this client's: its key may have been used by an earlier run"
                )
        return Verdict(found, unproven)


def _faults(revealed: messages.Revealed) -> list[str]:
    """What is wrong with a proof by itself, of a packet or of a campaign."""
    if not revealed.packet_kind.startswith(campaign_proofs.KIND):
        return fairness.faults(revealed)
    return [*fairness.seed_faults(revealed), *campaign_proofs.win_faults(revealed)]


def _contradictions(kept: Kept, revealed: messages.Revealed) -> list[str]:
    found = []
    if revealed.commitment != kept.commitment:
        found.append("the commitment is not the one of the send")
    if revealed.seed_index >= 0 and kept.is_certain and revealed.client_seed != kept.client_seed:
        found.append("the client seed is not the one of the send")
    if kept.root is not None and revealed.root != kept.root:
        found.append("the root is not the one that was told before the send")
    return found
