"""The proof of a campaign that is over, and the page of a share that was won."""

from __future__ import annotations

from typing import NamedTuple

from server.core.decisions import Claim
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns.pools import kind_of
from server.services.campaigns.service import CampaignService
from server.services.packets.stored_state import claim_of
from server.services.seeds.service import SeedProof, SeedService, packet_seed_of
from storage.postgres.campaigns.campaigns import CampaignRow, CampaignStore
from storage.postgres.campaigns.leases import LeaseStore


class PoolProof(NamedTuple):
    """All that a user needs to check what they have won. The index of a claim is its number in the pool."""

    row: CampaignRow
    kind: str
    seed: bytes
    seed_proof: SeedProof
    claims: list[Claim]


class PoolProofs:
    """Use case reveal, of campaigns. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self, campaigns: CampaignStore, leases: LeaseStore, service: CampaignService, seeds: SeedService
    ) -> None:
        self._campaigns = campaigns
        self._leases = leases
        self._service = service
        self._seeds = seeds

    async def reveal(self, user_id: int, campaign_id: int) -> PoolProof:
        """The proof of a campaign whose books are closed, with the claims of this user."""
        try:
            row = (await self._service.view(user_id, campaign_id)).row
        except RequestRefused as refused:
            if refused.reason is Reason.NO_SUCH_CAMPAIGN:
                raise RequestRefused(Reason.NOT_ALLOWED) from None
            raise
        if row.closed_at_ms is None:
            raise RequestRefused(Reason.NOT_FINISHED)
        kind = kind_of(row)
        packet = row.pool_packet(kind)
        proof = await self._seeds.proof(packet)
        if proof is None:
            raise RequestRefused(Reason.INTERNAL, "the seed cannot be unsealed")
        claims = [claim_of(one) for one in await self._leases.wins_of(campaign_id, user_id)]
        return PoolProof(row, kind, packet_seed_of(packet, proof.server_seed), proof, claims)
