"""The pool of a campaign, dealt from its deck and its seed: what each number was worth.

This follows the published formulas (docs/campaigns.md, "The formulas") and uses no code of the server. It is
written to be read, not to be fast: a number takes some hundred hashes.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from math import isqrt
from typing import Final

PPM: Final = 1_000_000
ROUNDS: Final = 12
BLOCK: Final = 256
_TITLE: Final = "hongbao deck 1"


class MalformedDeck(ValueError):
    """The text is not that of a deck."""


class Deck:
    """The amounts of a pool: the lines of its text as numbers."""

    def __init__(self, text: bytes) -> None:
        """Raises MalformedDeck."""
        try:
            title, head, *lines = text.decode("ascii").removesuffix("\n").split("\n")
            self.scheme, *counts = head.split(" ")
            self.counts = [int(word) for word in counts]
            self.rows = [[int(word) for word in line.split(" ")] for line in lines]
        except (ValueError, UnicodeDecodeError):
            raise MalformedDeck(f"{text[:60]!r}") from None
        if title != _TITLE or self.scheme not in ("bands", "draws") or not self.rows:
            raise MalformedDeck(f"{text[:60]!r}")

    @property
    def numbers(self) -> int:
        """How many numbers the pool has."""
        return self.counts[0]


def amounts(deck: Deck, seed: bytes, numbers: list[int]) -> list[int]:
    """What these numbers are worth, in fen."""
    if deck.scheme == "bands":
        cards = list(_quotas(deck))
        return [_card(deck, cards, _place(number, deck.numbers, seed)) for number in numbers]
    return _drawn(deck, seed, numbers)


def _quotas(deck: Deck) -> Iterator[int]:
    """Places of each band: its part rounded down, what is left to the largest remainders, earlier bands first."""
    exact = [divmod(deck.numbers * ppm, PPM) for _, _, ppm in deck.rows]
    rest = deck.numbers - sum(whole for whole, _ in exact)
    lucky = sorted(range(len(exact)), key=lambda band: -exact[band][1])[:rest]
    for band, (whole, _) in enumerate(exact):
        yield whole + (band in lucky)


def _card(deck: Deck, quotas: list[int], place: int) -> int:
    """The amount at a place: within a band of q places low + ⌊j·(high − low + 1) / q⌋."""
    for (low, high, _), quota in zip(deck.rows, quotas, strict=True):
        if place < quota:
            return low + place * (high - low + 1) // quota
        place -= quota
    raise MalformedDeck(f"no place {place}")


def _place(number: int, size: int, seed: bytes) -> int:
    """The place of a number: a Feistel network of twelve rounds, walked until the result is a place."""
    left_size = isqrt(size - 1) + 1
    right_size = -(-size // left_size)
    while True:
        right, left = divmod(number, left_size)
        for turn in range(ROUNDS):
            if turn % 2:
                right = (right + _round(seed, turn, left)) % right_size
            else:
                left = (left + _round(seed, turn, right)) % left_size
        number = right * left_size + left
        if number < size:
            return number


def _number(place: int, size: int, seed: bytes) -> int:
    """The number that has a place: the same backwards."""
    left_size = isqrt(size - 1) + 1
    right_size = -(-size // left_size)
    while True:
        right, left = divmod(place, left_size)
        for turn in reversed(range(ROUNDS)):
            if turn % 2:
                right = (right - _round(seed, turn, left)) % right_size
            else:
                left = (left - _round(seed, turn, right)) % left_size
        place = right * left_size + left
        if place < size:
            return place


def _round(seed: bytes, turn: int, half: int) -> int:
    message = b"permutation" + bytes([turn]) + half.to_bytes(4, "big")
    return int.from_bytes(hmac.digest(seed, message, "sha256"), "big")


def _drawn(deck: Deck, seed: bytes, numbers: list[int]) -> list[int]:
    """Draws: the numbers of the first places are planted; the others share their money in blocks of 256."""
    (least, most, egg_fen, egg_ppm), total = deck.rows[0], deck.counts[1]
    eggs = deck.numbers * egg_ppm // PPM
    plain, plain_fen = deck.numbers - eggs, total - eggs * egg_fen
    planted = {_number(place, deck.numbers, seed) for place in range(eggs)}
    found = []
    for number in numbers:
        if number in planted:
            found.append(egg_fen)
            continue
        rank = number - sum(egg < number for egg in planted)
        low = rank // BLOCK * BLOCK
        high = min(low + BLOCK, plain)
        left = plain_fen * high // plain - plain_fen * low // plain
        for share in range(low, rank + 1):
            amount = _share(seed, share, left, high - share, least, most)
            left -= amount
        found.append(amount)
    return found


def _share(seed: bytes, share: int, left: int, unopened: int, least: int, most: int) -> int:
    """As a share of a lucky packet (docs/protocol.md, section 10)."""
    if unopened == 1:
        return left
    digest = hmac.digest(seed, share.to_bytes(4, "big"), "sha256")
    n, r = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")
    m = (2 * left + r % unopened) // unopened
    low, high = max(least, m - most), min(most, m - least)
    return low + n % (high - low + 1)
