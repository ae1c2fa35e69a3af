"""Bodies of events of sponsors: of campaigns, and of bills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from server.core.enterprise.bills import KEY, BillStatus
from server.core.ids import is_user
from server.core.webhooks.events import EventType
from server.services.webhooks.gathered_facts import Facts, share, told_claims
from storage.postgres.webhooks.deliveries import EventRow
from storage.postgres.webhooks.facts import BillFailureRecord, CampaignRecord, PacketRecord


def _campaign_changed(event: EventRow, facts: Facts) -> dict[str, Any]:
    campaign = facts.campaigns[event.subject]
    return {
        **_campaign(campaign),
        "shares": campaign.shares,
        "budget_fen": campaign.budget_fen,
        "starts_at_ms": campaign.starts_at_ms,
        "ends_at_ms": campaign.ends_at_ms,
    }


def _campaign_ended(event: EventRow, facts: Facts) -> dict[str, Any]:
    campaign = facts.campaigns[event.subject]
    return {
        **_campaign_changed(event, facts),
        "won_shares": campaign.won_shares,
        "spent_fen": campaign.budget_fen - campaign.returned_fen,
        "returned_fen": campaign.returned_fen,
        "ended_at_ms": campaign.closed_at_ms,
    }


def _campaign_won(event: EventRow, facts: Facts) -> dict[str, Any]:
    lease = facts.leases[event.subject]
    return {
        **_campaign(facts.campaigns[lease.campaign_id]),
        "packet_id": str(lease.packet_id),
        "wins": [{"share": lease.first_number + one.index, **share(one)} for one in told_claims(event, facts)],
    }


def _campaign(campaign: CampaignRecord) -> dict[str, Any]:
    group = {} if campaign.external_id is None else {"group": campaign.external_id}
    named = {"campaign_id": str(campaign.campaign_id), "name": campaign.name}
    return {**named, "sponsor_id": str(campaign.sponsor_id), **group}


def _bill_sent(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    return {**_bill(packet, BillStatus.SENT), "sent_at_ms": packet.created_at_ms}


def _bill_failed(event: EventRow, facts: Facts) -> dict[str, Any]:
    failure = facts.bill_failures[event.subject]
    return {
        "sponsor_id": str(failure.sponsor_id),
        "bill_number": failure.bill,
        "status": BillStatus.FAILED,
        **_content(failure, failure.amount_fen),
        "reason": failure.reason,
    }


def _bill_received(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    return {**_bill(packet, BillStatus.RECEIVED), "received_at_ms": packet.closed_at_ms}


def _bill_refunded(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    return {
        **_bill(packet, BillStatus.REFUNDED),
        "opened_shares": packet.version,
        "opened_fen": packet.claimed_fen,
        "refunded_fen": packet.refunded_fen,
        "refunded_at_ms": packet.closed_at_ms,
    }


def _bill(packet: PacketRecord, status: BillStatus) -> dict[str, Any]:
    return {
        "sponsor_id": str(packet.sender_id),
        "bill_number": packet.key.removeprefix(KEY),
        "status": status,
        "packet_id": str(packet.packet_id),
        **_content(packet, packet.total_fen),
    }


def _content(one: PacketRecord | BillFailureRecord, amount_fen: int) -> dict[str, Any]:
    """For whom, and how much."""
    target = {"user_id" if is_user(one.target_id) else "group_id": str(one.target_id)}
    group = {} if one.external_id is None else {"group": one.external_id}
    return {**target, **group, "packet_kind": one.kind, "amount_fen": amount_fen, "shares": one.shares}


SPONSOR_RENDERERS: Final[dict[str, Callable[[EventRow, Facts], dict[str, Any]]]] = {
    EventType.CAMPAIGN_STARTED: _campaign_changed,
    EventType.CAMPAIGN_PAUSED: _campaign_changed,
    EventType.CAMPAIGN_RESUMED: _campaign_changed,
    EventType.CAMPAIGN_WON: _campaign_won,
    EventType.CAMPAIGN_ENDED: _campaign_ended,
    EventType.BILL_SENT: _bill_sent,
    EventType.BILL_FAILED: _bill_failed,
    EventType.BILL_RECEIVED: _bill_received,
    EventType.BILL_REFUNDED: _bill_refunded,
}
