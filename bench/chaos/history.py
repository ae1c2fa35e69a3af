"""The users' own logs: their requests and the answers they were given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

NEVER: Final = float("inf")
UNKNOWN: Final = "unknown"
HOT_PACKETS: Final = 20


class SendOp(NamedTuple):
    """The send of a packet, retried until the answer was final."""

    user_id: int
    key: str
    amount_fen: int  # of the whole packet
    answer: str  # sent, unknown, or the name of a refusal
    packet_id: int = 0  # if it was sent


class Op(NamedTuple):
    """One grab or open on one packet, from the first try until the final answer. Times of perf_counter."""

    user_id: int
    packet_id: int
    kind: str  # grab, open
    call_s: float
    return_s: float  # NEVER: no answer came
    answer: str  # of the protocol, or unknown, or the name of a refusal
    share: int = 0  # its number: won, claimed
    amount_fen: int = 0
    tries: int = 1  # more than one: an earlier try may have taken the share

    @property
    def has_share(self) -> bool:
        """The user was told to have a share."""
        return self.answer in {"won", "claimed"}


class TopUp(NamedTuple):
    """Money that the chat backend put in, and that was confirmed."""

    user_id: int
    key: str
    amount_fen: int


class CampaignOp(NamedTuple):
    """A campaign that the chat backend made, and that was confirmed."""

    campaign_id: int
    sponsor_id: int
    key: str
    budget_fen: int
    per_user_limit: int


class ToldWin(NamedTuple):
    """A share of a campaign as its user was told of it: just won (`won`), or the latest one (`limit`)."""

    user_id: int
    campaign_id: int
    packet_id: int
    share: int
    amount_fen: int
    result: str


class History:
    def __init__(self) -> None:
        self.sends: list[SendOp] = []
        self.ops: list[Op] = []
        self.top_ups: list[TopUp] = []
        self.campaigns: list[CampaignOp] = []
        self.wins: list[ToldWin] = []
        self.shakes: Counter[str] = Counter()  # by result, or name of the error
        self.refused_shakes: list[str] = []  # that may not be refused
        self.acked_sends = 0
        self._acked_claims: set[tuple[int, int]] = set()
        self.tries_again = False  # the server may try an open again by itself: it has several workers
        self.last_ack_s = 0.0  # the latest start of a try that moved money and was answered

    def add_send(self, send: SendOp, try_s: float) -> None:
        """A send is over; its last try began at `try_s`."""
        self.sends.append(send)
        if send.answer == "sent":
            self.acked_sends += 1
            self.last_ack_s = max(self.last_ack_s, try_s)

    def add(self, op: Op, try_s: float = 0.0) -> None:
        """A grab or an open is over; its last try began at `try_s`."""
        self.ops.append(op)
        if op.has_share:
            self._acked_claims.add((op.packet_id, op.user_id))
        if op.answer == "won":
            self.last_ack_s = max(self.last_ack_s, try_s)

    def add_win(self, told: ToldWin, try_s: float) -> None:
        """A user was told of a share; the shake began at `try_s`."""
        self.wins.append(told)
        if told.result == "won":
            self.last_ack_s = max(self.last_ack_s, try_s)

    def hot_packets(self) -> list[int]:
        """The packets that were sent last, which users open now."""
        return [one.packet_id for one in self.sends[-HOT_PACKETS:] if one.packet_id]

    @property
    def acked_wins(self) -> int:
        """The number of wins that users were told of."""
        return len({(one.packet_id, one.share) for one in self.wins})

    @property
    def acked_claims(self) -> int:
        """The number of shares that users were told to have."""
        return len(self._acked_claims)

    def acked_shares(self) -> dict[tuple[int, int], set[tuple[int, int]]]:
        """(packet, user) -> every (share, fen) that this user was told to have; two contradict each other."""
        shares: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        for op in self.ops:
            if op.has_share:
                shares[op.packet_id, op.user_id].add((op.share, op.amount_fen))
        return shares


def by_packet(ops: Iterable[Op]) -> dict[int, list[Op]]:
    found: dict[int, list[Op]] = defaultdict(list)
    for op in ops:
        found[op.packet_id].append(op)
    return found
