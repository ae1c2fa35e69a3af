"""What a server with several sets does not offer yet: these stores refuse to begin it.

A set is not added to a record that has such things (see `needs_one_set` in opening.sql), so there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from storage.errors import NeedsOneSet
from storage.postgres.campaigns.campaigns import CampaignStore
from storage.postgres.money.wallet_orders import Ordered, WalletOrderRow, WalletOrderStore
from storage.postgres.webhooks.endpoints import EndpointRow, EndpointStore

if TYPE_CHECKING:
    from storage.postgres.cards.payers import DayLimit
    from storage.postgres.webhooks.endpoints import Sealed


class OneSetCampaignStore(CampaignStore):
    """The wallet of a sponsor, the pool and its leases are in one set, their owners in another."""

    async def put_sponsor(self, user_id: int, name: str, now_ms: int) -> None:
        """Raises NeedsOneSet."""
        raise NeedsOneSet("a sponsor")


class OneSetOrderStore(WalletOrderStore):
    """Two wallets may be in two sets."""

    async def move(self, order: WalletOrderRow, day: DayLimit | None) -> Ordered:
        """Raises NeedsOneSet."""
        raise NeedsOneSet("a transfer or a pay")


class OneSetEndpointStore(EndpointStore):
    """Events are written by triggers, beside the endpoints."""

    async def put(
        self,
        name: str,
        url: str,
        types: Sequence[str],
        state: str,
        choose: Callable[[EndpointRow | None], Sealed | None],
        previous_until_ms: int,
        now_ms: int,
        most: int,
    ) -> EndpointRow:
        """Raises NeedsOneSet."""
        raise NeedsOneSet("a webhook")
