"""Hash tags: which node of a cluster of Redis has the log of a packet follows from its bucket.

There are 64 tags, one for four neighbouring buckets, spread evenly over the slots of the cluster. docs/buckets.md
has the formulas, tests/vectors/buckets.json exact vectors.
"""

from __future__ import annotations

from binascii import crc_hqx
from itertools import count
from typing import Final

from server.core.placement.buckets import BUCKETS, bucket_of

_TAGS: Final = 64
_SLOTS: Final = 16_384  # of a cluster of Redis


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
    """The hash tag of a packet's log in a cluster."""
    return TAGS[bucket_of(packet_id) * _TAGS // BUCKETS]
