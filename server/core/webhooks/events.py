"""The types of event, the names of endpoints, and the ids of deliveries."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from uuid import UUID

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class EventType(StrEnum):
    """The values stand in the records (the migrations that make events) and in bodies."""

    PACKET_SENT = "packet.sent"
    PACKET_CLAIMED = "packet.claimed"
    PACKET_FINISHED = "packet.finished"
    PACKET_REFUNDED = "packet.refunded"
    LINK_SHOWN = "link.shown"
    WALLET_CHANGED = "wallet.changed"
    PAYMENT_ENDED = "payment.ended"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_WON = "campaign.won"
    CAMPAIGN_ENDED = "campaign.ended"
    BILL_SENT = "bill.sent"
    BILL_FAILED = "bill.failed"
    BILL_RECEIVED = "bill.received"
    BILL_REFUNDED = "bill.refunded"
    RISK_CHALLENGE = "risk.challenge"
    RISK_REVIEW = "risk.review"
    USER_BANNED = "user.banned"
    USER_UNBANNED = "user.unbanned"


OF_PACKETS: Final = (  # their subject is a packet
    EventType.PACKET_SENT,
    EventType.PACKET_CLAIMED,
    EventType.PACKET_FINISHED,
    EventType.PACKET_REFUNDED,
    EventType.BILL_SENT,
    EventType.BILL_RECEIVED,
    EventType.BILL_REFUNDED,
)
OF_CAMPAIGNS: Final = (  # their subject is a campaign; that of CAMPAIGN_WON is a lease
    EventType.CAMPAIGN_STARTED,
    EventType.CAMPAIGN_PAUSED,
    EventType.CAMPAIGN_RESUMED,
    EventType.CAMPAIGN_ENDED,
)
OF_RISK: Final = (EventType.RISK_CHALLENGE, EventType.RISK_REVIEW)  # their subject is a decision of risk control
TEST: Final = "webhook.test"  # sent on request, to one endpoint


def shown_id(webhook_id: UUID) -> str:
    """The header `webhook-id`."""
    return f"msg_{webhook_id.hex}"
