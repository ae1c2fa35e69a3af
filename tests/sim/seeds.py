"""Seeds and shares by the documented formulas (docs/protocol.md, section 10), from what the tables hold."""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.core import amounts
from server.core.amounts import Caps
from tests.sim.plan import SEED_KEYS

if TYPE_CHECKING:
    from tests.sim.world import World

DRAWN = ("lucky", "password", "fission")


def amounts_of(row: Any) -> bytes:
    return struct.pack(">QIQQ", row.total_fen, row.shares, row.share_fen_min, row.share_fen_max)


def seed_of(world: World, row: Any) -> bytes:
    """The seed of a packet by the documented formula, from its sealed tree."""
    tree = world.tables.trees[row.sender_id, row.seed_index // 64]
    place = struct.pack(">QQ", row.sender_id, row.seed_index // 64)
    secret = AESGCM(SEED_KEYS[tree.key_id]).decrypt(tree.sealed[:12], tree.sealed[12:], place)
    server_seed = hmac.digest(secret, struct.pack(">Q", row.seed_index), "sha256")
    given = b"".join(bytes([len(one)]) + one for one in (row.client_seed, row.kind.encode()))
    numbers = struct.pack(">QQ", row.sender_id, row.seed_index)
    return hmac.digest(server_seed, numbers + given + amounts_of(row), "sha256")


def shares_of(world: World, row: Any) -> list[int]:
    """Every share of a packet, from its seed."""
    if row.kind not in DRAWN:
        return [row.total_fen // row.shares] * row.shares
    caps = Caps(row.share_fen_min, row.share_fen_max)
    return list(amounts.all_lucky_shares(seed_of(world, row), row.total_fen, row.shares, caps))


def commitment_of(world: World, row: Any) -> bytes:
    """What was published at the send."""
    kind = bytes([len(row.kind)]) + row.kind.encode()
    told = seed_of(world, row) + struct.pack(">Q", row.packet_id) + kind + amounts_of(row)
    return hashlib.sha256(b"hongbao commitment 2" + told).digest()


def kind_of_pool(deck: bytes) -> str:
    """What stands in place of the kind of packet in the seed of a campaign."""
    return "pool:" + hashlib.sha256(deck).hexdigest()
