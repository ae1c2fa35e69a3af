"""Payments that are made by hand: nothing can be asked, and only an operator knows what has become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.core.payments import Evidence, Order, Verdict
from server.gateways.port import Capabilities

if TYPE_CHECKING:
    from server.config import Config

WAITS: Final = "an operator confirms or declines it: hongbao payment NUMBER --confirm | --decline REASON"


class ManualGateway:
    """Implements the port of gateways for transfers that people make, at a bank or in cash."""

    name = "manual"
    capabilities = Capabilities(is_asked=False)
    patience_s = 0.0
    is_away = False

    async def charge(self, order: Order) -> Evidence:
        """Nothing is known yet."""
        return Evidence("charge", Verdict.UNKNOWN, WAITS)

    async def payout(self, order: Order) -> Evidence:
        """Nothing is known yet."""
        return Evidence("payout", Verdict.UNKNOWN, WAITS)

    async def query(self, order: Order) -> Evidence:
        """Nothing is known yet."""
        return Evidence("query", Verdict.UNKNOWN, WAITS)

    async def cancel(self, order: Order) -> Evidence:
        """Only an operator knows whether the transfer was made."""
        return Evidence("close", Verdict.UNKNOWN, WAITS)

    def use_config(self, config: Config) -> None:
        """It has no keys."""

    async def close(self) -> None:
        """It has no connections."""
