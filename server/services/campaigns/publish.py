"""The proof of a campaign as it is published: all numbers that were won, and where the seed comes from."""

from __future__ import annotations

from collections.abc import Mapping

from server.core.campaigns import deck
from server.core.campaigns.proof import CampaignProof, WonNumber
from server.services.campaigns.pools import kind_of
from server.services.seeds.service import packet_seed_of, proof_of
from storage.postgres.campaigns.campaigns import CampaignStore
from storage.postgres.campaigns.leases import LeaseStore
from storage.postgres.database import Database


class ProofMissing(Exception):
    """There is a campaign, but no proof of it yet, or its seed cannot be unsealed."""


async def published_proof(database: Database, campaign_id: int, keys: Mapping[str, bytes]) -> CampaignProof | None:
    """The proof of a campaign whose books are closed; None if there is no such campaign. Raises ProofMissing."""
    row = (await CampaignStore(database).rows([campaign_id])).get(campaign_id)
    if row is None:
        return None
    if row.closed_at_ms is None:
        raise ProofMissing(f"campaign {campaign_id} is not over: its seed stays secret until its books are closed")
    packet = row.pool_packet(kind_of(row))
    proof = await proof_of(database, packet, keys)
    if proof is None:
        raise ProofMissing(f"the seed of campaign {campaign_id} cannot be unsealed: the seed key is missing")
    wins = await LeaseStore(database).won_numbers(campaign_id)
    return CampaignProof(
        campaign_id,
        row.sponsor_id,
        deck.parsed(row.deck),
        row.seed_index,
        proof.server_seed,
        row.client_seed,
        tuple(proof.path),
        proof.root,
        packet_seed_of(packet, proof.server_seed),
        row.commitment,
        tuple(WonNumber(number, amount) for number, amount in wins),
    )
