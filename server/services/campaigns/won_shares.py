"""Shares that were won by shaking, for their result pages: each by itself, without other claims of its lease."""

from __future__ import annotations

from server.core.packet_request import Terms
from server.core.pages import Known
from server.services.packets.stored_state import claim_of, is_lease, terms_of
from storage.postgres.campaigns.leases import LeaseStore
from storage.postgres.packets.packets import PacketStore


class WonShares:
    """Reads what a user has won. Raises StoreUnavailable."""

    def __init__(self, records: PacketStore, leases: LeaseStore) -> None:
        self._records = records
        self._leases = leases

    async def known(self, user_id: int, packet_id: int) -> Known | None:
        """A packet of the one share that the user has won; None: the user has won none of this packet."""
        row = (await self._records.rows([packet_id])).get(packet_id)
        if row is None or not is_lease(row):
            return None
        share = await self._leases.won_share(packet_id, user_id)
        if share is None:
            return None
        terms: Terms = terms_of(row)._replace(shares=1, total_fen=share.amount_fen)
        return Known(terms, {user_id: claim_of(share)}, closed=True)
