"""The stores of a server with several sets: those of set 0, and above all sets those that ask the right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.postgres.chat.messages import MessageStore
from storage.postgres.chat.outbox import OutboxStore
from storage.postgres.money.records import RecordStore
from storage.postgres.money.statement import StatementStore
from storage.postgres.money.wallets import WalletStore
from storage.postgres.packets.packets import PacketStore
from storage.postgres.packets.seed_trees import SeedTreeStore
from storage.postgres.sets.between.corrections import SetCorrectionStore
from storage.postgres.sets.between.orders import SetOrderStore
from storage.postgres.sets.campaigns import SetBillStore, SetCampaignStore, SetLeaseStore
from storage.postgres.sets.chat import SetGroupStore, SetMessageStore, SetRelayStore, SetUserStore
from storage.postgres.sets.everyday import SetAdmissionStore, SetScheduledStore, SetWordsStore
from storage.postgres.sets.outbox import SetOutboxStore
from storage.postgres.sets.packets import SetPacketStore
from storage.postgres.sets.payments import SetCardPaymentStore, SetCardStore, SetPaymentStore
from storage.postgres.sets.reconciliation import SetBreakStore, SetMatchingStore
from storage.postgres.sets.records import SetRecordStore
from storage.postgres.sets.risk import SetRiskStore
from storage.postgres.sets.seed_trees import SetSeedTreeStore
from storage.postgres.sets.sends import SetResendStore, SetSendStore
from storage.postgres.sets.settlement import QueueOfSet, SetSettlementQueue
from storage.postgres.sets.wallets import SetStatementStore, SetWalletStore
from storage.postgres.sets.webhooks import SetEndpointStore

if TYPE_CHECKING:
    from storage.postgres.sets.places import Sets


def stores_of(sets: Sets, with_best_luck: Sequence[str]) -> dict[str, Any]:
    """Those stores of `storage.Stores` that differ from the ones on set 0 alone, by their names."""
    databases = sets.databases
    packets = SetPacketStore(sets, [PacketStore(one) for one in databases])
    wallets = SetWalletStore(sets, [WalletStore(one) for one in databases])
    queues = [QueueOfSet(sets, number, with_best_luck) for number in range(len(databases))]
    return {
        "packets": packets,
        "sends": SetSendStore(sets),
        "resends": SetResendStore(sets),
        "admissions": SetAdmissionStore(sets),
        "words": SetWordsStore(sets),
        "scheduled": SetScheduledStore(sets),
        "seed_trees": SetSeedTreeStore(sets, [SeedTreeStore(one) for one in databases]),
        "wallets": wallets,
        "settlement": SetSettlementQueue(sets, queues),
        "records": SetRecordStore(sets, [RecordStore(one) for one in databases], packets),
        "statements": SetStatementStore(sets, [StatementStore(one) for one in databases], packets),
        "groups": SetGroupStore(sets, wallets),
        "messages": SetMessageStore(sets, [MessageStore(one) for one in databases]),
        "users": SetUserStore(sets),
        "outbox": SetOutboxStore(sets, [OutboxStore(one) for one in databases]),
        "relays": SetRelayStore(sets),
        "wallet_orders": SetOrderStore(sets),
        "payments": SetPaymentStore(sets),
        "card_payments": SetCardPaymentStore(sets),
        "cards": SetCardStore(sets),
        "matching": SetMatchingStore(sets),
        "breaks": SetBreakStore(sets),
        "corrections": SetCorrectionStore(sets),
        "risk": SetRiskStore(sets),
        "webhook_endpoints": SetEndpointStore(sets),
        "campaigns": SetCampaignStore(sets),
        "leases": SetLeaseStore(sets),
        "bills": SetBillStore(sets),
    }
