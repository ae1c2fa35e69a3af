"""Whether observed amounts fit their law: χ² for one group of draws, and Holm's correction for many groups.

Amounts are put into bins of about the same probability, each of which expects five draws or more, as is usual for
χ². With a hundred groups, one in a hundred falls below 0.01 by chance alone, so p is corrected (Holm 1979): a
corrected p below α is a false alarm in at most a share α of all *reports*, whatever the groups have in common.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from server.core.analysis.share_law import ShareLaw

EXPECTED_MIN: Final = 5.0  # draws in a bin
BINS_MAX: Final = 16
ALPHA: Final = 0.01
_TERMS_MAX: Final = 1_000
_CLOSE: Final = 1e-15


class LuckBin(NamedTuple):
    """Amounts from `low_fen` to `high_fen`: how many draws of them were expected, and observed."""

    low_fen: int
    high_fen: int
    expected: float
    observed: int


class LuckTest(NamedTuple):
    """The result for one group of draws."""

    chi_square: float
    degrees: int
    p: float
    bins: list[LuckBin]


def bins(law: ShareLaw, observed: Mapping[int, int]) -> list[LuckBin]:
    """Draws by bins, in the order of amounts. `observed`: how often each amount was drawn.

    An amount outside the law counts in the bin that is next to it. Its expectation is 0, so χ² grows all the same.
    """
    draws = sum(observed.values())
    each = max(EXPECTED_MIN, draws / BINS_MAX)
    edges: list[tuple[int, float]] = []  # the last amount of a bin, and its expectation
    expected = 0.0
    for amount_fen, p in enumerate(law.probabilities, law.low_fen):
        expected += p * draws
        if expected >= each:
            edges.append((amount_fen, expected))
            expected = 0.0
    if edges:  # what remains is too little for a bin of its own
        edges[-1] = (law.low_fen + len(law.probabilities) - 1, edges[-1][1] + expected)
    return _filled(edges, law.low_fen, observed)


def _filled(edges: Sequence[tuple[int, float]], low_fen: int, observed: Mapping[int, int]) -> list[LuckBin]:
    counts = [0] * len(edges)
    last = len(edges) - 1
    for amount_fen, times in observed.items():
        place = next((n for n, (high_fen, _) in enumerate(edges) if amount_fen <= high_fen), last)
        counts[place] += times
    found = []
    for (high_fen, expected), count in zip(edges, counts, strict=True):
        found.append(LuckBin(low_fen, high_fen, expected, count))
        low_fen = high_fen + 1
    return found


def luck_test(law: ShareLaw, observed: Mapping[int, int]) -> LuckTest | None:
    """χ² of a group of draws; None if there are too few for two bins."""
    found = bins(law, observed)
    if len(found) < 2:
        return None
    chi = sum((one.observed - one.expected) ** 2 / one.expected for one in found)
    return LuckTest(chi, len(found) - 1, p_of(chi, len(found) - 1), found)


def p_of(chi_square: float, degrees: int) -> float:
    """How probable χ² is to be this large or larger by chance: Q(degrees / 2, χ² / 2)."""
    a, x = degrees / 2, chi_square / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    return 1.0 - front * _series(a, x) if x < a + 1 else front * _fraction(a, x)


def _series(a: float, x: float) -> float:
    """The lower incomplete gamma function without its front factor, where its series converges fast."""
    term = total = 1 / a
    for n in range(1, _TERMS_MAX):
        term *= x / (a + n)
        total += term
        if term < total * _CLOSE:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """The upper one as a continued fraction, by Lentz's method."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    found = d
    for n in range(1, _TERMS_MAX):
        factor = -n * (n - a)
        b += 2
        d = 1 / ((factor * d + b) or tiny)
        c = (b + factor / c) or tiny
        found *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p corrected for the number of tests, in the same order; 1 at most."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
