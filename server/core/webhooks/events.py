"""The types of event, the names of endpoints, and the ids of deliveries."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from uuid import UUID

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class EventType(StrEnum):
    """The values stand in the records (migrations 0014, 0018 and the one of admissions) and in bodies."""

    PACKET_SENT = "packet.sent"
    PACKET_CLAIMED = "packet.claimed"
    PACKET_FINISHED = "packet.finished"
    PACKET_REFUNDED = "packet.refunded"
    LINK_SHOWN = "link.shown"
    WALLET_CHANGED = "wallet.changed"
    PAYMENT_ENDED = "payment.ended"
    USER_BANNED = "user.banned"
    USER_UNBANNED = "user.unbanned"


TEST: Final = "webhook.test"  # sent on request, to one endpoint


def shown_id(webhook_id: UUID) -> str:
    """The header `webhook-id`."""
    return f"msg_{webhook_id.hex}"
