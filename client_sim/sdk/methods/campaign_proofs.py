"""The proof of a campaign, checked: deck, seed, commitment and the amounts of my wins are recomputed.

This follows the published formulas (docs/protocol.md, "The pool of a campaign") and uses no code of the server.
Numbers have places by a permutation; places have amounts by the deck.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import gcd, isqrt
from typing import Final

from client_sim.sdk.fairness import lucky_shares
from protocol import messages

KIND: Final = "pool:"
_PPM: Final = 1_000_000
_BLOCK: Final = 256
_ROUNDS: Final = 12
_MESSAGE: Final = struct.Struct(">11sBI")


class MalformedDeck(ValueError):
    """The text is no deck."""


Bands = Sequence[tuple[int, int, int]]  # the smallest and the largest amount in fen, and parts per million of all


def fitting_budget(shares: int, bands: Bands) -> int:
    """What the shares of a table of bands add up to: the one budget in fen that `create_campaign` takes for it."""
    return sum(total for total, _ in map(_sum_and_ends, bands, quotas_of_bands(shares, bands)))


def quotas_of_bands(shares: int, bands: Bands) -> list[int]:
    """How many shares each band of a table has: rounded down, and what is left to the largest remainders."""
    exact = [divmod(shares * ppm, _PPM) for _, _, ppm in bands]
    quotas = [whole for whole, _ in exact]
    for band in sorted(range(len(exact)), key=lambda band: -exact[band][1])[: shares - sum(quotas)]:
        quotas[band] += 1
    return quotas


class RevealedPool:
    """What each number of a pool is worth, by its deck and its seed."""

    def __init__(self, deck: bytes, seed: bytes) -> None:
        """Raises MalformedDeck."""
        try:
            title, head, *lines = deck.decode("ascii").removesuffix("\n").split("\n")
            self._scheme, *counts = head.split(" ")
            self.shares, *terms = map(int, counts)
            self._bands = [(low, high, ppm) for low, high, ppm in (map(int, line.split(" ")) for line in lines)]
        except ValueError:
            raise MalformedDeck("the deck cannot be read") from None
        planted = self._scheme == "draws"
        if title != "hongbao deck 1" or self._scheme not in ("bands", "draws") or len(terms) != 3 * planted:
            raise MalformedDeck("the deck is of no known scheme")
        self._seed = seed
        self._quotas = (
            [self.shares * ppm // _PPM for _, _, ppm in self._bands]
            if planted
            else quotas_of_bands(self.shares, self._bands)
        )
        if self.shares < 1 or 0 in self._quotas:
            raise MalformedDeck("the deck has a band without a number")
        sums, ends = zip(*map(_sum_and_ends, self._bands, self._quotas), strict=True) if self._bands else ((), ())
        self.total_fen = sum(sums)
        limits = [end for pair in ends for end in pair]
        if planted:
            self.total_fen, self._low, self._high = terms
            self._drawn_fen = self.total_fen - sum(sums)
            self._planted = sorted(self._number_of(place) for place in range(sum(self._quotas)))
            self._drawn = self.shares - len(self._planted)
            limits += [self._low, self._high]
        self.share_fen_min, self.share_fen_max = min(limits), max(limits)

    def amount(self, number: int) -> int:
        """The amount of a number 0 … shares−1, in fen."""
        place = self._walk(number, range(_ROUNDS), 1)
        for (low, high, _), quota, end in zip(self._bands, self._quotas, accumulate(self._quotas), strict=True):
            if place < end:
                return low + (place - end + quota) * (high - low + 1) // quota
        rank = number - sum(planted < number for planted in self._planted)
        first = rank // _BLOCK * _BLOCK
        after = min(first + _BLOCK, self._drawn)
        fen = self._drawn_fen * after // self._drawn - self._drawn_fen * first // self._drawn
        return lucky_shares(self._seed, fen, after - first, self._low, self._high, first)[rank - first]

    def _number_of(self, place: int) -> int:
        return self._walk(place, range(_ROUNDS - 1, -1, -1), -1)

    def _walk(self, value: int, turns: range, sign: int) -> int:
        """Through all rounds, again until the result is a number of the pool."""
        a = isqrt(self.shares - 1) + 1
        b = -(-self.shares // a)
        while True:
            right, left = divmod(value, a)
            for turn in turns:
                message = _MESSAGE.pack(b"permutation", turn, left if turn & 1 else right)
                f = sign * int.from_bytes(hmac.digest(self._seed, message, "sha256"), "big")
                left, right = (left, (right + f) % b) if turn & 1 else ((left + f) % a, right)
            value = right * a + left
            if value < self.shares:
                return value


def _sum_and_ends(band: tuple[int, int, int], quota: int) -> tuple[int, tuple[int, int]]:
    """The sum of a band's places, and its smallest and largest amount."""
    low, high, _ = band
    width = high - low + 1
    total = quota * low + ((quota - 1) * (width - 1) + gcd(quota, width) - 1) // 2
    return total, (low, low + (quota - 1) * width // quota)


def win_faults(revealed: messages.Revealed) -> Iterator[str]:
    """What is wrong with the deck of a campaign and with the wins that its proof shows."""
    if revealed.packet_kind != KIND + hashlib.sha256(revealed.deck).hexdigest():
        yield "the deck does not fit the kind"
    try:
        pool = RevealedPool(revealed.deck, revealed.seed)
    except MalformedDeck as error:
        yield str(error)
        return
    told = revealed.total_fen, revealed.shares, revealed.share_fen_min, revealed.share_fen_max
    if told != (pool.total_fen, pool.shares, pool.share_fen_min, pool.share_fen_max):
        yield "total, shares or limits are not the deck's"
    seen = set[int]()
    for line in revealed.claims:
        if not 0 <= line.index < pool.shares:
            yield f"the pool has no number {line.index}"
        elif line.index in seen:
            yield f"number {line.index} was won twice"
        elif line.amount_fen != (due := pool.amount(line.index)):
            yield f"number {line.index} is {line.amount_fen}, the seed says {due}"
        seen.add(line.index)
