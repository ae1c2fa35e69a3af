"""All services of a server, made once and in an order in which each is handed what it needs.

There is no circle: what a service has to tell, it publishes on the bus. Sockets and operators are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog

from server.clock import Clock
from server.config import Config
from server.core.ids import IdMaker
from server.core.limits import Limits
from server.core.texts import MoneyWords
from server.gateways.port import Gateway
from server.services.campaigns.assembly import CampaignServices
from server.services.campaigns.leases import LeaseBook
from server.services.campaigns.won_shares import WonShares
from server.services.cards.forget import ForgetService
from server.services.chat.backend_groups import BackendGroupService
from server.services.chat.chats import ChatService
from server.services.chat.grab_stats import GrabStatService
from server.services.chat.groups import GroupService
from server.services.chat.login import LoginService
from server.services.chat.membership import MembershipService
from server.services.chat.messages import MessageService
from server.services.chat.names import NameService
from server.services.chat.passes import PassService
from server.services.chat.people import PeopleService
from server.services.chat.posts import PostReader
from server.services.chat.standing import StandingService
from server.services.enterprise.assembly import EnterpriseServices
from server.services.everyday.assembly import EverydayServices
from server.services.fission.pass_on import PassOnService
from server.services.late_sets import LateSets
from server.services.money.audit_results import AuditResults
from server.services.money.credited import CreditedClaims
from server.services.money.records import RecordService
from server.services.money.statement import StatementService
from server.services.money.wallets import WalletService
from server.services.packets.awaited import AwaitedReplies
from server.services.packets.batch import ClaimsRecorded
from server.services.packets.claim_news import ClaimNews
from server.services.packets.commit.both_stores import BothStores
from server.services.packets.commit.mirror_first import MirrorFirst
from server.services.packets.commit.path import CommitParts
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.live_packets import LivePackets
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.on_behalf import OnBehalfService
from server.services.packets.pages import PageService
from server.services.packets.recovery import Recovery
from server.services.packets.refund import RefundService
from server.services.packets.reload import PacketReload
from server.services.packets.resend import ResendService
from server.services.packets.reveal import RevealService
from server.services.packets.send import SendService
from server.services.packets.sweep import Sweep
from server.services.payments.assembly import PaymentServices
from server.services.reconciliation.assembly import ReconciliationServices
from server.services.risk.assembly import RiskServices
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.database_time import DatabaseTime
from server.services.runtime.figure_duty import FigureDuty
from server.services.runtime.in_doubt import InDoubt
from server.services.runtime.lookups import LookupService
from server.services.runtime.missed_news import MissedNews
from server.services.runtime.read_lane import ReadLane
from server.services.runtime.supervised import Loop
from server.services.runtime.used_nonces import UsedNonces
from server.services.seeds.service import SeedService
from server.services.sets import SetServices, health_of, open_sets
from server.services.webhooks.assembly import WebhookServices
from storage.stores import Stores

REPLIES_AT_ONCE: Final = 2  # of reads in flight: a large one takes milliseconds of the loop, in pieces
LOG = structlog.get_logger()


class Services:
    """The use cases and the loops behind them."""

    def __init__(
        self,
        stores: Stores,
        bus: Bus,
        clock: Clock,
        config: Config,
        limits: Limits,
        keys: Mapping[str, bytes],
        seed_keys: Mapping[str, bytes],
        money: MoneyWords,
        gateways: Mapping[str, Gateway] | None = None,
        *,
        is_worker: bool = False,
    ) -> None:
        """`limits` are those of `config`, as an object of this server's own: a reload changes them in place.

        `money`: the unit of the config, which speaks amounts. `gateways`: instead of those of the config.
        `is_worker`: the process is one of several behind one address.
        """
        self.figure_duty = FigureDuty(clock.elapsed_s, is_shared=is_worker)
        self._stores, self._bus, self._clock = stores, bus, clock
        self._config, self._limits, self._money_words, self._seed_keys = config, limits, money, seed_keys
        self._ids = IdMaker(config.server.node)
        self.sets_health = health_of(stores.sets)
        self.records_health = self.sets_health["postgres"]
        if not stores.sets.several:  # otherwise it may have been another set
            bus.subscribe(lambda *_: self.records_health.wrote(), ClaimsRecorded)
        self.time = DatabaseTime(stores.time, clock)
        self.changes = ChangeFeed(stores.change_feed, server_id := clock.random_number(), clock.elapsed_s)
        self.server_id, self._lease_book = server_id, LeaseBook()
        self.changes.on_node(config.server.node, self._ids.use_node)
        self.seeds = SeedService(stores.seed_trees, seed_keys, clock.random_bytes, clock.now_ms)
        self.late_sets = LateSets(stores.sets, self._ids, self.seeds, clock.now_ms)
        self.nonces = UsedNonces(stores.used_nonces, limits, clock.now_ms)
        self.reads = ReadLane(max(1, config.stores.postgres_pool_max // 2), limits)
        self.read_replies = ReadLane(REPLIES_AT_ONCE, limits)
        self.risk = RiskServices(config, stores, self.changes, limits, clock, money.smallest)
        self._make_chat(keys)
        self._make_claims()
        self._make_packets()
        self._make_money()
        self._make_payments(seed_keys, gateways)
        made = WebhookServices(config, stores, seed_keys, clock, self.figure_duty)
        self.webhook_secrets, self.webhooks, self.nats = made.secrets, made.endpoints, made.nats
        self.webhook_delivery, self._webhook_loops = made.delivery, made.loops
        self._make_campaigns()
        self.grab_stats = GrabStatService(stores.grab_stats, self.opens, self.groups, bus)
        self.audit_results = AuditResults(stores.database)
        self.lookups = LookupService(stores, clock.now_ms, clock.elapsed_s)

    def _make_chat(self, keys: Mapping[str, bytes]) -> None:
        stores, limits, now_ms, bus = self._stores, self._limits, self._clock.now_ms, self._bus
        self.groups = GroupService(stores.groups, self.changes, bus)
        self_service, texts = self._config.chat.self_service, self._config.chat.texts
        membership = stores.memberships, self.groups, limits, self._ids, now_ms, self._clock.random_bytes
        self.membership = MembershipService(*membership, self_service)
        self.backend_groups = BackendGroupService(stores.backend_groups, self.groups, limits, self._ids, now_ms)
        self.chats = ChatService(stores.chats, self.groups, limits, self._ids, now_ms, self_service)
        self.passes = PassService(keys, self.groups, stores.users, self.changes, now_ms)
        self.login = LoginService(
            keys, self._config.auth.v1_tokens_end_ms, limits, now_ms, stores.groups, stores.users
        )
        self.names = NameService(stores.users, limits, self_service=self_service)
        self.people = PeopleService(stores.users, self.names, self.passes, self.changes, now_ms, bus)
        self.standing = StandingService(stores.users, self.changes, limits, bus)
        reader = self._posts = PostReader(stores.outbox, stores.packets, stores.relays)
        self.messages = MessageService(stores.messages, reader, self.groups, self.reads, limits, now_ms, bus, texts)

    def _make_claims(self) -> None:
        """From the decision of a grab or an open to the record of the claim."""
        stores, limits, clock, bus = self._stores, self._limits, self._clock, self._bus
        self.mirror_health = MirrorHealth(stores.mirror, self._config.stores.durability)
        self.live_packets = LivePackets(self.groups)
        stored = stores.packets, stores.mirror, self.mirror_health
        parts = CommitParts(*stored, limits, bus, clock.now_ms, clock.elapsed_s)
        self.commit = (MirrorFirst if self.mirror_health.decides else BothStores)(parts)
        others = stores.admissions, stores.words, self._lease_book.dealt_to
        self.reload = PacketReload(*stored, self.groups, self.seeds, *others)
        self.recovery = Recovery(self.reload, self.live_packets, limits, bus)
        self.sweep = Sweep(stores.mirror, stores.packets, self.mirror_health, self.live_packets, self.recovery, bus)
        deciding = self.live_packets, self.commit, self.recovery, self.mirror_health, ClaimNews(self.groups, bus)
        self.opens = GrabOpenService(*deciding, limits, bus, clock.random_number)

    def _make_packets(self) -> None:
        """What else users do with packets, and what becomes of the rest."""
        stores, limits, clock, bus = self._stores, self._limits, self._clock, self._bus
        now_ms, lives, refunds = clock.now_ms, self.live_packets, self._config.refunds
        words = self._money_words
        sends = stores.sends, lives, self.groups, self.chats, limits, self._ids, now_ms, self.seeds, bus
        self.sends = SendService(*sends, words.smallest, stores.sets, self.risk.gate)
        self.resends = ResendService(stores.resends, stores.packets, lives, self.groups, limits, now_ms, bus)
        stored, pace = (stores.packets, stores.mirror, self.mirror_health), (refunds.batch_max, refunds.interval_s)
        self.refunds = RefundService(*stored, lives, self.seeds, *pace, now_ms, self._is_time_known, bus)
        self.reveals = RevealService(stores.packets, self.groups, self.seeds, now_ms)
        replies = AwaitedReplies(lives, self.opens, bus)
        self.on_behalf = OnBehalfService(self.opens, replies, now_ms)
        chat = replies, self.groups, limits, clock, bus
        self_service, known = self._config.chat.self_service, (self._seed_keys, self._is_time_known, self.risk.gate)
        self.everyday = EverydayServices(stores, lives, self.opens, *chat, *known, self_service=self_service)
        claims = CreditedClaims(stores.settlement), WonShares(stores.packets, stores.leases)
        seen = self.opens, replies, self.names, self.groups, *claims, self.everyday.turns
        self.pages = PageService(*seen, now_ms, words, limits)
        doubt = self.recovery.doubt if stores.sets.several else None
        looks = lives, self.on_behalf, self.login, self.changes
        self.pass_on = PassOnService(stores.admissions, *looks, limits, now_ms, doubt)

    def _make_money(self) -> None:
        stores, now_ms, bus, money = self._stores, self._clock.now_ms, self._bus, self._money_words
        self.wallets = WalletService(stores.wallets, self._limits, now_ms, bus, money.smallest, self.risk.gate)
        self.records = RecordService(stores.records, self.names, now_ms)
        self.statements = StatementService(stores.statements, self.names)
        self.of_sets = SetServices(stores, self._posts, self.groups, self._config, now_ms, bus, self.commit)
        self.settlement, self.outbox = self.of_sets.settlements[0], self.of_sets.outboxes[0]
        self.missed_news = MissedNews(stores.messages, stores.wallets, self._posts, self.groups, stores.sets)

    def _make_payments(self, seed_keys: Mapping[str, bytes], gateways: Mapping[str, Gateway] | None) -> None:
        smallest, duty = self._money_words.smallest, self.figure_duty
        parts = self._config, self._stores, self.sends, self.seeds, self._limits, self._ids, self._clock, self._bus
        others = seed_keys, smallest, gateways, duty, self.nonces
        self.payments = PaymentServices(*parts, self._is_current, *others)
        self.cards, self.orders = self.payments.cards, self.payments.orders
        self.forgetting = ForgetService(self.people, self.cards.service)
        made = self._config, self._stores, self.payments, self._clock, self._bus
        sending = self._stores.bills, self.payments.sender.send, self.changes
        self.enterprise = EnterpriseServices(*sending, self._config, self._limits, self._clock, seed_keys)
        self.reconciliation = ReconciliationServices(*made, smallest, duty)

    def _make_campaigns(self) -> None:
        parts = self._config.campaigns, self._stores, self._clock, self._limits, self._ids, self._bus
        names = ("changes", "groups", "people", "seeds", "recovery", "commit")
        others: dict[str, Any] = {name: getattr(self, name) for name in names}
        self.campaigns = CampaignServices(
            *parts,
            book=self._lease_book,
            server_id=self.server_id,
            reported=self.enterprise.reported,
            health=self.mirror_health,
            packets=self.live_packets,
            is_confirmed=lambda: self.time.is_confirmed,
            **others,
        )

    def _is_current(self) -> bool:
        return self.changes.is_current

    def _is_time_known(self) -> bool:
        return self.time.is_confirmed

    @property
    def unanswered(self) -> bool:
        """Claims are in flight, or a request waits for a packet."""
        waits = self.commit.unrecorded or self.campaigns.waiting
        return bool(waits) or self.live_packets.unanswered

    async def open_stores(self) -> None:
        """Connect, bring the tables up to date, look for the mirror. Raises StoreUnavailable, StoreRefused."""
        await open_sets(self._stores.sets, self.sets_health, self.time, self._ids, self._clock.now_ms)
        await self.seeds.open()
        if sealed := await self.webhook_secrets.seal_all():
            LOG.info("webhook_secrets_sealed", count=sealed)
        await self.cards.service.seal_all()
        await self.risk.open()
        await self.mirror_health.find_at_start()
        await self.changes.connect()

    @property
    def batchers(self) -> dict[str, Batcher[Any, Any]]:
        """The queues of work that is done in batches, by name."""
        return {
            "logins": self.login.batcher,
            "nonces": self.nonces.batcher,
            "wallets": self.wallets.batcher,
            "sends": self.sends.batcher,
            "names": self.names.batcher,
            "standing": self.standing.batcher,
            "admissions": self.pass_on.batcher,
            "reported": self.enterprise.reported.batcher,
            **self.everyday.batchers,
            **self.messages.batchers,
            **self.campaigns.batchers,
        }

    def loops(self) -> dict[str, Loop]:
        """The loops that must run while the server serves, by name; none of them ever ends by itself."""
        names = "sends", "wallets", "orders", "refunds", "resends"
        in_doubt: dict[str, InDoubt[Any, Any]] = {one: getattr(self, one).in_doubt for one in names}
        in_doubt |= self.of_sets.in_doubt() | {"scheduled": self.everyday.scheduled.in_doubt}
        for one in in_doubt.values():
            one.commits_wait = self._stores.sets.commits_wait
        return {
            **self.payments.loops(),
            "reconciliation": self.reconciliation.statements.run,
            "time": self.time.run,
            "change_feed": self.changes.run,
            **{name.replace("postgres", "records_health"): one.run for name, one in self.sets_health.items()},
            **({"late_sets": self.late_sets.run} if self._stores.sets.several else {}),
            "mirror_health": self.mirror_health.run,
            **self.commit.loops(),
            "recovery": self.recovery.run,
            **self.of_sets.settling(),
            "refunds": self.refunds.run,
            **self.of_sets.posting(),
            "sweep": self.sweep.run,
            "scheduled": self.everyday.scheduled.run,
            "grab_stats": self.grab_stats.run,
            "campaigns": self.campaigns.loop.run,
            "passes": self.passes.run,
            **self.risk.loops(),
            **self._webhook_loops(),
            **{f"in_doubt_{name}": one.run for name, one in in_doubt.items()},
            **{f"batches_{name}": batcher.run for name, batcher in self.batchers.items()},
        }
