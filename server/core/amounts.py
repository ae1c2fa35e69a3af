"""How much a share is: drawn when it is opened, from a secret seed, so that anyone can check it afterwards.

With `left` fen and `k` > 1 unopened shares, and two numbers n and r from the seed, the draw is

    m     = ⌊(2·left + r mod k) / k⌋
    low   = max(min, m − max)
    high  = min(max, m − min)
    share = low + n mod (high − low + 1)

and the last opener takes what is left. m is twice the mean, rounded up exactly as often as its fraction says, and
low and high lie evenly around m/2. So what a share is worth on average is left/k to the last digit, and it does
not matter whose turn it is. (Were m always rounded down, with low = 1 and high = m, as is usual, the fractions
would add up: the last of 100 people who share 2.00 yuan would get 1.2 fen on average, the first 2.5.)

For share number i of a packet n and r are the two halves, 16 bytes big-endian each, of
HMAC-SHA256(seed, i as 4 bytes big-endian). The seed is 32 random bytes; the packet id has no influence on it.

`Packet._next_amount_fen` in server/core/packet.py calls `Draws.share` for kinds with Allocation.DRAWN. Kinds with
Allocation.EVEN are divided there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

SEED_BYTES = 32
_BLOCK_BYTES = 64  # of SHA-256; HMAC (RFC 2104) fills the key up to it and hashes it with these two masks
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Caps(NamedTuple):
    """The smallest and the largest share, in fen."""

    min_fen: int = 1
    max_fen: int = 20_000


def bounds(left_fen: int, left_shares: int, caps: Caps, rounding: int) -> tuple[int, int]:
    """The smallest and largest amount of the next share, `rounding` being any number from 0.

    Feasible if min·k ≤ left ≤ max·k, and after any amount within the bounds that is still true.
    """
    if left_shares == 1:
        return left_fen, left_fen
    twice_mean = (2 * left_fen + rounding % left_shares) // left_shares
    return max(caps.min_fen, twice_mean - caps.max_fen), min(caps.max_fen, twice_mean - caps.min_fen)


class Draws:
    """The random numbers of one seed. HMAC with its key absorbed once: a third of the time of a call each."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, seed: bytes) -> None:
        block = seed.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """HMAC-SHA256(seed, message)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def share(self, index: int, left_fen: int, left_shares: int, caps: Caps) -> int:
        """The amount of share `index` (from 0) in fen, when `left_fen` and `left_shares` are still unopened."""
        drawn = self.digest(index.to_bytes(4, "big"))
        low, high = bounds(left_fen, left_shares, caps, int.from_bytes(drawn[16:], "big"))
        return low + int.from_bytes(drawn[:16], "big") % (high - low + 1)


def all_lucky_shares(seed: bytes, total_fen: int, shares: int, caps: Caps) -> Iterator[int]:
    """Every share of a lucky packet in the order of opening."""
    draws, left = Draws(seed), total_fen
    for index in range(shares):
        amount = draws.share(index, left, shares - index, caps)
        left -= amount
        yield amount


def commitment(seed: bytes, packet_id: int, total_fen: int, shares: int) -> bytes:
    """What is published at send: SHA-256(seed ‖ packet id, 8 bytes ‖ total in fen, 8 bytes ‖ shares, 4 bytes)."""
    words = packet_id.to_bytes(8, "big") + total_fen.to_bytes(8, "big") + shares.to_bytes(4, "big")
    return hashlib.sha256(seed + words).digest()
