"""The amounts of a pool, all of them known before the first is won: so many numbers, and what they are worth.

A pool has numbers 0 … N−1. Its deck has N places with an amount each; the pool's seed decides which number gets
which place (permutation, pool). There are two schemes:

**Bands.** A table of ranges of amounts with probabilities. Each band gets an integer quota of the N places, by
largest remainder (on a tie the earlier band). Within a band of q places from `low` to `high`, both included, the
amounts are spread evenly: low + ⌊j·(high − low + 1) / q⌋ for j = 0 … q−1. So odds and sum are exact, and they do
not depend on the seed. A budget is the deck's sum to the last fen or it is refused (`fitting_budget` says which
fits). Independent draws would miss it, and with bad luck exceed it.

**Draws.** A total that is drawn like the shares of a lucky packet with a minimum and a maximum. Bands may be
planted among them: the first E places of the deck are set apart for these, as many for each band as its probability
says, rounded down. The pool says where each number's money comes from.

The deck's canonical text goes, hashed, into the pool's seed and its commitment: no amount can be changed later.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from itertools import accumulate, pairwise
from math import gcd
from typing import Final, NamedTuple

from server.core.amounts import Caps

PPM: Final = 1_000_000  # parts of a probability
NUMBERS_MAX: Final = 1_000_000_000
TOTAL_FEN_MAX: Final = 2**53 - 1  # integers that JSON of every client keeps
BANDS_MAX: Final = 32
PLANTED_MAX: Final = 100_000  # their numbers are kept in a sorted list
_TITLE: Final = "hongbao deck 1"


class DeckRefused(ValueError):
    """There is no such deck. The text names the field and the limit; amounts are integers of the smallest unit."""


class Band(NamedTuple):
    """A range of amounts in fen, both ends included, and its probability in parts per million."""

    low_fen: int
    high_fen: int
    ppm: int


class Deck:
    """What both schemes have. `smallest_fen` … `largest_fen`: every amount lies in between."""

    __slots__ = ("largest_fen", "numbers", "smallest_fen", "total_fen")

    def __init__(self, numbers: int, total_fen: int, smallest_fen: int, largest_fen: int) -> None:
        if not 1 <= total_fen <= TOTAL_FEN_MAX:
            raise DeckRefused(f"budget_fen: a pool has 1 to {TOTAL_FEN_MAX}, got {total_fen}")
        self.numbers = numbers
        self.total_fen = total_fen
        self.smallest_fen = smallest_fen
        self.largest_fen = largest_fen

    def canonical(self) -> bytes:
        """The one text of this deck, ASCII; `parsed` reads it. It is what is hashed."""
        lines = [_TITLE, *(" ".join(map(str, words)) for words in self.words())]
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    def words(self) -> list[tuple[str | int, ...]]:
        """The lines of the canonical text after its title."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """What stands for the kind of packet in a pool's seed and commitment."""
        return f"pool:{hashlib.sha256(self.canonical()).hexdigest()}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deck) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.canonical())


class BandDeck(Deck):
    """A deck of bands. `quotas` has the places of each band, in the order of the bands."""

    __slots__ = ("amount_at", "band_of", "bands", "quotas")

    def __init__(self, numbers: int, bands: list[Band]) -> None:
        """Raises DeckRefused if the table is none, or if a band would get no number."""
        _check_numbers(numbers)
        if not bands:
            raise DeckRefused(f"bands: 1 to {BANDS_MAX}, got 0")
        _check_bands(bands)
        if (parts := sum(band.ppm for band in bands)) != PPM:
            raise DeckRefused(f"bands: the probabilities are {PPM} ppm together, got {parts}")
        self.bands = tuple(bands)
        self.quotas = tuple(quotas_of(numbers, bands))
        places = _Places(numbers, bands, list(self.quotas))
        self.band_of, self.amount_at = places.band_of, places.amount_at
        super().__init__(numbers, places.total_fen, places.smallest_fen, places.largest_fen)

    def words(self) -> list[tuple[str | int, ...]]:
        """Scheme and numbers, then each band."""
        return [("bands", self.numbers), *self.bands]


