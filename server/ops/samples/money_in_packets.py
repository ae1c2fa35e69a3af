"""Checks that the money in packets equals what the flows leave there, although it is counted while money moves."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from server.ops.samples.sample import Counts, Sample

WINDOW: Final = 5  # samples: a count starts at most three seconds before it is seen, and one more sample follows it
FLOWS: Final = ("sent", "claimed", "refunded")


class MoneyInPackets(msgspec.Struct, frozen=True, kw_only=True):
    """opening + sent = claimed + refunded + in packets + in transit, in fen, at a count of the money in packets."""

    at_ms: int
    opening: int  # in packets when the server started, as far as all counts tell
    sent: int
    claimed: int
    refunded: int
    in_packets: int
    in_transit: int  # moved during the count
    difference: int  # the part of in_transit that no movement explains; 0: the sum is right


class MoneyInPacketsCheck:
    """Gets every sample from the start of the server. Each count says how much was in packets at the start.

    When counts of a worker were lost, the opening amount is no longer known, and the check begins again.

    The flows and the money in packets are counted in two places, never at the same moment. So a count gives a range
    for the opening amount, as wide as what moved during the count. The check keeps the intersection of all ranges;
    a range outside it is a difference.
    """

    def __init__(self) -> None:
        self._recent: deque[Sample] = deque(maxlen=WINDOW)
        self._least: float = 0
        self._most: float = float("inf")
        self._lost_counts = 0
        self.last: MoneyInPackets | None = None

    def add(self, sample: Sample) -> None:
        """Add the next sample. A count is checked one sample after it was first seen."""
        if sample.lost_counts != self._lost_counts:
            self._lost_counts, self._least, self._most = sample.lost_counts, 0, float("inf")
            self._recent.clear()
        self._recent.append(sample)
        seen = [one.figures for one in self._recent][-3:-1]
        if seen and seen[-1] is not None and (len(seen) == 1 or seen[0] is not seen[1]):
            self._check(seen[-1].in_packets_fen)

    def _check(self, in_packets: int) -> None:
        is_full = len(self._recent) == WINDOW
        if not is_full and self._lost_counts:
            return  # what has moved before is not known
        # if it is not full, the server has just started and nothing had moved before
        oldest = _flows(self._recent[0]) if is_full else dict.fromkeys(FLOWS, 0)
        newest = _flows(self._recent[-1])
        least = in_packets + oldest["claimed"] + oldest["refunded"] - newest["sent"]
        most = in_packets + newest["claimed"] + newest["refunded"] - oldest["sent"]
        difference = max(0, self._least - most) - max(0, least - self._most)
        if not difference:
            self._least, self._most = max(self._least, least), min(self._most, most)
        opening = int(self._least)
        self.last = min(
            (_balance(one, opening, in_packets, int(difference)) for one in self._recent),
            key=lambda balance: abs(balance.in_transit),
        )


def _flows(sample: Sample) -> Counts:
    """What was sent, claimed and refunded; a lease of a campaign is sent, and its rest refunded, by the pool."""
    flows, campaigns = {flow: sample.money_fen[flow] for flow in FLOWS}, sample.campaigns
    if campaigns is not None:
        flows["sent"] += campaigns.leased_fen
        flows["refunded"] += campaigns.returned_fen
    return flows


def _balance(sample: Sample, opening: int, in_packets: int, difference: int) -> MoneyInPackets:
    sent, claimed, refunded = (_flows(sample)[flow] for flow in FLOWS)
    return MoneyInPackets(
        at_ms=sample.at_ms,
        opening=opening,
        sent=sent,
        claimed=claimed,
        refunded=refunded,
        in_packets=in_packets,
        in_transit=opening + sent - claimed - refunded - in_packets,
        difference=difference,
    )
