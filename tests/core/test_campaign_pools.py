"""Pools: every place once, any range of numbers, and the same amounts however they are asked for."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from collections import Counter
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.amounts import Caps, Draws
from server.core.campaigns.deck import PPM, Band, BandDeck, Deck, DrawDeck
from server.core.campaigns.permutation import Permutation
from server.core.campaigns.pool import Pool, content_of
from tests.core.test_campaign_decks import FESTIVAL

SEED = bytes(range(32))
any_seed = st.binary(min_size=32, max_size=32)


def documented_place(seed: bytes, size: int, number: int) -> int:
    """The documented formula, written a second time: nothing here comes from server.core."""
    a = isqrt(size)
    a += a * a < size
    b = -(-size // a)
    while True:
        left, right = number % a, number // a
        for turn in range(12):
            half, other = (left, a) if turn % 2 else (right, b)
            assert half < other
            message = b"permutation" + bytes([turn]) + half.to_bytes(4, "big")
            drawn = int(hmac.new(seed, message, hashlib.sha256).hexdigest(), 16)
            if turn % 2:
                right = (right + drawn) % b
            else:
                left = (left + drawn) % a
        number = right * a + left
        if number < size:
            return number


# --- the permutation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*range(1, 70), 99, 100, 101, 255, 256, 257, 1000, 1023, 1025])
def test_every_number_has_one_place_and_the_inverse_leads_back(size: int) -> None:
    order = Permutation(size, SEED)
    places = [order.place_of(number) for number in range(size)]
    assert sorted(places) == list(range(size))
    assert [order.number_of(place) for place in places] == list(range(size))
    assert [documented_place(SEED, size, number) for number in range(size)] == places


@given(st.integers(1, 2**32), st.data(), any_seed)
def test_large_permutations_follow_the_formula_and_lead_back(size: int, data: st.DataObject, seed: bytes) -> None:
    number = data.draw(st.integers(0, size - 1))
    small = min(size, 10**6)  # the memory of a large one would be most of this test's time
    order = Permutation(small, seed)
    place = order.place_of(number % small)
    assert place == documented_place(seed, small, number % small)
    assert order.number_of(place) == number % small


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 7])
def test_seeds_put_each_two_numbers_on_all_places_equally_often(size: int) -> None:
    pairs = size * (size - 1)
    seen: Counter[tuple[int, int]] = Counter()
    for n in range(50 * pairs):
        order = Permutation(size, hashlib.sha256(b"%d" % n).digest())
        seen[order.place_of(0), order.place_of(size - 1)] += 1
    assert len(seen) == pairs
    chi_square = sum((count - 50) ** 2 / 50 for count in seen.values())
    degrees = pairs - 1
    assert chi_square < degrees + 4 * (2 * degrees) ** 0.5 + 6  # exceeded once in ten thousand tests


def test_another_seed_is_another_order() -> None:
    orders = [[Permutation(1000, bytes([n]) * 32).place_of(number) for number in range(1000)] for n in (1, 2)]
    equal = sum(one == other for one, other in zip(*orders, strict=True))
    assert equal < 10  # 1 is expected


# --- bands ----------------------------------------------------------------------------------------------------


def test_pool_of_bands_deals_each_place_once() -> None:
    deck = BandDeck(10_000, FESTIVAL)
    amounts = Pool(deck, SEED).amounts(0, 10_000)
    assert sorted(amounts) == sorted(map(deck.amount_at, range(10_000)))
    assert sum(amounts) == deck.total_fen
    assert amounts[:5] == [deck.amount_at(documented_place(SEED, 10_000, number)) for number in range(5)]


def test_bands_come_at_their_odds_in_every_part_of_a_pool() -> None:
    deck = BandDeck(1_000_000, FESTIVAL)
    pool = Pool(deck, SEED)
    for first in range(0, 1_000_000, 125_000):
        part = pool.amounts(first, 10_000)
        counts = [sum(band.low_fen <= amount <= band.high_fen for amount in part) for band in FESTIVAL]
        expected = [10_000 * band.ppm / PPM for band in FESTIVAL]
        chi_square = sum((seen - due) ** 2 / due for seen, due in zip(counts, expected, strict=True))
        assert chi_square < 21.1  # three degrees of freedom: exceeded once in ten thousand parts


# --- draws ----------------------------------------------------------------------------------------------------


def test_pool_of_draws_has_its_planted_amounts_its_limits_and_its_sum() -> None:
    planted = [Band(61_800, 61_800, 500), Band(50_000, 50_002, 300)]
    deck = DrawDeck(10_000, 5_000_000, Caps(200, 2_000), planted)
    pool = Pool(deck, SEED)
    amounts = pool.amounts(0, 10_000)
    at_place = {documented_place(SEED, 10_000, number): number for number in range(10_000)}
    assert [amounts[at_place[place]] for place in range(8)] == [61_800] * 5 + [50_000, 50_001, 50_002]
    plain = [amount for amount in amounts if amount < 50_000]
    assert len(plain) == 9_992
    assert min(plain) >= 200
    assert max(plain) <= 2_000
    assert sum(amounts) == 5_000_000


def test_blocks_of_draws_are_drawn_as_the_shares_of_a_lucky_packet() -> None:
    deck = DrawDeck(600, 300_001, Caps(200, 20_000), [])
    expected, draws, caps = [], Draws(SEED), Caps(200, 20_000)
    for low, high in ((0, 256), (256, 512), (512, 600)):
        left = 300_001 * high // 600 - 300_001 * low // 600
        for rank in range(low, high):
            expected.append(draws.share(rank, left, high - rank, caps))
            left -= expected[-1]
        assert left == 0
    assert Pool(deck, SEED).amounts(0, 600) == expected


@given(st.integers(1, 700), st.integers(0, 30), st.data(), any_seed)
def test_any_total_between_the_limits_is_given_out_whole(
    numbers: int, spread: int, data: st.DataObject, seed: bytes
) -> None:
    total = data.draw(st.integers(200 * numbers, (200 + spread) * numbers))
    amounts = Pool(DrawDeck(numbers, total, Caps(200, 200 + spread), []), seed).amounts(0, numbers)
    assert sum(amounts) == total
    assert 200 <= min(amounts) <= max(amounts) <= 200 + spread


# --- ranges ---------------------------------------------------------------------------------------------------

DECKS = [
    BandDeck(1_500, [Band(200, 499, 900_000), Band(500, 900, 100_000)]),
    DrawDeck(1_500, 700_000, Caps(200, 20_000), [Band(5_000, 5_100, 10_000)]),
]


@pytest.mark.parametrize("deck", DECKS, ids=["bands", "draws"])
@given(data=st.data())
def test_any_range_is_a_part_of_the_whole(deck: Deck, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, 1_500))
    count = data.draw(st.integers(0, 1_500 - first))
    assert Pool(deck, SEED).amounts(first, count) == Pool(deck, SEED).amounts(0, 1_500)[first : first + count]


@pytest.mark.parametrize("deck", DECKS, ids=["bands", "draws"])
@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1), (1_500, 1), (0, 1_501)])
def test_range_outside_the_pool_is_an_error(deck: Deck, first: int, count: int) -> None:
    with pytest.raises(ValueError, match="of a pool of 1500"):
        Pool(deck, SEED).amounts(first, count)


def test_content_names_deck_and_sponsor() -> None:
    deck = DECKS[0]
    assert content_of(deck, 10010) == (10010, deck.kind, deck.total_fen, 1_500, 200, deck.largest_fen)


def test_pool_of_a_hundred_million_needs_little_memory() -> None:
    """In a process of its own, whose most memory is that of the modules and the pool."""
    script = """
from server.core.campaigns.deck import Band, BandDeck
from server.core.campaigns.pool import Pool
from tests.peak_memory import peak_kib
before = peak_kib()
pool = Pool(BandDeck(100_000_000, [Band(200, 499, 999_999), Band(61800, 61800, 1)]), bytes(32))
pool.amounts(99_000_000, 4096)
print(peak_kib() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 * 1024  # KiB
