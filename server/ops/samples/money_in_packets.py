"""Whether the money in packets is what the counted flows leave there, though it is counted while money moves."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from server.ops.samples.sample import Sample

AROUND: Final = 5  # samples: a count began at most three seconds before it was seen, and one more passes after it
FLOWS: Final = ("sent", "claimed", "refunded")


class MoneyInPackets(msgspec.Struct, frozen=True, kw_only=True):
    """before + sent = claimed + refunded + in packets + moving, in fen, as of a count of the money in packets."""

    at_ms: int
    before: int  # in packets when the server started, as far as all counts tell
    sent: int
    claimed: int
    refunded: int
    in_packets: int
    moving: int  # moved around the moment of the count
    difference: int  # of it, what no movement explains; 0: it balances


class MoneyInPacketsCheck:
    """Is shown every sample from the server's start. Each count tells what must have been in packets then.

    Nobody can count at one moment what is counted in two places. So a count tells a range, as wide as what moved
    around it; ranges are cut down to what they share, and one that shares nothing with the others is a difference.
    """

    def __init__(self) -> None:
        self._recent: deque[Sample] = deque(maxlen=AROUND)
        self._least: float = 0
        self._most: float = float("inf")
        self.last: MoneyInPackets | None = None

    def add(self, sample: Sample) -> None:
        """A second has passed. A count is judged a second after it was first seen."""
        self._recent.append(sample)
        seen = [one.figures for one in self._recent][-3:-1]
        if seen and seen[-1] is not None and (len(seen) == 1 or seen[0] is not seen[1]):
            self._judge(seen[-1].in_packets_fen)

    def _judge(self, in_packets: int) -> None:
        has_all = len(self._recent) == AROUND  # else the server has just started, and nothing had moved before
        oldest = self._recent[0].money_fen if has_all else dict.fromkeys(FLOWS, 0)
        newest = self._recent[-1].money_fen
        least = in_packets + oldest["claimed"] + oldest["refunded"] - newest["sent"]
        most = in_packets + newest["claimed"] + newest["refunded"] - oldest["sent"]
        difference = max(0, self._least - most) - max(0, least - self._most)
        if not difference:
            self._least, self._most = max(self._least, least), min(self._most, most)
        before = int(self._least)
        self.last = min(
            (_balance(one, before, in_packets, int(difference)) for one in self._recent),
            key=lambda balance: abs(balance.moving),
        )


def _balance(sample: Sample, before: int, in_packets: int, difference: int) -> MoneyInPackets:
    sent, claimed, refunded = (sample.money_fen[flow] for flow in FLOWS)
    return MoneyInPackets(
        at_ms=sample.at_ms,
        before=before,
        sent=sent,
        claimed=claimed,
        refunded=refunded,
        in_packets=in_packets,
        moving=before + sent - claimed - refunded - in_packets,
        difference=difference,
    )
