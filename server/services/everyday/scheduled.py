"""Scheduled packets (定时红包): posted when their time has come, once whichever servers run; cancelled before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from server.core.ledger import WalletBalance
from server.core.packet_request import Terms
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from server.services.packets.audience import groups_of
from server.services.packets.live_packets import LivePackets
from server.services.packets.send import streams
from server.services.packets.stored_state import terms_of
from server.services.risk.gate import MoneyGate
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange, PacketPost, Refunded
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.packets.scheduled import PostedPacket, ScheduledStore

BATCH_MAX: Final = 100
INTERVAL_S: Final = 0.5  # so late a packet is posted at most


class ScheduledService:
    """Use cases list and cancel, and the loop that posts. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: ScheduledStore,
        packets: LivePackets,
        groups: GroupService,
        now_ms: Callable[[], int],
        is_confirmed: Callable[[], bool],
        bus: Bus,
        gate: MoneyGate,
    ) -> None:
        """Nothing is posted while `now_ms` is not confirmed: a post cannot be taken back.

        `gate`: what a sender who is held by risk control has scheduled before goes back.
        """
        self._gate = gate
        self._store = store
        self._packets = packets
        self._groups = groups
        self._now_ms = now_ms
        self._is_confirmed = is_confirmed
        self._bus = bus
        self._outage_log = OutageLog("scheduled_waits")

    async def run(self) -> None:
        """Post. Never ends; to be supervised. What is due stands in the record, so a restart forgets nothing."""
        while True:
            try:
                while self._is_confirmed() and await self.post_once() >= BATCH_MAX:
                    pass
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
            await asyncio.sleep(INTERVAL_S)

    async def post_once(self) -> int:
        """Post what is due, at most BATCH_MAX packets of a set; how many were. Raises StoreUnavailable."""
        now_ms = self._now_ms()
        due = await self._store.post(now_ms, BATCH_MAX, streams, self._gate.held_senders)
        for one in due.posted:
            await self._publish(one, now_ms)
        for refund in due.refunds:
            self._publish_refund(refund)
        return due.taken

    async def waiting(self, user_id: int) -> list[Terms]:
        """The packets of a user that wait for their time, the next one first."""
        return [terms_of(row) for row in await self._store.waiting(user_id)]

    async def cancel(self, user_id: int, packet_id: int) -> int:
        """Cancel my packet before its time; what came back, also if it was cancelled before.

        Raises RequestRefused: NOT_ALLOWED, ALREADY_POSTED.
        """
        cancelled = await self._store.cancel(packet_id, user_id, self._now_ms())
        if cancelled is None:
            is_mine = await self._store.is_senders(packet_id, user_id)
            raise RequestRefused(Reason.ALREADY_POSTED if is_mine else Reason.NOT_ALLOWED)
        if cancelled.refund is not None:
            self._publish_refund(cancelled.refund)
        return cancelled.refunded_fen

    async def _publish(self, one: PostedPacket, now_ms: int) -> None:
        terms = terms_of(one.row)
        await self._groups.keep(groups_of(terms))
        await self._groups.keep([terms.chat_id] if terms.chat_id else [])
        self._packets.announced(terms)
        for stream_id, message in one.messages.items():
            if not message:  # another set numbers it and has it pushed (see set_posts)
                continue
            post = PacketPost(stream_id, message, terms, now_ms)
            self._bus.publish(post, self._groups.viewers(stream_id))

    def _publish_refund(self, row: RefundRow) -> None:
        self._bus.publish(Refunded(row.packet_id, row.sender_id, row.refunded_fen), (row.sender_id,))
        event = BalanceChange(row.sender_id, WalletBalance(*row.balance), row.refunded_fen, "refund")
        self._bus.publish(event, (row.sender_id,))
