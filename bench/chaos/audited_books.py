"""What the independent auditor reads: the tables, with its own SQL, and the seeds of sealed packets."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.chaos import audited_pools
from bench.chaos.audited_pools import NO_POOLS, AuditedPools


class AuditedPacket(NamedTuple):
    """A row of `packets`."""

    packet_id: int
    sender_id: int
    key: str
    kind: str
    total_fen: int
    shares: int
    share_fen_min: int
    share_fen_max: int
    seed: bytes  # also if the record holds its tree sealed
    refunded_fen: int
    closed: bool


class AuditedClaim(NamedTuple):
    """A row of `claims`."""

    packet_id: int
    share: int
    user_id: int
    amount_fen: int


class AuditedTransfer(NamedTuple):
    """A row of `transfers`."""

    debit: int
    credit: int
    kind: int
    key: str
    amount_fen: int


class AuditedBooks(NamedTuple):
    """The database after settlement and refunds."""

    packets: list[AuditedPacket]
    claims: list[AuditedClaim]
    transfers: list[AuditedTransfer]
    wallets: dict[int, int]
    waiting: int  # claims that are not credited
    pools: AuditedPools = NO_POOLS


UNSETTLED: Final = (
    "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM packets WHERE closed_at_ms IS NULL)"
    " + (SELECT count(*) FROM campaigns WHERE closed_at_ms IS NULL)"
)
QUERIES: Final = (
    "SELECT packet_id, sender_id, p.key, kind, total_fen, shares, share_fen_min, share_fen_max, refunded_fen,"
    " closed_at_ms IS NOT NULL, seed, seed_index, client_seed, sealed, key_id"
    " FROM packets p LEFT JOIN seed_trees t ON t.user_id = sender_id AND t.number = seed_index / 64",
    "SELECT packet_id, index, user_id, amount_fen FROM claims",
    "SELECT debit_account, credit_account, kind, key, amount_fen FROM transfers",
    "SELECT user_id, balance_fen FROM wallets",
    "SELECT 1 FROM settlement_queue",
    audited_pools.CAMPAIGN_QUERY,
    audited_pools.LEASE_QUERY,
    audited_pools.WIN_QUERY,
)


async def unsettled(dsn: str) -> int:
    """The number of claims that wait for their money, and of packets and campaigns that have not ended."""
    ((count,),) = (await _fetch(dsn, UNSETTLED))[0]
    return int(count)


async def read(dsn: str, seed_keys: Mapping[str, bytes]) -> AuditedBooks:
    packets, claims, transfers, wallets, waiting, *pools = await _fetch(dsn, *QUERIES)
    return AuditedBooks(
        [_packet(row, seed_keys) for row in packets],
        [AuditedClaim(*row) for row in claims],
        [AuditedTransfer(*row) for row in transfers],
        {row[0]: row[1] for row in wallets},
        len(waiting),
        audited_pools.pools_of(pools, {place_of(row): _secret(row, seed_keys) for row in pools[0]}),
    )


def place_of(campaign: asyncpg.Record) -> tuple[int, int]:
    """Which seed tree a campaign uses: that of its sponsor with this number."""
    return campaign["sponsor_id"], campaign["seed_index"] // 64


def _secret(row: asyncpg.Record, seed_keys: Mapping[str, bytes]) -> bytes:
    """Of the seed tree of a campaign. Raises InvalidTag, KeyError."""
    user_id, number = place_of(row)
    place = user_id.to_bytes(8, "big") + number.to_bytes(8, "big")
    return AESGCM(seed_keys[row["key_id"]]).decrypt(row["sealed"][:12], row["sealed"][12:], place)


def _packet(row: asyncpg.Record, seed_keys: Mapping[str, bytes]) -> AuditedPacket:
    """A packet with its seed; of a sealed one by the formula of docs/protocol.md. Raises InvalidTag, KeyError."""
    *terms, refunded_fen, closed, seed, index, client_seed, sealed, key_id = row
    if seed is None and index is None:
        seed = b""  # a lease: the seed of its campaign decides
    elif seed is None:
        _, sender_id, _, kind, *amounts = terms
        place = sender_id.to_bytes(8, "big") + (index // 64).to_bytes(8, "big")
        secret = AESGCM(seed_keys[key_id]).decrypt(sealed[:12], sealed[12:], place)
        server_seed = hmac.digest(secret, index.to_bytes(8, "big"), "sha256")
        given = b"".join(bytes([len(one)]) + one for one in (client_seed, kind.encode()))
        numbers = struct.pack(">QQ", sender_id, index) + given + struct.pack(">QIQQ", *amounts)
        seed = hmac.digest(server_seed, numbers, "sha256")
    return AuditedPacket._make((*terms, seed, refunded_fen, closed))


async def _fetch(dsn: str, *queries: str) -> list[list[asyncpg.Record]]:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [await connection.fetch(query) for query in queries]
    finally:
        await connection.close()
