"""The part of the audit that needs the pools of campaigns: commitments, and the amount of every number."""

from __future__ import annotations

import asyncio
from typing import Final

from server.core import seeds
from server.core.campaigns import deck
from server.core.campaigns.deck import DeckRefused
from server.core.campaigns.pool import Pool
from server.services.money.seed_audit import Finding
from server.services.seeds.seals import Seals, SeedsSealed
from server.services.seeds.service import content_of, seed_of
from storage.postgres.campaigns.campaigns import CampaignRow
from storage.postgres.money.audit import AuditedLease, AuditSnapshot

DEALT: Final = "every campaign has the commitment of its pool, and every share the amount of its number"
PART: Final = 32  # numbers dealt at once, with others in between


async def check_pools(records: AuditSnapshot, seals: Seals) -> Finding:
    """Make every pool again, and deal again what was leased."""
    wrong: list[str] = []
    unchecked = 0
    for row, sealed, key_id in await records.campaigns():
        if key_id is not None and key_id not in seals:
            unchecked += 1
            continue
        try:
            pool = await _pool(row, sealed, key_id, seals)
        except (DeckRefused, SeedsSealed, ValueError) as error:
            wrong.append(f"campaign {row.campaign_id}: {error}")
            continue
        async for lease in records.leases(row.campaign_id):
            wrong += await _wrong_in(lease, pool)
    left_out = f"{unchecked:,} campaigns not checked, their seed key is not here" if unchecked else ""
    return Finding("dealt", DEALT, wrong, left_out)


async def _pool(row: CampaignRow, sealed: bytes | None, key_id: str | None, seals: Seals) -> Pool:
    """Raises ValueError if its record does not lead to its commitment."""
    recorded = deck.parsed(row.deck)
    if (recorded.numbers, recorded.total_fen) != (row.shares, row.budget_fen):
        raise ValueError(f"its deck has {recorded.numbers} shares of {recorded.total_fen} ¤ together")
    packet = row.pool_packet(recorded.kind)
    if sealed is None or key_id is None:
        raise ValueError("the tree of its seed is not recorded")
    seed = seed_of(packet, seals.unseal(key_id, sealed, row.sponsor_id, seeds.tree_of(row.seed_index)))
    if seeds.commitment(seed, row.campaign_id, content_of(packet)) != row.commitment:
        raise ValueError("its seed does not give the commitment of its record")
    return await asyncio.to_thread(Pool, recorded, seed)


async def _wrong_in(lease: AuditedLease, pool: Pool) -> list[str]:
    dealt: list[int] = []
    end = min(lease.first_number + lease.numbers, pool.deck.numbers)
    for start in range(lease.first_number, end, PART):
        dealt += pool.amounts(start, min(PART, end - start))
        await asyncio.sleep(0)
    wrong = []
    if sum(dealt) != lease.total_fen:
        wrong.append(f"lease {lease.packet_id} has {lease.total_fen} ¤, its numbers are worth {sum(dealt)}")
    for number, (fen, amount) in enumerate(zip(lease.won_fen, dealt, strict=False), lease.first_number):
        if fen != amount:
            wrong.append(f"lease {lease.packet_id}: number {number} was won with {fen} ¤, it is worth {amount}")
    return wrong
