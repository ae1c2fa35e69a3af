"""Scheduled packets (定时红包): posted when their time has come, once whichever servers run; cancelled before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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
from server.services.runtime.in_doubt import InDoubt
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable, Unanswered
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
        self.in_doubt: InDoubt[PostedPacket, PostedPacket] = InDoubt(self._find_posted, self._publish)

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
        try:
            due = await self._store.post(self._now_ms(), BATCH_MAX, streams, self._gate.held_senders)
        except Unanswered as unanswered:
            self.in_doubt.add(unanswered.asked)
            raise
        self.in_doubt.add(due.in_doubt)
        for one in due.posted:
            await self._keep(one)
            self._publish(one)
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

    async def _find_posted(self, posted: Sequence[PostedPacket]) -> list[PostedPacket | None]:
        """Those whose post has committed although its reply was lost, with their groups in memory."""
        found = await self._store.find_posted(posted)
        for one in found:
            if one is not None:
                await self._keep(one)
        return found

    async def _keep(self, one: PostedPacket) -> None:
        terms = terms_of(one.row)
        await self._groups.keep(groups_of(terms))
        await self._groups.keep([terms.chat_id] if terms.chat_id else [])

    def _publish(self, one: PostedPacket) -> None:
        """To all who see it where it was posted."""
        terms = terms_of(one.row)
        self._packets.announced(terms)
        for stream_id, message in one.messages.items():
            if not message:  # another set numbers it and has it pushed (see set_posts)
                continue
            post = PacketPost(stream_id, message, terms, one.at_ms)
            self._bus.publish(post, self._groups.viewers(stream_id))

    def _publish_refund(self, row: RefundRow) -> None:
        self._bus.publish(Refunded(row.packet_id, row.sender_id, row.refunded_fen), (row.sender_id,))
        event = BalanceChange(row.sender_id, WalletBalance(*row.balance), row.refunded_fen, "refund")
        self._bus.publish(event, (row.sender_id,))
