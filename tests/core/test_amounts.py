"""Shares: exact in sum, within their caps, with equal expected amounts, and reproducible from the seed."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.core import amounts
from server.core.amounts import Caps, all_lucky_shares, bounds

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "fairness.json").read_text())
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])
DEFAULT = Caps()
SEED = bytes(range(32))


# --- known answers ---------------------------------------------------------------------------------------------


def documented_shares(vector: dict[str, Any]) -> list[int]:
    """The documented formula, written a second time: nothing here comes from server.core."""
    seed, left = bytes.fromhex(vector["seed"]), vector["total_fen"]
    smallest, largest = vector["share_fen_min"], vector["share_fen_max"]
    shares = []
    for i in range(vector["shares"] - 1):
        k = vector["shares"] - i
        digest = hmac.new(seed, bytes([0, 0, i >> 8, i & 255]), hashlib.sha256).hexdigest()
        n, r = int(digest[:32], 16), int(digest[32:], 16)
        m = (left + left + r % k) // k
        low = m - largest if m - largest > smallest else smallest
        high = m - smallest if m - smallest < largest else largest
        shares.append(low + n % (high - low + 1))
        left -= shares[-1]
    return [*shares, left]


def documented_commitment(vector: dict[str, Any]) -> str:
    """Seed, packet id, total and number of shares, hashed."""
    numbers = f"{vector['packet_id']:016x}{vector['total_fen']:016x}{vector['shares']:08x}"
    return hashlib.sha256(bytes.fromhex(vector["seed"] + numbers)).hexdigest()


@each_vector
def test_the_vectors_follow_from_the_documented_formula(vector: dict[str, Any]) -> None:
    assert vector["amounts_fen"] == documented_shares(vector)
    assert vector["commitment"] == documented_commitment(vector)
    assert vector["best_index"] == vector["amounts_fen"].index(max(vector["amounts_fen"]))


@each_vector
def test_the_server_computes_the_vectors(vector: dict[str, Any]) -> None:
    seed, total_fen, shares = bytes.fromhex(vector["seed"]), vector["total_fen"], vector["shares"]
    caps = Caps(vector["share_fen_min"], vector["share_fen_max"])
    assert list(all_lucky_shares(seed, total_fen, shares, caps)) == vector["amounts_fen"]
    assert amounts.commitment(seed, vector["packet_id"], total_fen, shares).hex() == vector["commitment"]


def test_commitment_depends_on_seed_id_total_and_shares() -> None:
    base = (SEED, 2**60, 1000, 5)
    others = [
        (SEED[::-1], 2**60, 1000, 5),
        (SEED, 2**60 + 1, 1000, 5),
        (SEED, 2**60, 1001, 5),
        (SEED, 2**60, 1000, 6),
    ]
    assert len({amounts.commitment(*words) for words in [base, *others]}) == 5


# --- any total, any shares ------------------------------------------------------------------------------------


@st.composite
def packets(draw: st.DrawFn) -> tuple[int, int, Caps]:
    """A total, a number of shares and caps that allow it; both ends of the total come up often."""
    caps = Caps(low := draw(st.integers(1, 100)), draw(st.integers(low, 20_000)))
    shares = draw(st.integers(1, 500))
    least, most = caps.min_fen * shares, caps.max_fen * shares
    total_fen = draw(st.integers(least, most) | st.integers(least, min(most, least + 9)) | st.just(most))
    return total_fen, shares, caps


@given(seed=st.binary(min_size=32, max_size=32), packet=packets())
@example(seed=SEED, packet=(500, 500, DEFAULT))
@example(seed=SEED, packet=(501, 500, DEFAULT))
@example(seed=SEED, packet=(2_000_000, 100, DEFAULT))
@example(seed=SEED, packet=(1_999_999, 100, DEFAULT))
def test_every_share_is_within_its_caps_and_the_sum_is_exact(seed: bytes, packet: tuple[int, int, Caps]) -> None:
    total_fen, shares, caps = packet
    drawn = list(all_lucky_shares(seed, total_fen, shares, caps))
    assert len(drawn) == shares
    assert sum(drawn) == total_fen
    assert caps.min_fen <= min(drawn)
    assert max(drawn) <= caps.max_fen


def small_worlds() -> Iterator[tuple[int, int, Caps]]:
    """Every (left, k, caps) with k from 2 to 7 and shares between 1 and 12 fen."""
    for low in range(1, 6):
        for high in range(low, 13):
            for k in range(2, 8):
                for left in range(low * k, high * k + 1):
                    yield left, k, Caps(low, high)


def test_any_draw_leaves_a_rest_that_can_be_shared() -> None:
    """The step of an induction: with it, no order of draws can break a cap or the sum."""
    for left, k, caps in small_worlds():
        for rounding in range(k):
            low, high = bounds(left, k, caps, rounding)
            assert caps.min_fen <= low <= high <= caps.max_fen
            assert caps.min_fen * (k - 1) <= left - high, (left, k, caps, rounding)
            assert left - low <= caps.max_fen * (k - 1), (left, k, caps, rounding)


def test_last_share_is_the_remaining_amount() -> None:
    for left in (1, 20_000):
        assert bounds(left, 1, DEFAULT, rounding=7) == (left, left)


# --- fairness -------------------------------------------------------------------------------------------------


def test_middle_of_the_bounds_is_within_half_a_fen_of_the_mean_and_equal_on_average() -> None:
    for left, k, caps in small_worlds():
        middles = [Fraction(sum(bounds(left, k, caps, rounding)), 2) for rounding in range(k)]
        assert all(abs(middle - Fraction(left, k)) < Fraction(1, 2) for middle in middles), (left, k, caps)
        assert sum(middles) / k == Fraction(left, k), (left, k, caps)


def expected_amounts(total_fen: int, shares: int, caps: Caps) -> list[Fraction]:
    """The exact expected amount of each share: the probabilities of all remaining amounts, share by share."""
    chances = {total_fen: Fraction(1)}
    expectations = []
    for k in range(shares, 0, -1):
        after: dict[int, Fraction] = {}
        expectation = Fraction(0)
        for left, chance in chances.items():
            for rounding in range(k):
                low, high = bounds(left, k, caps, rounding)
                each = chance / (k * (high - low + 1))
                for amount in range(low, high + 1):
                    expectation += each * amount
                    after[left - amount] = after.get(left - amount, Fraction(0)) + each
        expectations.append(expectation)
        chances = after
    return expectations


@pytest.mark.parametrize("caps", [Caps(1, 20_000), Caps(1, 4), Caps(2, 5), Caps(3, 3), Caps(5, 9)], ids=str)
@pytest.mark.parametrize("shares", [1, 2, 3, 4, 5])
def test_every_share_has_exactly_the_same_expected_amount(shares: int, caps: Caps) -> None:
    for total_fen in range(caps.min_fen * shares, min(caps.max_fen * shares, caps.min_fen * shares + 12) + 1):
        mean = Fraction(total_fen, shares)
        assert expected_amounts(total_fen, shares, caps) == [mean] * shares, total_fen


@pytest.mark.parametrize(
    ("total_fen", "shares", "caps"),
    [
        (1_000, 10, DEFAULT),
        (200, 100, DEFAULT),
        (100, 18, DEFAULT),
        (400, 10, Caps(1, 50)),
        (300, 10, Caps(20, 90)),
    ],
    ids=str,
)
def test_average_of_every_share_over_many_packets_is_the_mean(total_fen: int, shares: int, caps: Caps) -> None:
    """Seeded Monte Carlo, 4,000 packets: the average of each share is within 4.5 standard errors (1 in 147,000)."""
    packets = 4_000
    seeds = random.Random(20_250_128)
    drawn = [list(all_lucky_shares(seeds.randbytes(32), total_fen, shares, caps)) for _ in range(packets)]
    mean = total_fen / shares
    for index, column in enumerate(zip(*drawn, strict=True)):
        variance = fmean((amount - mean) ** 2 for amount in column)
        error = abs(fmean(column) - mean)
        assert error <= 4.5 * (variance / packets) ** 0.5, f"share {index}: {error:.3f} fen off"


# --- defects of other implementations -------------------------------------------------------------------------


def test_one_yuan_in_18_shares_has_no_share_below_one_fen_and_no_larger_last_share() -> None:
    """Other implementations gave the last of 18 users −0.02 yuan; or some users nothing, and the last one 64 %."""
    seeds = random.Random(18)
    lasts = []
    for _ in range(2_000):
        drawn = list(all_lucky_shares(seeds.randbytes(32), 100, 18, DEFAULT))
        assert sum(drawn) == 100
        assert min(drawn) >= 1
        lasts.append(drawn[-1])
    assert fmean(lasts) == pytest.approx(100 / 18, abs=0.5)


@given(seeds=st.sets(st.binary(min_size=32, max_size=32), min_size=2, max_size=2))
def test_another_seed_gives_other_amounts(seeds: set[bytes]) -> None:
    first, second = (list(all_lucky_shares(seed, 2_000_000, 200, DEFAULT)) for seed in seeds)
    assert first != second


def test_every_amount_within_the_bounds_is_equally_likely() -> None:
    """A chi-square test with 8 degrees of freedom, below the 1-in-100,000 point: 2 shares of 10 fen, so 1 to 9."""
    seeds = random.Random(2)
    seen = [0] * 10
    for _ in range(9_000):
        seen[amounts.Draws(seeds.randbytes(32)).share(0, 10, 2, DEFAULT)] += 1
    assert seen[0] == 0
    assert sum((count - 1_000) ** 2 / 1_000 for count in seen[1:]) < 37.3
