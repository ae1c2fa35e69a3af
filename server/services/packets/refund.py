"""Refunds: the unopened rest goes back to the sender after expiry, once.

The packet is closed in memory and in the mirror, what the mirror alone holds is recorded (PacketClosing; leases of
campaigns are closed in the same way), then one transaction closes the record and pays back what its own claims
leave. Which packets are due, and how much goes back, is decided in storage/postgres/packets/refunds.sql (`due`,
`refund`), so a restart forgets nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from server.core.ledger import WalletBalance
from server.core.packet_request import Terms
from server.services.packets.batch import PacketsOver
from server.services.packets.live_packets import LivePackets
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.stored_state import StoredState, claim_of, terms_of, verdict, wins_of
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange, Refunded
from server.services.runtime.in_doubt import InDoubt
from server.services.runtime.outage_log import OutageLog
from server.services.seeds.service import SeedService
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.packets import packets as store
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.refunds import RefundRow
from storage.redis.mirror import Log, Mirror

WAITING_MAX: Final = 10_000  # packets that wait for a node, which each search reads beside those that it refunds
TermsOf = Callable[[Mapping[int, PacketRow]], Awaitable[Mapping[int, Terms]]]


class PacketClosing:
    """Closes packets, before a refund or the return of a lease. `terms_of`: the terms of recorded packets."""

    def __init__(
        self,
        records: store.PacketStore,
        mirror: Mirror,
        health: MirrorHealth,
        packets: LivePackets,
        terms_of: TermsOf,
    ) -> None:
        self._records = records
        self._mirror = mirror
        self._health = health
        self._packets = packets
        self._terms_of = terms_of
        self.redriven_claims = 0
        self.redriven_fen = 0

    def closable(self, packet_ids: list[int]) -> list[int]:
        """Those whose logs are not on a node that is away and may hold acknowledged claims."""
        if not (self._health.decides and self._health.is_up and self._health.away):
            return packet_ids
        return [packet_id for packet_id in packet_ids if self._health.takes(packet_id)]

    async def close(self, packet_ids: Collection[int]) -> list[int]:
        """Close these; those whose records may be closed now. Raises StoreUnavailable."""
        quiet = self._packets.close_quiet(packet_ids)
        if not quiet:
            return []
        logs = await self._close_mirror(quiet)
        overtaken = await self._redrive(logs)
        certain = logs.keys() if self._health.decides else quiet
        return [packet_id for packet_id in quiet if packet_id in certain and packet_id not in overtaken]

    async def _close_mirror(self, due: list[int]) -> dict[int, Log]:
        """Close the logs. Without them the record alone decides, unless it may lack acknowledged claims."""
        logs = await self._health.logs(self._mirror.close_logs, due)
        self._health.raise_if_claims_may_be_missing()
        return logs

    async def _redrive(self, logs: dict[int, Log]) -> set[int]:
        """Record what only the mirror holds; returns the packets that another writer moved meanwhile."""
        rows, recorded = await self._records.load([packet_id for packet_id, log in logs.items() if log.claims])
        ahead = []
        for packet_id, terms in (await self._terms_of(rows)).items():
            claims = [claim_of(claim) for claim in recorded[packet_id]]
            closed = rows[packet_id].closed_at_ms is not None
            found = verdict(StoredState(terms, claims, closed, logs[packet_id], decides=self._health.decides))
            if found.redrive:
                ahead.append(store.Advance(packet_id, len(claims), found.redrive, wins_of(terms)))
        accepted = await self._records.record(ahead) if ahead else set()
        redriven = [claim for one in ahead if one.packet_id in accepted for claim in one.claims]
        self.redriven_claims += len(redriven)
        self.redriven_fen += sum(claim.amount_fen for claim in redriven)
        return {one.packet_id for one in ahead} - accepted


class RefundService:
    """Pays back expired packets."""

    def __init__(
        self,
        records: store.PacketStore,
        mirror: Mirror,
        health: MirrorHealth,
        packets: LivePackets,
        seeds: SeedService,
        batch_max: int,
        interval_s: float,
        now_ms: Callable[[], int],
        is_confirmed: Callable[[], bool],
        bus: Bus,
    ) -> None:
        """A refund is final, so there is none while `now_ms` is not confirmed."""
        self._records = records
        self._closing = PacketClosing(records, mirror, health, packets, self._terms_of)
        self._packets = packets
        self._seeds = seeds
        self._batch_max = batch_max
        self._interval_s = interval_s
        self._now_ms = now_ms
        self._is_confirmed = is_confirmed
        self._bus = bus
        self._outage_log = OutageLog("refunds_wait")
        self._waiting = 0  # packets that are due and wait for a node of Redis: they must not hold up the others
        self._apart = False  # the last refund failed: perhaps because of one packet
        self.in_doubt: InDoubt[RefundRow, RefundRow] = InDoubt(records.find_refunds, self._publish)
        self.refunded_packets = 0
        self.refunded_fen = 0

    @property
    def redriven_claims(self) -> int:
        """Claims that only the mirror held."""
        return self._closing.redriven_claims

    @property
    def redriven_fen(self) -> int:
        """Their sum."""
        return self._closing.redriven_fen

    async def _terms_of(self, rows: Mapping[int, store.PacketRow]) -> dict[int, Terms]:
        seeds = await self._seeds.of(rows.values())
        return {packet_id: terms_of(row, seeds.get(packet_id, b"")) for packet_id, row in rows.items()}

    async def run(self) -> None:
        """Refund. Never ends; to be supervised."""
        while True:
            try:
                while self._is_confirmed() and await self.refund_once() == self._batch_max:
                    pass
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
            await asyncio.sleep(self._interval_s)

    async def refund_once(self) -> int:
        """Refund one batch of packets that are due; how many were paid back."""
        now_ms = self._now_ms()
        found = await self._records.due(now_ms, self._batch_max + self._waiting)
        closable = self._closing.closable(found)
        self._waiting = min(len(found) - len(closable), WAITING_MAX)
        due = await self._closing.close(closable[: self._batch_max])
        if not due:
            return 0
        if not self._apart:
            return await self._refund(due, now_ms)
        return await self._refund_apart(due, now_ms)

    async def _refund(self, due: list[int], now_ms: int) -> int:
        try:
            rows = await self._records.refund(due, now_ms)
        except Unanswered as unanswered:
            self._apart = True
            self.in_doubt.add(unanswered.asked)
            raise
        for row in rows:
            self._publish(row)
        closed_elsewhere = {*due} - {row.packet_id for row in rows}
        self._bus.publish(PacketsOver(tuple(closed_elsewhere)))
        return len(rows)

    async def _refund_apart(self, due: list[int], now_ms: int) -> int:
        """Each packet alone: one whose wallet is locked by another transaction does not hold up the others."""
        self._apart, refunded = False, 0
        error: StoreUnavailable | None = None
        for packet_id in due:
            try:
                refunded += await self._refund([packet_id], now_ms)
            except StoreUnavailable as failed:
                error = failed
        if error is not None:
            raise error
        return refunded

    def _publish(self, row: RefundRow) -> None:
        """The money is back: to the packet's page, to the operators, to the sender."""
        self._packets.refunded([row.packet_id])
        self._bus.publish(PacketsOver((row.packet_id,)))
        self.refunded_packets += 1
        self.refunded_fen += row.refunded_fen
        self._bus.publish(Refunded(row.packet_id, row.sender_id, row.refunded_fen), (row.sender_id,))
        event = BalanceChange(row.sender_id, WalletBalance(*row.balance), row.refunded_fen, "refund")
        self._bus.publish(event, (row.sender_id,))
