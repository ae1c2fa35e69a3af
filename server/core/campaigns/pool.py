"""A pool: a deck in the order that its seed decides. What each number is worth, for any range of numbers.

**Bands.** The number's place in the permutation is its place in the deck.

**Draws.** The numbers of the places 0 … E−1 have the amounts that are planted there. The other K numbers, in
ascending order, are ranked k = 0 … K−1, and ranks are drawn in blocks of 256: the block from rank `low` to before
`high` shares

    ⌊R·high / K⌋ − ⌊R·low / K⌋

of their money R, drawn as the shares of a lucky packet (amounts.Draws.share): rank k is share number k, with what
is left of the block. Blocks have fixed borders, so no amount depends on how the numbers are leased, nor on anything
else that the server does after the seed was committed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final, NamedTuple

from server.core.amounts import Draws
from server.core.campaigns.deck import BandDeck, Deck, DrawDeck
from server.core.campaigns.permutation import Permutation
from server.core.seeds import Content

BLOCK: Final = 256


class Pool:
    """The amounts of a pool by number. It keeps no table of numbers (see permutation for what it keeps)."""

    __slots__ = ("_amounts", "deck")

    def __init__(self, deck: Deck, seed: bytes) -> None:
        """`seed`: 32 bytes, derived as the seed of a packet from `content_of`."""
        self.deck = deck
        order = Permutation(deck.numbers, seed)
        self._amounts: Callable[[int, int], list[int]]
        if isinstance(deck, DrawDeck):
            self._amounts = _Drawn(deck, seed, order).amounts
        else:
            assert isinstance(deck, BandDeck)
            self._amounts = _Dealt(deck, order).amounts

    def amounts(self, first: int, count: int) -> list[int]:
        """The amounts in fen of `count` numbers from `first` on. Raises ValueError if there are no such numbers.

        The first few thousand of a large pool cost 30 µs each, later ones 3: ask on an event loop in small parts.
        """
        if first < 0 or count < 0 or first + count > self.deck.numbers:
            raise ValueError(f"numbers {first} to {first + count} of a pool of {self.deck.numbers}")
        return self._amounts(first, count) if count else []


def content_of(deck: Deck, sponsor_id: int) -> Content:
    """What of a pool goes into its seed and its commitment, as of a packet."""
    return Content(sponsor_id, deck.kind, deck.total_fen, deck.numbers, deck.smallest_fen, deck.largest_fen)


class _Dealt(NamedTuple):
    """Bands: each number has its place's amount."""

    deck: BandDeck
    order: Permutation

    def amounts(self, first: int, count: int) -> list[int]:
        amount_at, place_of = self.deck.amount_at, self.order.place_of
        return [amount_at(place_of(number)) for number in range(first, first + count)]


class _Drawn:
    """Draws: planted amounts at their numbers, the others from their block."""

    __slots__ = ("_deck", "_draws", "_planted", "_planted_fen")

    def __init__(self, deck: DrawDeck, seed: bytes, order: Permutation) -> None:
        self._deck = deck
        self._draws = Draws(seed)
        places = sorted((order.number_of(place), place) for place in range(deck.planted.size))
        self._planted = [number for number, _ in places]
        self._planted_fen = [deck.planted.amount_at(place) for _, place in places]

    def amounts(self, first: int, count: int) -> list[int]:
        low, high = bisect_left(self._planted, first), bisect_left(self._planted, first + count)
        amounts = self._plain(first - low, first + count - high)
        for at in range(low, high):
            amounts.insert(self._planted[at] - first, self._planted_fen[at])
        return amounts

    def _plain(self, first: int, end: int) -> list[int]:
        """The amounts of the ranks from `first` to before `end`."""
        start, drawn = first // BLOCK * BLOCK, []
        for low in range(start, end, BLOCK):
            high = min(low + BLOCK, self._deck.plain)
            left = self._before(high) - self._before(low)
            for rank in range(low, min(high, end)):
                amount = self._draws.share(rank, left, high - rank, self._deck.caps)
                left -= amount
                drawn.append(amount)
        return drawn[first - start :]

    def _before(self, rank: int) -> int:
        """The money of all ranks before this one."""
        return self._deck.plain_fen * rank // self._deck.plain
