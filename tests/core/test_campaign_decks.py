"""Decks: integer quotas, exact sums, one canonical text, and refusals that say what would fit."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.amounts import Caps
from server.core.campaigns.deck import (
    PPM,
    Band,
    BandDeck,
    Deck,
    DeckRefused,
    DrawDeck,
    fitting_budget,
    parsed,
    quotas_of,
)

CAPS, EGG = Caps(200, 20_000), Band(61_800, 61_800, 1)
FESTIVAL = [Band(200, 499, 850_000), Band(500, 1999, 100_000), Band(2000, 5000, 49_900), Band(61800, 61800, 100)]


@st.composite
def tables(draw: st.DrawFn) -> list[Band]:
    """One to six bands that do not overlap, in any order."""
    count = draw(st.integers(1, 6))
    ends = sorted(draw(st.sets(st.integers(1, 10_000), min_size=2 * count, max_size=2 * count)))
    cuts = sorted(draw(st.sets(st.integers(1, PPM - 1), min_size=count - 1, max_size=count - 1)))
    parts = [high - low for low, high in zip([0, *cuts], [*cuts, PPM], strict=True)]
    bands = [Band(ends[2 * i], ends[2 * i + 1], parts[i]) for i in range(count)]
    return draw(st.permutations(bands))


# --- bands ----------------------------------------------------------------------------------------------------


def test_deck_of_the_festival_table_has_exact_odds_and_its_sum() -> None:
    deck = BandDeck(1_000_000, FESTIVAL)
    assert deck.quotas == (850_000, 100_000, 49_900, 100)
    assert deck.total_fen == sum(map(deck.amount_at, range(1_000_000))) == 602_852_900
    assert (deck.smallest_fen, deck.largest_fen, deck.numbers) == (200, 61_800, 1_000_000)


@given(tables(), st.integers(1, 500))
def test_quotas_are_the_exact_shares_rounded_to_a_neighbour(bands: list[Band], numbers: int) -> None:
    quotas = quotas_of(numbers, bands)
    exact = [Fraction(numbers * band.ppm, PPM) for band in bands]
    assert sum(quotas) == numbers
    assert all(abs(quota - share) < 1 for quota, share in zip(quotas, exact, strict=True))
    ups = [share % 1 for quota, share in zip(quotas, exact, strict=True) if quota > share]
    downs = [share % 1 for quota, share in zip(quotas, exact, strict=True) if quota <= share]
    assert not ups or not downs or min(ups) >= max(downs)


def test_quota_goes_to_the_earlier_band_on_a_tie() -> None:
    assert quotas_of(3, [Band(1, 2, 500_000), Band(3, 4, 500_000)]) == [2, 1]


@given(tables(), st.integers(1, 500))
def test_closed_form_is_the_sum_and_amounts_stay_in_their_band(bands: list[Band], numbers: int) -> None:
    if 0 in quotas_of(numbers, bands):
        with pytest.raises(DeckRefused, match="has no number"):
            BandDeck(numbers, bands)
        return
    deck = BandDeck(numbers, bands)
    amounts = [deck.amount_at(place) for place in range(numbers)]
    assert sum(amounts) == deck.total_fen == fitting_budget(numbers, bands)
    assert (min(amounts), max(amounts)) == (deck.smallest_fen, deck.largest_fen)
    for place, amount in enumerate(amounts):
        band = bands[deck.band_of(place)]
        assert band.low_fen <= amount <= band.high_fen
    assert [sum(deck.band_of(place) == band for place in range(numbers)) for band in range(len(bands))] == list(
        deck.quotas
    )


@given(st.integers(1, 400), st.integers(1, 400))
def test_amounts_of_a_band_are_spread_evenly(width: int, quota: int) -> None:
    deck = BandDeck(quota, [Band(100, 99 + width, PPM)])
    counts = [0] * width
    for place in range(quota):
        counts[deck.amount_at(place) - 100] += 1
    assert max(counts) - min(counts) <= 1


# --- draws ----------------------------------------------------------------------------------------------------


def test_draw_deck_sets_planted_numbers_apart() -> None:
    deck = DrawDeck(2_500_000, 1_500_000_000, CAPS, [EGG])
    assert (deck.planted.size, deck.plain, deck.plain_fen) == (2, 2_499_998, 1_500_000_000 - 2 * 61_800)
    assert (deck.smallest_fen, deck.largest_fen) == (200, 61_800)
    assert DrawDeck(10, 5000, CAPS, []).largest_fen == 20_000


# --- the canonical text ---------------------------------------------------------------------------------------


def test_canonical_text_is_the_documented_one() -> None:
    text = b"hongbao deck 1\nbands 10000\n200 499 850000\n500 1999 100000\n2000 5000 49900\n61800 61800 100\n"
    deck = BandDeck(10_000, FESTIVAL)
    assert deck.canonical() == text
    assert deck.kind == f"pool:{hashlib.sha256(text).hexdigest()}"
    planted = DrawDeck(1_000_000, 400_000_000, Caps(200, 900), [EGG])
    assert planted.canonical() == b"hongbao deck 1\ndraws 1000000 400000000 200 900\n61800 61800 1\n"
    assert DrawDeck(10, 5000, Caps(200, 900), []).canonical() == b"hongbao deck 1\ndraws 10 5000 200 900\n"


@pytest.mark.parametrize(
    "deck", [BandDeck(10_000, FESTIVAL), DrawDeck(1_000_000, 400_000_000, CAPS, [EGG])], ids=["bands", "draws"]
)
def test_parsed_canonical_text_is_the_deck(deck: Deck) -> None:
    again = parsed(deck.canonical())
    assert again == deck
    assert (again.total_fen, again.kind) == (deck.total_fen, deck.kind)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hongbao deck 1\n",
        b"hongbao deck 2\nbands 1\n1 1 1000000\n",
        b"hongbao deck 1\nbands 1\n1 1 1000000",
        b"hongbao deck 1\nbands 01\n1 1 1000000\n",
        b"hongbao deck 1\nbands 1 2\n1 1 1000000\n",
        b"hongbao deck 1\nbands 1\n1 1\n",
        b"hongbao deck 1\nbands x\n1 1 1000000\n",
        b"hongbao deck 1\nrandom 10 5000 200 900\n",
        b"hongbao deck 1\ndraws 10 5000\n200 900\n",
        "hongbao deck 1\nbands １\n1 1 1000000\n".encode(),
    ],
)
def test_text_that_is_no_canonical_deck_is_refused(text: bytes) -> None:
    with pytest.raises(DeckRefused, match="deck:"):
        parsed(text)


# --- refusals -------------------------------------------------------------------------------------------------


def test_budget_that_fits_is_the_sum_of_the_deck() -> None:  # of another one see test_campaign_terms.py
    assert BandDeck(10_000, FESTIVAL).total_fen == fitting_budget(10_000, FESTIVAL) == 6_026_450


WHOLE = [Band(1, 2, PPM)]
REFUSED_BANDS: dict[str, tuple[int, list[Band], str]] = {
    "no numbers": (0, WHOLE, "numbers: a pool has 1 to 1000000000, got 0"),
    "too many numbers": (1_000_000_001, WHOLE, "numbers: a pool has 1 to 1000000000, got 1000000001"),
    "no band": (5, [], "bands: 1 to 32, got 0"),
    "too many bands": (5, [Band(n, n, 1) for n in range(1, 34)], "bands: at most 32, got 33"),
    "nothing to win": (5, [Band(0, 2, PPM)], "bands: band 1 goes from 0 to 2; from 1, upward"),
    "downward": (5, [Band(3, 2, PPM)], "bands: band 1 goes from 3 to 2; from 1, upward"),
    "no probability": (
        5,
        [*WHOLE, Band(5, 6, 0)],
        "bands: band 2 has a probability of 1 to 1000000 ppm, got 0",
    ),
    "overlap": (
        5,
        [Band(500, 2000, 500_000), Band(200, 500, 500_000)],
        "bands: 200 to 500 and 500 to 2000 overlap; both ends of a band belong to it",
    ),
    "not 1 together": (
        5,
        [Band(1, 2, 850_000), Band(3, 4, 149_999)],
        "bands: the probabilities are 1000000 ppm together, got 999999",
    ),
    "an empty band": (
        4_000,
        FESTIVAL,
        "bands: band 4 (61800 to 61800, 100 ppm) has no number of 4000; 10000 numbers are enough",
    ),
    "too much money": (
        1_000_000_000,
        [Band(9_007_200, 9_007_200, PPM)],
        "budget_fen: a pool has 1 to 9007199254740991, got 9007200000000000",
    ),
}


@pytest.mark.parametrize(("numbers", "bands", "text"), REFUSED_BANDS.values(), ids=REFUSED_BANDS)
def test_table_that_makes_no_deck_is_refused(numbers: int, bands: list[Band], text: str) -> None:
    with pytest.raises(DeckRefused) as refused:
        BandDeck(numbers, bands)
    assert str(refused.value) == text


REFUSED_DRAWS: dict[str, tuple[int, int, Caps, list[Band], str]] = {
    "too little": (
        10,
        1_999,
        CAPS,
        [],
        "budget_fen: 2000 to 200000 (10 numbers of 200 to 20000, 0 planted with 0), got 1999",
    ),
    "too much": (
        1_000_000,
        20_000_041_801,
        CAPS,
        [EGG],
        "budget_fen: 200061600 to 20000041800 (999999 numbers of 200 to 20000, 1 planted with 61800), "
        "got 20000041801",
    ),
    "a planted band without a number": (
        999_999,
        10**9,
        CAPS,
        [EGG],
        "bands: band 1 (61800 to 61800, 1 ppm) has no number of 999999; 1000000 numbers are enough",
    ),
    "too many planted": (
        10**9,
        10**12,
        CAPS,
        [Band(500, 500, 101)],
        "bands: at most 100000 planted numbers, got 101000",
    ),
    "planted only": (
        10,
        100,
        CAPS,
        [Band(10, 10, PPM)],
        "bands: the planted ones are less than 1000000 ppm together, got 1000000",
    ),
    "planted twice": (
        10,
        5_000,
        CAPS,
        [Band(10, 20, 300_000), Band(20, 30, 300_000)],
        "bands: 10 to 20 and 20 to 30 overlap; both ends of a band belong to it",
    ),
    "downward": (10, 5_000, Caps(300, 200), [], "share_fen_min, share_fen_max: from 1, upward, got 300 and 200"),
    "no numbers": (0, 5_000, CAPS, [], "numbers: a pool has 1 to 1000000000, got 0"),
}


@pytest.mark.parametrize(("numbers", "total", "caps", "planted", "text"), REFUSED_DRAWS.values(), ids=REFUSED_DRAWS)
def test_draws_that_make_no_deck_are_refused(
    numbers: int, total: int, caps: Caps, planted: list[Band], text: str
) -> None:
    with pytest.raises(DeckRefused) as refused:
        DrawDeck(numbers, total, caps, planted)
    assert str(refused.value) == text
