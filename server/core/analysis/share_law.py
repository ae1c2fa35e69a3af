"""The exact law of a drawn share: how probable each amount is, whose turn it is being all that is known.

`amounts` says how a share is drawn when `left` is known. What is left before turn t is itself random, so the law of
turn t follows from that of the turns before: every possible `left` is carried on with its probability. Nothing is
simulated or approximated; the sums of floats are right to about twelve digits.

Each draw is uniform over a range, so a range is added by its two ends, and one running sum makes the law: a turn
costs as many steps as there are values of `left`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from server.core.amounts import Caps


class ShareLaw(NamedTuple):
    """The probabilities of the amounts `low_fen`, `low_fen` + 1, …"""

    low_fen: int
    probabilities: list[float]

    @property
    def mean_fen(self) -> float:
        """The expectation."""
        return sum(self.low_fen * p + n * p for n, p in enumerate(self.probabilities))

    @property
    def variance(self) -> float:
        """In fen²."""
        mean = self.mean_fen
        return sum((self.low_fen + n - mean) ** 2 * p for n, p in enumerate(self.probabilities))


def steps(total_fen: int, shares: int) -> int:
    """A bound of the work of `laws`, in values of `left` over all turns."""
    return total_fen * shares


def laws(total_fen: int, shares: int, caps: Caps) -> Iterator[ShareLaw]:
    """The law of each turn, from the first to the last. Needs min·shares ≤ total ≤ max·shares."""
    left = ShareLaw(total_fen, [1.0])
    for left_shares in range(shares, 1, -1):
        law, left = _turn(left, left_shares, caps)
        yield law
    yield left


def _turn(left: ShareLaw, left_shares: int, caps: Caps) -> tuple[ShareLaw, ShareLaw]:
    """The law of the share that is drawn, and of what is left after it."""
    most = left.low_fen + len(left.probabilities)
    amounts = [0.0] * (min(caps.max_fen, most) + 2)
    rest = [0.0] * (most + 2)
    for left_fen, p in enumerate(left.probabilities, left.low_fen):
        if p <= 0.0:
            continue
        twice_mean, over = divmod(2 * left_fen, left_shares)
        # rounded up as often as the fraction says
        for rounded, weight in ((twice_mean, p * (left_shares - over)), (twice_mean + 1, p * over)):
            if weight:
                low, high = max(caps.min_fen, rounded - caps.max_fen), min(caps.max_fen, rounded - caps.min_fen)
                each = weight / left_shares / (high - low + 1)
                amounts[low] += each
                amounts[high + 1] -= each
                rest[left_fen - high] += each
                rest[left_fen - low + 1] -= each
    return _summed(amounts), _summed(rest)


def _summed(ends: list[float]) -> ShareLaw:
    """The law whose ranges have these ends. What rounding leaves where nothing can be is cut off."""
    law = [p if p > 1e-15 else 0.0 for p in accumulate(ends)]
    first = next(n for n, p in enumerate(law) if p)
    last = next(n for n in range(len(law) - 1, -1, -1) if law[n])
    return ShareLaw(first, law[first : last + 1])
