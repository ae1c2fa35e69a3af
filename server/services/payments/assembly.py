"""The services of payments. With a host wallet sends are paid from there, and what wallets hold goes back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from server.services.payments.evidence import EvidenceService
from server.services.payments.lookups import PaymentLookupService
from server.services.payments.paid_sends import PaidSendService
from server.services.payments.payouts import PayoutService
from server.services.payments.service import PaymentService

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import HostWalletSection
    from server.core.ids import IdMaker
    from server.core.limits import Limits
    from server.services.packets.send import SendService
    from server.services.runtime.bus import Bus
    from server.services.runtime.supervised import Loop
    from server.services.seeds.service import SeedService
    from storage.postgres.money.payments import PaymentStore

LEASE_MS: Final = 10_000  # of an attempt at a payment, besides its two calls


class PaymentServices:
    """`sender` sends packets: with a host wallet it charges there what a wallet cannot pay.

    `attempts` and `payouts` are None without a host wallet; `lookups` show operators what is recorded.
    """

    def __init__(
        self,
        config: HostWalletSection,
        store: PaymentStore,
        sends: SendService,
        seeds: SeedService,
        limits: Limits,
        ids: IdMaker,
        clock: Clock,
        bus: Bus,
        is_current: Callable[[], bool],
    ) -> None:
        self.sender: SendService | PaidSendService = sends
        self.lookups = PaymentLookupService(store, clock.now_ms)
        self.attempts: PaymentService | None = None
        self.payouts: PayoutService | None = None
        if not config.url:
            return
        # importing aiohttp's client takes time and memory: not for servers without a host wallet
        from server.gateways.host.gateway import gateway_of

        gateway = gateway_of(config, clock)
        lease_ms = int(2_000 * gateway.patience_s) + LEASE_MS
        evidence = EvidenceService(store, sends, seeds, clock, bus, lease_ms)
        self.attempts = PaymentService(store, gateway, evidence, clock, is_current)
        self.payouts = PayoutService(self.attempts, ids, clock, bus)
        self.sender = PaidSendService(sends, self.attempts, limits, ids, clock, lease_ms)

    def loops(self) -> dict[str, Loop]:
        """The loops, by name; none without a host wallet."""
        loops = {"payments": self.attempts, "payouts": self.payouts}
        return {name: one.run for name, one in loops.items() if one is not None}
