"""The services of payments, and the gateways that the config asks for.

With a host wallet sends are paid from there, and what wallets hold goes back to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from server.services.payments.conclusions import ConclusionService
from server.services.payments.evidence import EvidenceService
from server.services.payments.lookups import PaymentLookupService
from server.services.payments.notices import NoticeService
from server.services.payments.paid_sends import PaidSendService
from server.services.payments.payouts import PayoutService
from server.services.payments.service import PaymentService

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config
    from server.core.ids import IdMaker
    from server.core.limits import Limits
    from server.gateways.port import Gateway
    from server.services.packets.send import SendService
    from server.services.runtime.bus import Bus
    from server.services.runtime.supervised import Loop
    from server.services.seeds.service import SeedService
    from storage.postgres.money.payments import PaymentStore

LEASE_MS: Final = 10_000  # of an attempt at a payment, besides its two calls


class PaymentServices:
    """`sender` sends packets: with a host wallet it charges there what a wallet cannot pay.

    `attempts` is None without a gateway, `payouts` without a host wallet. `lookups` show what is recorded.
    """

    def __init__(
        self,
        config: Config,
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
        self.notices: NoticeService | None = None
        self.conclusions: ConclusionService | None = None
        gateways = _gateways(config, clock)
        if not gateways:
            return
        lease_ms = int(2_000 * max(one.patience_s for one in gateways.values())) + LEASE_MS
        evidence = EvidenceService(store, sends, seeds, clock, bus, lease_ms)
        self.attempts = PaymentService(store, gateways, evidence, clock, is_current)
        self.notices = NoticeService(gateways, store, evidence)
        self.conclusions = ConclusionService(self.attempts)
        if (host := gateways.get("host")) is not None:
            self.payouts = PayoutService(self.attempts, host, ids, clock, bus)
            self.sender = PaidSendService(sends, self.attempts, host, limits, ids, clock, lease_ms)

    def use_config(self, config: Config) -> None:
        """Calls from now on are signed with the keys of this config."""
        for gateway in () if self.attempts is None else self.attempts.gateways.values():
            gateway.use_config(config)

    def loops(self) -> dict[str, Loop]:
        """The loops, by name; none without a gateway."""
        loops = {"payments": self.attempts, "payouts": self.payouts}
        return {name: one.run for name, one in loops.items() if one is not None}


def _gateways(config: Config, clock: Clock) -> dict[str, Gateway]:
    """The gateways that the config asks for, by name.

    Importing one takes time and memory, mostly for aiohttp's client: not for servers without it.
    """
    gateways: list[Gateway] = []
    if config.host_wallet.url:
        from server.gateways.host import gateway as host

        gateways.append(host.gateway_of(config, clock))
    if config.bank.url:
        from server.gateways.bank import gateway as bank

        gateways.append(bank.gateway_of(config, clock))
    if config.manual.enabled:
        from server.gateways.manual.gateway import ManualGateway

        gateways.append(ManualGateway())
    return {one.name: one for one in gateways}
