"""Recorded messages as what they tell: texts, packets, and reminders with the claims that they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from server.core.everyday.relay import next_fen
from server.services.packets.stored_state import claim_of, terms_of
from server.services.runtime.events import (
    ClaimsPost,
    FinishPost,
    PacketPost,
    Posted,
    RefundPost,
    RelayPost,
    Reminder,
    TextPost,
)
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import OutboxStore, ReminderKind
from storage.postgres.chat.relays import RelayStore, TurnRow
from storage.postgres.packets.packets import ClaimRow, PacketRow, PacketStore

CLAIMS_AT_ONCE: Final = 2_000  # a claim takes 20 bytes, and 3 µs to read and to encode


def first_of(rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
    """The first of these posts that name CLAIMS_AT_ONCE claims at most, or the first one."""
    claims = 0
    for place, row in enumerate(rows):
        claims += (row.end_index or 0) - (row.first_index or 0)
        if claims > CLAIMS_AT_ONCE and place:
            return rows[:place]
    return rows


class PostReader:
    """Puts to each message what it only names. Raises StoreUnavailable."""

    def __init__(self, outbox: OutboxStore, packets: PacketStore, relays: RelayStore) -> None:
        self._outbox = outbox
        self._relays = relays
        self._packets = packets

    async def read(self, rows: Sequence[MessageRow]) -> list[Posted]:
        """The posts, in their order."""
        packet_ids = {row.packet_id for row in rows if row.packet_id is not None}
        packets = await self._packets.rows(list(packet_ids)) if packet_ids else {}
        reminders = iter(await self._reminders([row for row in rows if row.reminder is not None], packets))
        return [_posted(row, packets) if row.reminder is None else next(reminders) for row in rows]

    async def reminders(self, rows: Sequence[MessageRow]) -> list[Reminder]:
        """The same of rows that are all reminders."""
        packets = await self._packets.rows(list({row.packet_id for row in rows if row.packet_id is not None}))
        return await self._reminders(rows, packets)

    async def _reminders(self, rows: Sequence[MessageRow], packets: dict[int, PacketRow]) -> list[Reminder]:
        ranges = [
            (row.packet_id, row.first_index, row.end_index)
            for row in rows
            if row.packet_id is not None and row.first_index is not None and row.end_index is not None
        ]
        claims = await self._outbox.claims(ranges) if ranges else {}
        ended = [row.packet_id for row in rows if row.packet_id and row.reminder == ReminderKind.FINISH]
        best_lucks = await self._outbox.best_lucks(ended) if ended else {}
        relayed = [row.packet_id for row in rows if row.packet_id and row.reminder == ReminderKind.RELAY]
        turns = await self._relays.turns(relayed) if relayed else {}
        return [
            _relay(row, packets[row.packet_id], turns[row.packet_id])
            if row.reminder == ReminderKind.RELAY
            else _reminder(
                row, packets[row.packet_id], claims.get(row.packet_id, ()), best_lucks.get(row.packet_id)
            )
            for row in rows
            if row.packet_id is not None
        ]


def _posted(row: MessageRow, packets: dict[int, PacketRow]) -> Posted:
    if row.packet_id is None:
        return TextPost(row.stream_id, row.message, row.sender_id, row.at_ms, row.text or "")
    return PacketPost(row.stream_id, row.message, terms_of(packets[row.packet_id]), row.at_ms)


def _reminder(row: MessageRow, packet: PacketRow, claims: Sequence[ClaimRow], best: ClaimRow | None) -> Reminder:
    place = row.stream_id, row.message, row.at_ms, terms_of(packet)
    if row.reminder == ReminderKind.CLAIMS:
        told = range(row.first_index or 0, row.end_index or 0)
        return ClaimsPost(*place, [claim_of(one) for one in claims if one.index in told])
    if row.reminder == ReminderKind.FINISH:
        took_ms = (packet.closed_at_ms or packet.created_at_ms) - packet.created_at_ms
        return FinishPost(*place, took_ms, None if best is None else claim_of(best))
    return RefundPost(*place, packet.refunded_fen)


def _relay(row: MessageRow, packet: PacketRow, turn: TurnRow) -> RelayPost:
    terms = terms_of(packet)
    next_one = turn.user_id, turn.times, next_fen(terms, turn.best_fen, turn.times)
    return RelayPost(row.stream_id, row.message, row.at_ms, terms, *next_one)