class DrawDeck(Deck):
    """A deck of draws. `planted` places come first; `plain` numbers share `plain_fen`, each within the caps."""

    __slots__ = ("bands", "caps", "plain", "plain_fen", "planted")

    def __init__(self, numbers: int, total_fen: int, caps: Caps, bands: list[Band]) -> None:
        """`bands` are planted. Raises DeckRefused if the total does not fit, or if a band would get no number."""
        _check_numbers(numbers)
        least, most = caps
        if not 1 <= least <= most <= TOTAL_FEN_MAX:
            raise DeckRefused(f"share_fen_min, share_fen_max: from 1, upward, got {least} and {most}")
        _check_bands(bands)
        if (parts := sum(band.ppm for band in bands)) >= PPM:
            raise DeckRefused(f"bands: the planted ones are less than {PPM} ppm together, got {parts}")
        quotas = [numbers * band.ppm // PPM for band in bands]
        self.caps = caps
        self.bands = tuple(bands)
        self.planted = _Places(numbers, bands, quotas)
        if self.planted.size > PLANTED_MAX:
            raise DeckRefused(f"bands: at most {PLANTED_MAX} planted numbers, got {self.planted.size}")
        self.plain = numbers - self.planted.size
        self.plain_fen = total_fen - self.planted.total_fen
        low, high = (self.planted.total_fen + self.plain * each for each in caps)
        if not low <= total_fen <= high:
            raise DeckRefused(
                f"budget_fen: {low} to {high} ({self.plain} numbers of {least} to {most}, "
                f"{self.planted.size} planted with {self.planted.total_fen}), got {total_fen}"
            )
        ends = [least, most, *([self.planted.smallest_fen, self.planted.largest_fen] if bands else [])]
        super().__init__(numbers, total_fen, min(ends), max(ends))

    def words(self) -> list[tuple[str | int, ...]]:
        """Scheme, numbers, total, smallest and largest, then each planted band."""
        return [("draws", self.numbers, self.total_fen, *self.caps), *self.bands]


class _Places:
    """Places 0 … size−1 of bands with so many each, in the order of the bands."""

    __slots__ = ("_bands", "_quotas", "_starts", "largest_fen", "size", "smallest_fen", "total_fen")

    def __init__(self, numbers: int, bands: list[Band], quotas: list[int]) -> None:
        """Raises DeckRefused if a band has no place."""
        for place, (band, quota) in enumerate(zip(bands, quotas, strict=True), 1):
            if quota == 0:
                enough = -(-PPM // band.ppm)
                raise DeckRefused(
                    f"bands: band {place} ({band.low_fen} to {band.high_fen}, {band.ppm} ppm) has no number of "
                    f"{numbers}; {enough} numbers are enough"
                )
        pairs = list(zip(bands, quotas, strict=True))
        self._bands, self._quotas = bands, quotas
        self._starts = list(accumulate(quotas, initial=0))
        self.size = self._starts[-1]
        self.total_fen = sum(_band_sum(band, quota) for band, quota in pairs)
        self.smallest_fen = min((band.low_fen for band in bands), default=0)
        self.largest_fen = max((_amount_in(band, quota, quota - 1) for band, quota in pairs), default=0)

    def band_of(self, place: int) -> int:
        """Which band, from 0, a place belongs to."""
        return bisect_right(self._starts, place) - 1

    def amount_at(self, place: int) -> int:
        """The amount in fen at a place."""
        band = bisect_right(self._starts, place) - 1
        return _amount_in(self._bands[band], self._quotas[band], place - self._starts[band])


def quotas_of(numbers: int, bands: list[Band]) -> list[int]:
    """The places of each band: its exact share rounded down, and what is left to the largest remainders."""
    exact = [divmod(numbers * band.ppm, PPM) for band in bands]
    quotas = [whole for whole, _ in exact]
    rest = numbers - sum(quotas)
    for place in sorted(range(len(bands)), key=lambda place: -exact[place][1])[:rest]:
        quotas[place] += 1
    return quotas


def fitting_budget(numbers: int, bands: list[Band]) -> int:
    """The one budget in fen that fits a table of bands. Raises DeckRefused if there is no such deck."""
    return BandDeck(numbers, bands).total_fen


def parsed(canonical: bytes) -> Deck:
    """The deck of a canonical text. Raises DeckRefused if it is not the canonical text of a deck."""
    try:
        _title, head, *lines = canonical.decode("ascii").removesuffix("\n").split("\n")
        scheme, *counts = head.split(" ")
        rows = [[int(word) for word in line.split(" ")] for line in lines]
        deck: Deck
        if scheme == "bands":
            deck = BandDeck(int(*counts), [Band(*row) for row in rows])
        else:
            numbers, total_fen, least, most = map(int, counts)
            deck = DrawDeck(numbers, total_fen, Caps(least, most), [Band(*row) for row in rows])
    except DeckRefused:
        raise
    except (ValueError, TypeError):
        raise DeckRefused(f"deck: {canonical[:60]!r} is no deck") from None
    if deck.canonical() != canonical:
        raise DeckRefused("deck: not in its canonical form")
    return deck


def _check_numbers(numbers: int) -> None:
    if not 1 <= numbers <= NUMBERS_MAX:
        raise DeckRefused(f"numbers: a pool has 1 to {NUMBERS_MAX}, got {numbers}")


def _check_bands(bands: list[Band]) -> None:
    """Ranges of amounts that do not overlap, so that an amount tells its band, each with a probability."""
    if len(bands) > BANDS_MAX:
        raise DeckRefused(f"bands: at most {BANDS_MAX}, got {len(bands)}")
    for place, band in enumerate(bands, 1):
        if not 1 <= band.low_fen <= band.high_fen <= TOTAL_FEN_MAX:
            raise DeckRefused(f"bands: band {place} goes from {band.low_fen} to {band.high_fen}; from 1, upward")
        if not 1 <= band.ppm <= PPM:
            raise DeckRefused(f"bands: band {place} has a probability of 1 to {PPM} ppm, got {band.ppm}")
    in_order = sorted(bands)
    for below, above in pairwise(in_order):
        if above.low_fen <= below.high_fen:
            raise DeckRefused(
                f"bands: {below.low_fen} to {below.high_fen} and {above.low_fen} to {above.high_fen} overlap; "
                "both ends of a band belong to it"
            )


def _amount_in(band: Band, quota: int, j: int) -> int:
    """The amount of place j of a band with so many places."""
    return band.low_fen + j * (band.high_fen - band.low_fen + 1) // quota


def _band_sum(band: Band, quota: int) -> int:
    """The sum of a band: Σ ⌊j·w/q⌋ over j = 0 … q−1 is ((q − 1)(w − 1) + gcd(q, w) − 1) / 2."""
    width = band.high_fen - band.low_fen + 1
    return quota * band.low_fen + ((quota - 1) * (width - 1) + gcd(quota, width) - 1) // 2
