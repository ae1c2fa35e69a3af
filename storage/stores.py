"""Every store of a server, named in one place. The services are handed this object and open nothing themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from storage.postgres.campaigns.campaigns import CampaignStore
from storage.postgres.campaigns.leases import LeaseStore
from storage.postgres.cards.bind_attempts import BindAttemptStore
from storage.postgres.cards.card_payments import CardPaymentStore
from storage.postgres.cards.cards import CardStore
from storage.postgres.cards.challenges import ChallengeStore
from storage.postgres.cards.payers import PayerStore
from storage.postgres.change_feed import ChangeFeedStore
from storage.postgres.chat.backend_groups import BackendGroupStore
from storage.postgres.chat.chats import ChatStore
from storage.postgres.chat.grab_stats import GrabStatStore
from storage.postgres.chat.groups import GroupStore
from storage.postgres.chat.memberships import MembershipStore
from storage.postgres.chat.messages import MessageStore
from storage.postgres.chat.outbox import OutboxStore
from storage.postgres.chat.relays import RelayStore
from storage.postgres.chat.users import UserStore
from storage.postgres.database import Database
from storage.postgres.database_time import DatabaseTimeStore
from storage.postgres.enterprise.bills import BillStore
from storage.postgres.money.payments import PaymentStore
from storage.postgres.money.records import RecordStore
from storage.postgres.money.settlement import SettlementQueue
from storage.postgres.money.statement import StatementStore
from storage.postgres.money.wallet_orders import WalletOrderStore
from storage.postgres.money.wallets import WalletStore
from storage.postgres.office.finding import FindingStore
from storage.postgres.office.office import OfficeStore
from storage.postgres.packets.admissions import AdmissionStore
from storage.postgres.packets.packets import PacketStore
from storage.postgres.packets.resends import ResendStore
from storage.postgres.packets.scheduled import ScheduledStore
from storage.postgres.packets.seed_trees import SeedTreeStore
from storage.postgres.packets.sends import SendStore
from storage.postgres.packets.words import WordsStore
from storage.postgres.reconciliation.breaks import BreakStore
from storage.postgres.reconciliation.corrections import CorrectionStore
from storage.postgres.reconciliation.matching import MatchingStore
from storage.postgres.reconciliation.statements import BankStatementStore
from storage.postgres.risk.risk import RiskStore
from storage.postgres.sets.places import Sets
from storage.postgres.sets.stores import stores_of
from storage.postgres.used_nonces import UsedNonceStore
from storage.postgres.webhooks.deliveries import DeliveryStore
from storage.postgres.webhooks.endpoints import EndpointStore
from storage.postgres.webhooks.facts import FactStore
from storage.redis.mirror import Mirror


class Stores(NamedTuple):
    """The records in PostgreSQL, one store per subject, and the mirror in Redis. `database`: set 0 of `sets`."""

    sets: Sets
    database: Database
    mirror: Mirror
    packets: PacketStore
    sends: SendStore
    resends: ResendStore
    admissions: AdmissionStore
    bills: BillStore
    words: WordsStore
    scheduled: ScheduledStore
    seed_trees: SeedTreeStore
    wallets: WalletStore
    settlement: SettlementQueue
    records: RecordStore
    payments: PaymentStore
    wallet_orders: WalletOrderStore
    cards: CardStore
    bind_attempts: BindAttemptStore
    challenges: ChallengeStore
    payers: PayerStore
    card_payments: CardPaymentStore
    bank_statements: BankStatementStore
    matching: MatchingStore
    breaks: BreakStore
    corrections: CorrectionStore
    statements: StatementStore
    groups: GroupStore
    memberships: MembershipStore
    backend_groups: BackendGroupStore
    chats: ChatStore
    messages: MessageStore
    users: UserStore
    outbox: OutboxStore
    relays: RelayStore
    grab_stats: GrabStatStore
    change_feed: ChangeFeedStore
    time: DatabaseTimeStore
    used_nonces: UsedNonceStore
    webhook_endpoints: EndpointStore
    webhook_deliveries: DeliveryStore
    webhook_facts: FactStore
    campaigns: CampaignStore
    leases: LeaseStore
    risk: RiskStore
    office: OfficeStore
    finding: FindingStore

    @classmethod
    def at(
        cls, postgres_dsn: str, mirror: Mirror, pool_max: int, timeout_s: float, with_best_luck: Sequence[str]
    ) -> Self:
        """The records at this address, with this mirror. `timeout_s` bounds every attempt and statement.
        `with_best_luck`: the kinds of packet that have a best luck.
        """
        return cls._on(Sets([Database(postgres_dsn, pool_max, timeout_s)]), mirror, with_best_luck)

    @classmethod
    def over(cls, sets: Sets, mirror: Mirror, with_best_luck: Sequence[str]) -> Self:
        """The records in these sets."""
        stores = cls._on(sets, mirror, with_best_luck)
        return stores._replace(**stores_of(sets, with_best_luck)) if sets.several else stores

    @classmethod
    def _on(cls, sets: Sets, mirror: Mirror, with_best_luck: Sequence[str]) -> Self:
        """The records in set 0."""
        return cls(
            sets=sets,
            database=(database := sets.home),
            mirror=mirror,
            packets=(packets := PacketStore(database)),
            sends=SendStore(database),
            resends=ResendStore(database),
            admissions=AdmissionStore(database),
            bills=BillStore(database),
            words=WordsStore(database),
            scheduled=ScheduledStore(database, packets),
            seed_trees=SeedTreeStore(database),
            wallets=WalletStore(database),
            settlement=SettlementQueue(database, with_best_luck),
            records=RecordStore(database),
            payments=PaymentStore(database),
            wallet_orders=WalletOrderStore(database),
            cards=CardStore(database),
            bind_attempts=BindAttemptStore(database),
            challenges=ChallengeStore(database),
            payers=PayerStore(database),
            card_payments=CardPaymentStore(database),
            bank_statements=BankStatementStore(database),
            matching=MatchingStore(database),
            breaks=BreakStore(database),
            corrections=CorrectionStore(database),
            statements=StatementStore(database),
            groups=GroupStore(database),
            memberships=MembershipStore(database),
            backend_groups=BackendGroupStore(database),
            chats=ChatStore(database),
            messages=MessageStore(database),
            users=UserStore(database),
            outbox=OutboxStore(database),
            relays=RelayStore(database),
            grab_stats=GrabStatStore(database),
            change_feed=ChangeFeedStore(database),
            time=DatabaseTimeStore(database),
            used_nonces=UsedNonceStore(database),
            webhook_endpoints=EndpointStore(database),
            webhook_deliveries=DeliveryStore(database, webhooks := database.writer(plan_each_time=True)),
            webhook_facts=FactStore(webhooks),
            campaigns=CampaignStore(database),
            leases=LeaseStore(database),
            risk=RiskStore(database),
            office=OfficeStore(database),
            finding=FindingStore(sets),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.mirror.close()
        for database in self.sets.databases:
            await database.close()
