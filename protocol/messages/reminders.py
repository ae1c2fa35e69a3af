"""Reminders: posts about money, for users who were away. See Login.features."""

from __future__ import annotations

from protocol.messages.base import Message
from protocol.messages.packets import ClaimLine

__all__ = ["ClaimsReminder", "FinishReminder", "RefundReminder"]


class ClaimsReminder(Message, tag=68):
    """In the sender's inbox: claims on your packet, also those that ClaimNotice has told. See Login.features."""

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    shares: int
    claims: list[ClaimLine]


class FinishReminder(Message, tag=69):
    """In a group, and in the sender's inbox: all shares are opened, as PacketFinished has told."""

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    shares: int
    took_ms: int
    best_user_id: int
    best_amount_fen: int


class RefundReminder(Message, tag=70):
    """In the sender's inbox: the packet expired and this came back, as PacketRefunded has told."""

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    refunded_fen: int
