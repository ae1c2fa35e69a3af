"""What the users did and were told, each by their own log and nobody else's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

NEVER: Final = float("inf")
UNKNOWN: Final = "unknown"


class SendOp(NamedTuple):
    """A packet that somebody sent, until it was answered for good."""

    user_id: int
    key: str
    amount_fen: int  # of the whole packet
    answer: str  # sent, unknown, or the name of a refusal
    packet_id: int = 0  # if it was sent


class Op(NamedTuple):
    """One grab or open on one packet, from the first try until the answer that was final. Times of perf_counter."""

    user_id: int
    packet_id: int
    kind: str  # grab, open
    call_s: float
    return_s: float  # NEVER: no answer came
    answer: str  # of the wire, or unknown, or the name of a refusal
    share: int = 0  # its number: won, claimed
    amount_fen: int = 0
    tries: int = 1  # more than one: an earlier try may have taken the share


class TopUp(NamedTuple):
    """Money that the chat backend put in, and was told so."""

    user_id: int
    key: str
    amount_fen: int


class History:
    """All logs of a run."""

    def __init__(self) -> None:
        self.sends: list[SendOp] = []
        self.ops: list[Op] = []
        self.top_ups: list[TopUp] = []
        self.acked_sends = 0
        self._told: set[tuple[int, int]] = set()
        self.last_ack_s = 0.0  # the last try was made then, of what moved money and was answered

    def sent(self, send: SendOp, asked_s: float) -> None:
        """A send is over."""
        self.sends.append(send)
        if send.answer == "sent":
            self.acked_sends += 1
            self.last_ack_s = max(self.last_ack_s, asked_s)

    def done(self, op: Op, asked_s: float = 0.0) -> None:
        """A grab or an open is over."""
        self.ops.append(op)
        if op.answer in {"won", "claimed"}:
            self._told.add((op.packet_id, op.user_id))
            if op.answer == "won":
                self.last_ack_s = max(self.last_ack_s, asked_s)

    @property
    def acked_claims(self) -> int:
        """How many shares users were told to have."""
        return len(self._told)

    def told_shares(self) -> dict[tuple[int, int], set[tuple[int, int]]]:
        """(packet, user) -> every (share, fen) that this user was told to have; two contradict each other."""
        told: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        for op in self.ops:
            if op.answer in {"won", "claimed"}:
                told[op.packet_id, op.user_id].add((op.share, op.amount_fen))
        return told


def by_packet(ops: Iterable[Op]) -> dict[int, list[Op]]:
    """The operations on each packet."""
    found: dict[int, list[Op]] = defaultdict(list)
    for op in ops:
        found[op.packet_id].append(op)
    return found
