"""Buckets: the unit of ownership. Every packet and every user is in one, and each bucket has one owner.

    bucket   = the upper 8 bits of (id × 0x9E3779B97F4A7C15 mod 2^64)
    weight   = mix(server id ⊕ (bucket × 0xD1B54A32D192ED03 mod 2^64)), mix of SplitMix64
    owner    = in the order of the buckets: the server whose weight is the largest among those that own less than
               ⌈264 / servers⌉ buckets so far

So all servers that know the same servers agree without asking. None owns a thirty-second more than its part, and
of up to eight servers none a quarter less. When one goes, few buckets but its own move (rendezvous hashing with
bounded loads).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

BUCKET_BITS: Final = 8
BUCKETS: Final = 1 << BUCKET_BITS
OWNED_IN_ALL: Final = BUCKETS * 33 // 32  # the room of all servers together
_64: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_SHIFT: Final = 64 - BUCKET_BITS


def bucket_of(number: int) -> int:
    """The bucket of a packet or a user: 0 … 255."""
    return (number * _GOLDEN & _64) >> _SHIFT


def owners_of(servers: Collection[int]) -> list[int]:
    """The server, by its id, that owns each bucket. Raises ValueError if there is no server."""
    room = -(-OWNED_IN_ALL // len(servers)) if servers else 0
    owned: Counter[int] = Counter()
    owners = []
    for bucket in range(BUCKETS):
        key = bucket * 0xD1B54A32D192ED03 & _64
        _, owner = max((_mix(one ^ key), one) for one in servers if owned[one] < room)
        owned[owner] += 1
        owners.append(owner)
    return owners


def _mix(number: int) -> int:
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _64
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _64
    return number ^ number >> 31
