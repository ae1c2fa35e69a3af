"""The services of payments, and the gateways that the config asks for.

With a host wallet sends are paid from there, and what wallets hold goes back to it. With a bank users have cards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from server.services.cards.assembly import CardServices
from server.services.money.orders import OrderService
from server.services.payments.card_payments import CardPaymentService
from server.services.payments.card_refunds import CardRefundService
from server.services.payments.conclusions import ConclusionService
from server.services.payments.day_limits import DayLimits
from server.services.payments.evidence import EvidenceService
from server.services.payments.lookups import PaymentLookupService
from server.services.payments.new_payments import NewPayments
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
    from server.services.runtime.figure_duty import FigureDuty
    from server.services.runtime.supervised import Loop
    from server.services.runtime.used_nonces import UsedNonces
    from server.services.seeds.service import SeedService
    from storage.stores import Stores

LEASE_MS: Final = 10_000  # of an attempt at a payment, besides its two calls


class PaymentServices:
    """`sender` sends packets: by a card, with a host wallet, or with a password if one is needed.

    `attempts`, `by_card` and `card_refunds` are None without a gateway, `payouts` without a host wallet. `orders`:
    transfers and pays. `lookups` show what is recorded.
    """

    def __init__(
        self,
        config: Config,
        stores: Stores,
        sends: SendService,
        seeds: SeedService,
        limits: Limits,
        ids: IdMaker,
        clock: Clock,
        bus: Bus,
        is_current: Callable[[], bool],
        seed_keys: Mapping[str, bytes],
        smallest: str,
        gateways: Mapping[str, Gateway] | None,
        duty: FigureDuty,
        nonces: UsedNonces,
    ) -> None:
        """`seed_keys` seal what is secret of cards, too. `smallest`: what an amount counts, as people say it.

        `gateways`, by name; None: those that the config asks for. `duty`: whether figures are read here.
        """
        gateways = _gateways(config, clock) if gateways is None else gateways
        self.sender: SendService | PaidSendService = sends
        self.lookups = PaymentLookupService(stores.payments, stores.cards, clock.now_ms)
        self.day_limits = DayLimits(config.payments.day_limit_fen, smallest)
        self.cards = cards = CardServices(config, stores, gateways, seed_keys, ids, clock)
        orders = stores.wallet_orders, cards.authorisation, self.day_limits, limits, clock.now_ms
        self.orders = OrderService(*orders, bus, smallest, sends.gate)
        self.attempts: PaymentService | None = None
        self.payouts: PayoutService | None = None
        self.by_card: CardPaymentService | None = None
        self.card_refunds: CardRefundService | None = None
        self.notices: NoticeService | None = None
        self.conclusions: ConclusionService | None = None
        if not gateways and config.payments.wallet_password != "always":
            return
        lease_ms = _lease_ms(gateways)
        evidence = EvidenceService(stores.payments, sends, seeds, clock, bus, lease_ms, is_current)
        asked = gateways, evidence, clock, is_current, duty, cards.service.token_of
        self.attempts = attempts = PaymentService(stores.payments, *asked)
        self.notices = NoticeService(gateways, stores.payments, evidence, nonces)
        self.conclusions = ConclusionService(attempts)
        new_payments = NewPayments(ids, clock, lease_ms, stores.sets)
        by_card = stores.card_payments, attempts, new_payments, cards.service, cards.authorisation, self.day_limits
        self.by_card = CardPaymentService(*by_card, limits, clock, bus, smallest, sends.gate)
        self.card_refunds = CardRefundService(stores.card_payments, attempts, new_payments, limits, bus, smallest)
        if (host := gateways.get("host")) is not None:
            self.payouts = PayoutService(attempts, host, ids, clock, bus, sends.gate, stores.sets)
        sender = sends, attempts, new_payments, host, self.by_card, cards.authorisation
        self.sender = PaidSendService(*sender, limits)

    def use_config(self, config: Config) -> None:
        """Calls from now on are signed with the keys of this config, and its limit of a day holds."""
        self.day_limits.limit_fen = config.payments.day_limit_fen
        for gateway in () if self.attempts is None else self.attempts.gateways.values():
            gateway.use_config(config)

    async def close(self) -> None:
        """Close the connections to all gateways, for good."""
        if self.attempts is not None:
            await self.attempts.close()

    def loops(self) -> dict[str, Loop]:
        """The loops, by name; none without a gateway."""
        passwords = None if self.attempts is None else self.cards.passwords
        loops = {"payments": self.attempts, "payouts": self.payouts, "passwords": passwords}
        return {name: one.run for name, one in loops.items() if one is not None}


def _lease_ms(gateways: Mapping[str, Gateway]) -> int:
    """How long an attempt at a payment may take before another server may begin one: two calls, and more."""
    return int(2_000 * max((one.patience_s for one in gateways.values()), default=0.0)) + LEASE_MS


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
