"""How much a share is: drawn when it is opened, from a secret seed, so that anyone can check it afterwards.

With `left` fen and `k` unopened shares the draw is uniform over the whole numbers from `low` to `high`:

    low  = max(min, ⌈2·left/k⌉ − max)
    high = min(max, ⌊2·left/k⌋, left − min·(k−1))

and the last opener takes what is left. The bounds lie evenly around the mean left/k (within half a fen), so it
does not matter whose turn it is. `low` mirrors `high` at the upper cap; while the mean is below half the cap it
is `min`.

Share number i of a packet is low + (n mod (high − low + 1)), n being the first 16 bytes, big-endian, of
HMAC-SHA256(seed, i as 4 bytes big-endian). The seed is 32 random bytes; the packet id has no say in it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import NamedTuple

SEED_BYTES = 32


class Caps(NamedTuple):
    """The smallest and the largest share, in fen."""

    min_fen: int = 1
    max_fen: int = 20_000


def bounds(left_fen: int, left_shares: int, caps: Caps) -> tuple[int, int]:
    """The smallest and largest amount of the next share. Feasible if min·k ≤ left ≤ max·k, which stays true."""
    if left_shares == 1:
        return left_fen, left_fen
    double = 2 * left_fen
    low = max(caps.min_fen, -(-double // left_shares) - caps.max_fen)
    high = min(caps.max_fen, double // left_shares, left_fen - caps.min_fen * (left_shares - 1))
    return low, high


def lucky_share(seed: bytes, index: int, left_fen: int, left_shares: int, caps: Caps) -> int:
    """The amount of share `index` (from 0) in fen, when `left_fen` and `left_shares` are still unopened."""
    low, high = bounds(left_fen, left_shares, caps)
    number = int.from_bytes(hmac.digest(seed, index.to_bytes(4, "big"), "sha256")[:16], "big")
    return low + number % (high - low + 1)


def all_lucky_shares(seed: bytes, total_fen: int, shares: int, caps: Caps) -> Iterator[int]:
    """Every share of a lucky packet in the order of opening."""
    left = total_fen
    for index in range(shares):
        amount = lucky_share(seed, index, left, shares - index, caps)
        left -= amount
        yield amount


def commitment(seed: bytes, packet_id: int, total_fen: int, shares: int) -> bytes:
    """What is published at send: SHA-256(seed ‖ packet id, 8 bytes ‖ total in fen, 8 bytes ‖ shares, 4 bytes)."""
    words = packet_id.to_bytes(8, "big") + total_fen.to_bytes(8, "big") + shares.to_bytes(4, "big")
    return hashlib.sha256(seed + words).digest()
