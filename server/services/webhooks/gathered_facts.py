"""The records that events tell of, read for some events at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from server.core.webhooks.events import OF_CAMPAIGNS, OF_PACKETS, OF_RISK, EventType
from storage.postgres.packets.packets import ClaimRow
from storage.postgres.webhooks.deliveries import EventRow
from storage.postgres.webhooks.facts import (
    AdmissionRecord,
    BillFailureRecord,
    CampaignRecord,
    EntryRecord,
    FactStore,
    LeaseRecord,
    PacketRecord,
    PaymentRecord,
    RiskRecord,
)

# The number of an event of the first claim alone: a packet's send is number 1 (migration 0014), a lease has none.
FIRST_CLAIMED: Final[dict[str, int]] = {EventType.PACKET_CLAIMED: 2, EventType.CAMPAIGN_WON: 1}


class Facts(NamedTuple):
    """The records that some events tell of."""

    packets: dict[int, PacketRecord]
    claims: dict[int, list[ClaimRow]]
    entries: dict[tuple[int, int], EntryRecord]
    payments: dict[int, PaymentRecord]
    admissions: dict[int, AdmissionRecord]
    leases: dict[int, LeaseRecord]
    campaigns: dict[int, CampaignRecord]
    bill_failures: dict[int, BillFailureRecord]
    risk: dict[int, RiskRecord]


async def gathered(store: FactStore, events: Sequence[EventRow]) -> Facts:
    """What these events tell of. Raises StoreUnavailable."""
    packets = {one.subject for one in events if one.type in OF_PACKETS}
    claimed = [(one.subject, *claims_of(one)) for one in events if one.type in FIRST_CLAIMED]
    changed = {(one.subject, one.number) for one in events if one.type == EventType.WALLET_CHANGED}
    ended = {one.subject for one in events if one.type == EventType.PAYMENT_ENDED}
    shown = {one.subject for one in events if one.type == EventType.LINK_SHOWN}
    won = {one.subject for one in events if one.type == EventType.CAMPAIGN_WON}
    leases = await store.leases(won) if won else {}
    campaigns = {one.subject for one in events if one.type in OF_CAMPAIGNS}
    campaigns |= {lease.campaign_id for lease in leases.values()}
    judged = {one.subject for one in events if one.type in OF_RISK}
    failed = {one.subject for one in events if one.type == EventType.BILL_FAILED}
    return Facts(
        await store.packets(packets) if packets else {},
        await store.claims(claimed) if claimed else {},
        await store.entries(changed) if changed else {},
        await store.payments(ended) if ended else {},
        await store.admissions(shown) if shown else {},
        leases,
        await store.campaigns(campaigns) if campaigns else {},
        await store.bill_failures(failed) if failed else {},
        await store.risk_decisions(judged) if judged else {},
    )


def claims_of(event: EventRow) -> tuple[int, int]:
    """The indexes of the claims that it tells of: from the first one to before the second."""
    first = FIRST_CLAIMED[event.type]
    return event.previous - first + 1, event.number - first + 1


def told_claims(event: EventRow, facts: Facts) -> list[ClaimRow]:
    """The claims that an event tells of, in their order."""
    first, end = claims_of(event)
    return [one for one in facts.claims.get(event.subject, ()) if first <= one.index < end]


def share(claim: ClaimRow) -> dict[str, Any]:
    """A claim without its index, as bodies tell it."""
    return {"user_id": str(claim.user_id), "amount_fen": claim.amount_fen, "at_ms": claim.at_ms}
