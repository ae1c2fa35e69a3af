"""The rules of reports: the law of a share is exact, χ² and its correction are right, small groups stay out."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.amounts import Caps, all_lucky_shares, bounds
from server.core.analysis.inequality import LorenzPoint, gini, lorenz, part_of_top, thinned
from server.core.analysis.luck_test import ALPHA, BINS_MAX, bins, holm, luck_test, p_of
from server.core.analysis.share_law import ShareLaw, laws
from server.core.analysis.suppression import PEOPLE_MIN, fold, may_show, visible_cells

Exact = list[dict[int, Fraction]]


def enumerated(total_fen: int, shares: int, caps: Caps) -> Exact:
    """The law of each turn by following every single draw, in fractions."""
    turns: Exact = [{} for _ in range(shares)]

    def follow(turn: int, left_fen: int, p: Fraction) -> None:
        left_shares = shares - turn
        for rounding in range(left_shares):
            low, high = bounds(left_fen, left_shares, caps, rounding)
            each = p / left_shares / (high - low + 1)
            for amount_fen in range(low, high + 1):
                turns[turn][amount_fen] = turns[turn].get(amount_fen, Fraction(0)) + each
                if left_shares > 1:
                    follow(turn + 1, left_fen - amount_fen, each)

    follow(0, total_fen, Fraction(1))
    return turns


@pytest.mark.parametrize(
    ("total_fen", "shares", "caps"),
    [
        (7, 3, Caps()),
        (10, 4, Caps()),
        (5, 5, Caps()),
        (20, 2, Caps()),
        (12, 3, Caps(2, 6)),
        (17, 3, Caps(3, 8)),
        (1, 1, Caps()),
    ],
)
def test_law_of_each_turn_equals_the_enumeration_of_all_draws(total_fen: int, shares: int, caps: Caps) -> None:
    found = list(laws(total_fen, shares, caps))
    expected = enumerated(total_fen, shares, caps)
    assert len(found) == shares
    for law, exact in zip(found, expected, strict=True):
        shown = {law.low_fen + n: p for n, p in enumerate(law.probabilities) if p}
        assert shown.keys() == exact.keys()
        assert all(math.isclose(shown[amount], exact[amount], rel_tol=1e-12) for amount in exact)


@given(shares=st.integers(1, 12), each=st.integers(1, 60), caps=st.just(Caps(1, 100)))
@settings(max_examples=40, deadline=None)
def test_law_of_each_turn_sums_to_one_and_has_the_same_mean(shares: int, each: int, caps: Caps) -> None:
    total_fen = shares * each + shares // 2
    for law in laws(total_fen, shares, caps):
        assert math.isclose(sum(law.probabilities), 1, rel_tol=1e-11)
        assert math.isclose(law.mean_fen, total_fen / shares, rel_tol=1e-9)


def test_law_spread_is_largest_for_the_last_two_turns() -> None:
    variances = [law.variance for law in laws(1_000, 6, Caps())]
    assert variances == sorted(variances)
    assert math.isclose(variances[-1], variances[-2], rel_tol=1e-6)


def drawn(total_fen: int, shares: int, packets: int) -> list[Counter[int]]:
    """How often each amount was drawn at each turn, by the program itself."""
    turns: list[Counter[int]] = [Counter() for _ in range(shares)]
    for n in range(packets):
        seed = hashlib.sha256(n.to_bytes(4, "big")).digest()
        for turn, amount_fen in enumerate(all_lucky_shares(seed, total_fen, shares, Caps())):
            turns[turn][amount_fen] += 1
    return turns


def test_luck_of_the_program_fits_its_law() -> None:
    tests = [luck_test(law, seen) for law, seen in zip(laws(500, 5, Caps()), drawn(500, 5, 4_000), strict=True)]
    corrected = holm([one.p for one in tests if one is not None])
    assert len(corrected) == 5
    assert min(corrected) > ALPHA


def test_luck_of_a_biased_draw_does_not_fit() -> None:
    rng = random.Random(7)
    law = next(laws(500, 5, Caps()))
    seen = Counter(min(rng.randint(1, 199), rng.randint(1, 199)) for _ in range(4_000))
    found = luck_test(law, seen)
    assert found is not None
    assert found.p < 1e-12
    assert found.degrees == len(found.bins) - 1


def test_bins_share_all_draws_and_none_expects_too_few() -> None:
    law = next(laws(500, 5, Caps()))
    seen = Counter({1: 30, 100: 50, 199: 20, 400: 1})
    found = bins(law, seen)
    assert sum(one.observed for one in found) == 101
    assert math.isclose(sum(one.expected for one in found), 101, rel_tol=1e-9)
    assert len(found) <= BINS_MAX
    assert min(one.expected for one in found) >= 5
    assert [one.low_fen for one in found[1:]] == [one.high_fen + 1 for one in found[:-1]]


def test_bin_has_the_draws_from_its_first_amount_to_its_last() -> None:
    seen = Counter({amount_fen: amount_fen % 7 for amount_fen in range(1, 200)})
    for one in bins(next(laws(500, 5, Caps())), seen):
        assert one.observed == sum(seen[amount_fen] for amount_fen in range(one.low_fen, one.high_fen + 1))


def test_luck_with_too_few_draws_is_not_tested() -> None:
    assert luck_test(next(laws(500, 5, Caps())), {100: 9}) is None
    assert luck_test(ShareLaw(100, [1.0]), {100: 5_000}) is None


@pytest.mark.parametrize(
    ("chi_square", "degrees", "p"),  # of a printed table
    [(3.841, 1, 0.05), (6.635, 1, 0.01), (18.307, 10, 0.05), (23.209, 10, 0.01), (24.996, 15, 0.05), (0.0, 3, 1.0)],
)
def test_p_of_chi_square_is_that_of_the_table(chi_square: float, degrees: int, p: float) -> None:
    assert p_of(chi_square, degrees) == pytest.approx(p, abs=2e-5)


def test_p_with_two_degrees_is_an_exponential() -> None:
    for chi_square in (0.1, 1.0, 3.9, 4.1, 20.0, 200.0):
        assert math.isclose(p_of(chi_square, 2), math.exp(-chi_square / 2), rel_tol=1e-10)


def test_holm_multiplies_by_the_tests_that_remain_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_gini_of_equal_gifts_is_zero_and_of_one_giver_nearly_one() -> None:
    assert gini(lorenz([(50, 100)])) == pytest.approx(0)
    assert gini(lorenz([(0, 99), (1_000, 1)])) == pytest.approx(0.99)
    assert gini(lorenz([(1, 1), (2, 1), (3, 1)])) == pytest.approx(2 / 9)


def test_lorenz_of_nothing_is_the_diagonal() -> None:
    assert lorenz([(0, 5)]) == [LorenzPoint(0, 0), LorenzPoint(1, 1)]


def test_part_of_the_top_tenth() -> None:
    points = lorenz([(1, 9), (91, 1)])
    assert part_of_top(points, 0.1) == pytest.approx(0.91)
    assert part_of_top(points, 1.0) == pytest.approx(1)
    assert part_of_top(lorenz([(5, 10)]), 0.3) == pytest.approx(0.3)


def test_thinned_curve_keeps_its_ends() -> None:
    points = lorenz([(n, 1) for n in range(1_000)])
    found = thinned(points, 100)
    assert (found[0], found[-1]) == (points[0], points[-1])
    assert len(found) <= 202


def test_thinned_curve_keeps_its_corner() -> None:
    points = lorenz([(0, 700), *((n, 1) for n in range(1, 301))])
    assert LorenzPoint(0.7, 0.0) in thinned(points, 100)


def test_group_of_nineteen_is_hidden_and_one_of_twenty_is_shown() -> None:
    assert not may_show(PEOPLE_MIN - 1)
    assert may_show(PEOPLE_MIN)
    assert PEOPLE_MIN == 20


def test_small_rows_are_folded_with_the_smallest_large_one() -> None:
    shown, folded = fold([100, 19, 40, 3], lambda people: people)
    assert (shown, folded) == ([100], [19, 3, 40])
    assert fold([100, 40], lambda people: people) == ([100, 40], [])
    assert fold([3, 4], lambda people: people) == ([], [3, 4])


def test_hidden_cell_cannot_be_computed_from_its_row_or_column() -> None:
    visible = visible_cells([[100, 50, 5], [200, 60, 70], [90, 80, 40]])
    assert visible[0] == [True, False, False]
    for line in [*visible, *map(list, zip(*visible, strict=True))]:
        assert line.count(False) != 1


@given(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=2, max_size=4))
def test_small_cells_are_never_visible_and_never_alone(people: list[list[int]]) -> None:
    visible = visible_cells(people)
    for counts, shown in zip(people, visible, strict=True):
        assert all(not seen or count == 0 or count >= 20 for count, seen in zip(counts, shown, strict=True))
    for line in [*visible, *map(list, zip(*visible, strict=True))]:
        assert line.count(False) != 1


def test_table_without_small_cells_is_shown_whole() -> None:
    assert visible_cells([[20, 0], [30, 40]]) == [[True, True], [True, True]]
