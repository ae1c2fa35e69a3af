"""Buckets: 8 bits of a hash of a packet's id, and what follows from them by pure functions.

A bucket decides which worker owns a packet (rendezvous hashing over the names of the live workers) and which hash
tag its log has in a cluster of Redis. docs/buckets.md has the formulas, tests/vectors/buckets.json exact vectors.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Collection
from hashlib import sha256
from itertools import count
from typing import Final
from zlib import crc32

BUCKETS: Final = 256
_TAGS: Final = 64
_SLOTS: Final = 16_384  # of a cluster of Redis


def bucket_of(packet_id: int) -> int:
    """The bucket of a packet, 0 to 255: the lowest 8 bits of the CRC-32 of its id in 8 bytes, big-endian."""
    return crc32(packet_id.to_bytes(8, "big")) & 0xFF


def owner_of(bucket: int, workers: Collection[str]) -> str:
    """The one of these workers that owns a bucket. Raises ValueError if there is none.

    If a worker ends, only its buckets get another owner; a new one takes its share evenly from all others.
    """
    return max(workers, key=lambda worker: (_weight(bucket, worker), worker))


def _weight(bucket: int, worker: str) -> bytes:
    return sha256(bytes([bucket]) + worker.encode()).digest()


def slot_of(tag: str) -> int:
    """The slot of all keys with a hash tag: CRC-16 (XMODEM) modulo 16,384, as a cluster of Redis computes it."""
    return crc_hqx(tag.encode(), 0) % _SLOTS


def _evenly_spread() -> tuple[str, ...]:
    """Tag n is the smallest number whose slot is in the n-th of 64 equal ranges of slots.

    Each master, whatever their number, has an equal range of slots, so it has its share of the tags, give or take
    one.
    """
    found: dict[int, str] = {}
    for number in count():
        if len(found) == _TAGS:
            break
        found.setdefault(slot_of(str(number)) * _TAGS // _SLOTS, str(number))
    return tuple(found[place] for place in range(_TAGS))


TAGS: Final = _evenly_spread()


def tag_of(packet_id: int) -> str:
    """The hash tag of a packet's log in a cluster: one for four neighbouring buckets."""
    return TAGS[bucket_of(packet_id) * _TAGS // BUCKETS]
