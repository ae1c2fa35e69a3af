"""A keyed permutation of 0 … N−1: each number has one place and each place one number, found without a table.

It is a Feistel network with addition instead of XOR. With a = ⌈√N⌉ and b = ⌈N / a⌉ a value is written as
x = right·a + left, 0 ≤ left < a, 0 ≤ right < b, and twelve rounds change one half by the other:

    round 0, 2, …, 10:  left  ← (left  + F(round, right)) mod a
    round 1, 3, …, 11:  right ← (right + F(round, left))  mod b
    F(round, half)   =  HMAC-SHA256(seed, "permutation" ‖ round, 1 byte ‖ half, 4 bytes) as a number

If the result is N or more, it goes through the rounds again (cycle walking).

* a·b < N + a, so of √N walks about one is done twice. A domain of a power of four would be up to four times N.
* A half has at most ⌈√N⌉ values, so the values of F are kept once they are computed: 12·⌈√N⌉ integers, 480 KB for a
  pool of 100 million. After that a place costs additions only, and rounds are cheap. Four are the least that resist
  one who asks in both directions (Luby and Rackoff), and only for a few answers; six resist also one who knows most
  of the answers (Patarin). For a pool of six numbers eight still prefer some orders visibly, twelve do not.
* The messages of F are 16 bytes long, those of the draws of amounts 4: one seed serves both.
"""

from __future__ import annotations

from array import array
from math import isqrt
from typing import Final

from server.core.amounts import Draws

ROUNDS: Final = 12
_TAG: Final = b"permutation"


class Permutation:
    """The permutation of 0 … size−1 under a seed of 32 bytes. `size` is 1 … 2^32."""

    __slots__ = ("_drawn", "_kept", "_left", "_right", "size")

    def __init__(self, size: int, seed: bytes) -> None:
        self.size = size
        self._drawn = Draws(seed)
        self._left = isqrt(size - 1) + 1
        self._right = -(-size // self._left)
        # of each round: F modulo the half that it changes, plus one; 0 is not computed yet
        sides = (self._right, self._left)
        self._kept = [array("I", bytes(4 * sides[number % 2])) for number in range(ROUNDS)]

    def place_of(self, number: int) -> int:
        """The place of a number. Both are 0 … size−1."""
        base, other = self._left, self._right
        value = number
        while True:
            right, left = divmod(value, base)
            for turn in range(0, ROUNDS, 2):
                left = (left + (self._kept[turn][right] or self._compute(turn, right)) - 1) % base
                right = (right + (self._kept[turn + 1][left] or self._compute(turn + 1, left)) - 1) % other
            value = right * base + left
            if value < self.size:
                return value

    def number_of(self, place: int) -> int:
        """The number that has a place: the inverse of `place_of`."""
        base, other = self._left, self._right
        value = place
        while True:
            right, left = divmod(value, base)
            for turn in range(ROUNDS - 2, -1, -2):
                right = (right - (self._kept[turn + 1][left] or self._compute(turn + 1, left)) + 1) % other
                left = (left - (self._kept[turn][right] or self._compute(turn, right)) + 1) % base
            value = right * base + left
            if value < self.size:
                return value

    def _compute(self, turn: int, half: int) -> int:
        digest = self._drawn.digest(_TAG + bytes([turn]) + half.to_bytes(4, "big"))
        changed = self._right if turn % 2 else self._left
        self._kept[turn][half] = kept = int.from_bytes(digest, "big") % changed + 1
        return kept
