"""Seeds that not even the operator can choose: committed ahead in trees, and mixed with what the client sends.

The server seeds of a user's packets are numbered. Number n belongs to tree ⌊n / 64⌋, made from one secret:

    server seed n = HMAC-SHA256(secret of the tree, n as 8 bytes)
    leaf          = SHA-256(0x00 ‖ server seed)
    node          = SHA-256(0x01 ‖ left ‖ right)

Its root is told before the packets are sent. The seed of a packet, from which its shares are drawn (amounts), is

    packet seed = HMAC-SHA256(server seed n, sender, 8 ‖ n, 8 ‖ client seed, prefixed ‖ kind, prefixed
                              ‖ total in fen, 8 ‖ shares, 4 ‖ smallest share, 8 ‖ largest share, 8)

with all numbers big-endian of so many bytes, and "prefixed" meaning one byte with the length before the bytes. Each
field has a fixed or a told length, so no two inputs are the same bytes. The id of the packet is not in it, because
the server chooses it; it is in the commitment, which is published when the packet is sent:

    commitment = SHA-256("hongbao commitment 2" ‖ packet seed ‖ packet id, 8 ‖ kind, prefixed ‖ total in fen, 8
                         ‖ shares, 4 ‖ smallest share, 8 ‖ largest share, 8)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from server.core.amounts import Draws

TREE_SEEDS: Final = 64
PATH_HASHES: Final = 6
SECRET_BYTES: Final = 32
CLIENT_SEED_BYTES: Final = range(16, 33)
_COMMITMENT_TAG: Final = b"hongbao commitment 2"
_AMOUNTS: Final = Struct(">QIQQ")
_SENDER_AND_INDEX: Final = Struct(">QQ")
_ID: Final = Struct(">Q")
_LENGTHS: Final = [bytes([length]) for length in range(256)]


class SeedUnknown(ValueError):
    """The amounts follow from a seed that was not derived."""


class SeedUse(NamedTuple):
    """Which server seed a packet uses, what the client gave for it, and the commitment that was published."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not called
    client_seed: bytes
    commitment: bytes


class Content(NamedTuple):
    """What of a packet goes into its seed, besides the seeds themselves."""

    sender_id: int
    kind: str
    total_fen: int
    shares: int
    share_fen_min: int
    share_fen_max: int

    @property
    def amounts(self) -> bytes:
        """The numbers that the shares depend on."""
        return _AMOUNTS.pack(self.total_fen, self.shares, self.share_fen_min, self.share_fen_max)


def tree_of(index: int) -> int:
    """The number of the tree that a server seed belongs to."""
    return index // TREE_SEEDS


def server_seed(secret: bytes, index: int) -> bytes:
    """Server seed `index` of the tree with this secret."""
    return hmac.digest(secret, _ID.pack(index), "sha256")


def packet_seed(seed: bytes, index: int, client_seed: bytes, content: Content) -> bytes:
    """The seed of a packet from server seed `index` and the client's."""
    numbers = _SENDER_AND_INDEX.pack(content.sender_id, index)
    message = numbers + _prefixed(client_seed) + _kind(content.kind) + content.amounts
    return hmac.digest(seed, message, "sha256")


def commitment(seed: bytes, packet_id: int, content: Content) -> bytes:
    """What is published at the send, for a packet seed."""
    told = _ID.pack(packet_id) + _kind(content.kind) + content.amounts
    return hashlib.sha256(_COMMITMENT_TAG + seed + told).digest()


def _prefixed(text: bytes) -> bytes:
    return _LENGTHS[len(text)] + text


@lru_cache(maxsize=64)
def _kind(kind: str) -> bytes:
    return _prefixed(kind.encode())


# --- trees ----------------------------------------------------------------------------------------------------


class Tree:
    """All hashes of tree `number`."""

    def __init__(self, secret: bytes, number: int) -> None:
        first, draws = number * TREE_SEEDS, Draws(secret)  # HMAC with the same key, at a third of the time
        self._seeds = [draws.digest(_ID.pack(index)) for index in range(first, first + TREE_SEEDS)]
        self._levels = [
            [_leaf(seed) for seed in self._seeds]
        ]  # the leaves, the nodes above them, …, the root alone
        while len(below := self._levels[-1]) > 1:
            self._levels.append([_node(*below[place : place + 2]) for place in range(0, len(below), 2)])

    @property
    def root(self) -> bytes:
        """The hash above all leaves; users get it before their packets are sent."""
        return self._levels[-1][0]

    def seed(self, index: int) -> bytes:
        """Server seed `index`, which is one of this tree."""
        return self._seeds[index % TREE_SEEDS]

    def path(self, index: int) -> list[bytes]:
        """The neighbours on the way from server seed `index` to the root, from the leaf upward."""
        place = index % TREE_SEEDS
        return [level[place >> depth ^ 1] for depth, level in enumerate(self._levels[:-1])]


def root_of_path(seed: bytes, index: int, neighbours: Sequence[bytes]) -> bytes:
    """The root that a server seed and its path lead to. Raises ValueError if the path has the wrong length."""
    if len(neighbours) != PATH_HASHES:
        raise ValueError(f"a path has {PATH_HASHES} hashes, not {len(neighbours)}")
    place, here = index % TREE_SEEDS, _leaf(seed)
    for neighbour in neighbours:
        here = _node(neighbour, here) if place & 1 else _node(here, neighbour)
        place >>= 1
    return here


def _leaf(seed: bytes) -> bytes:
    return hashlib.sha256(b"\0" + seed).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
