"""What a server with several sets does not offer yet: this store refuses to begin it.

A set is not added to a record that has such things (see `needs_one_set` in opening.sql), so there are none.
"""

from __future__ import annotations

from storage.errors import NeedsOneSet
from storage.postgres.campaigns.campaigns import CampaignStore


class OneSetCampaignStore(CampaignStore):
    """The wallet of a sponsor, the pool and its leases are in one set, their owners in another."""

    async def put_sponsor(self, user_id: int, name: str, now_ms: int) -> None:
        """Raises NeedsOneSet."""
        raise NeedsOneSet("a sponsor")
