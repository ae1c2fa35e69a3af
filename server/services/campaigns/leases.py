"""Leases: numbers of a pool that this server gives away. Taken ahead of need, closed at the end, reclaimed.

A lease is a packet, so a win is an ordinary claim of it. What is not won of a closed lease goes back to the pool,
money and numbers, and is leased again first. Leases of a server that does not live any more are closed by others:
what its mirror alone holds is recorded before, if its users may have been told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from server.core.campaigns.pacing import allowed
from server.core.campaigns.terms import Stage
from server.core.ids import IdMaker
from server.core.kinds import PacketKind
from server.core.ledger import TransferKind
from server.core.packet_states import PacketEvent
from server.services.campaigns.board import CampaignBoard
from server.services.campaigns.live_campaign import HeldLease, LiveCampaign
from server.services.campaigns.pools import Pools, deal
from server.services.packets.batch import PacketsOver
from server.services.packets.live_packet import LivePacket
from server.services.packets.live_packets import LivePackets
from server.services.packets.recovery import Recovery
from server.services.packets.refund import PacketClosing
from server.services.packets.stored_state import terms_of
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.store_errors import at_once_or_each, despite_locks
from storage.postgres.campaigns.leases import LeaseRow, LeaseStore
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets.packets import PacketRow

LOG = structlog.get_logger()
AHEAD_MS: Final = 2_000  # so far ahead shares are leased
NUMBERS_MIN: Final = 64  # and so many at least, for a crowd that grows suddenly
LEASES_MAX: Final = 64  # of a campaign, that still have shares to give
DEAD_S: Final = 5.0  # a server that is silent for so long does not live: what it holds is leased again
CLOSED_AT_ONCE: Final = 50
IDLE_MS: Final = 5_000  # beside other servers, numbers that no user has won for so long are returned
SURPLUS: Final = 1.5  # a server with so many times its part of what is needed returns some


class LeaseBook:
    """The leases of this server, by packet."""

    def __init__(self) -> None:
        self.held: dict[int, HeldLease] = {}

    def dealt_to(self, packet_id: int) -> tuple[int, ...]:
        """The amounts of a lease of this server; empty: it is none."""
        lease = self.held.get(packet_id)
        return () if lease is None else lease.dealt


class LeaseKeeper:
    """Takes, closes and reclaims leases. Its methods raise StoreUnavailable."""

    def __init__(
        self,
        store: LeaseStore,
        book: LeaseBook,
        board: CampaignBoard,
        pools: Pools,
        packets: LivePackets,
        recovery: Recovery,
        closing: PacketClosing,
        ids: IdMaker,
        server_id: int,
        now_ms: Callable[[], int],
        changes: ChangeFeed,
        bus: Bus,
    ) -> None:
        self._store = store
        self.book = book
        self._board = board
        self._pools = pools
        self._packets = packets
        self._recovery = recovery
        self._closing = closing
        self._ids = ids
        self.server_id = server_id
        self._now_ms = now_ms
        self._changes = changes
        self._servers: Callable[[], int] = lambda: changes.others + 1  # with this one
        self._bus = bus
        self.is_draining = False
        self._taking = asyncio.Lock()
        self.wake = asyncio.Event()
        self.taken = 0
        self.reclaimed = 0  # of servers that did not live any more
        self.leased_fen = 0
        self.returned_fen = 0

    @property
    def redriven_fen(self) -> int:
        """What was won and only the mirror held."""
        return self._closing.redriven_fen

    # --- ahead of need ----------------------------------------------------------------------------------------

    async def take_ahead(self) -> None:
        """Lease what will be won soon."""

        async def take(live: LiveCampaign) -> None:
            while await self._took(live):
                pass
            live.needs_more = False

        await despite_locks(take, list(self._board.all()))

    async def _took(self, live: LiveCampaign) -> bool:
        async with self._taking:
            return not self.is_draining and self._wants(live) and await self._take(live)

    def _wants(self, live: LiveCampaign) -> bool:
        now_ms, row = self._now_ms(), live.row
        stage = live.stage(now_ms)
        soon = stage is Stage.SCHEDULED and row.starts_at_ms - now_ms < AHEAD_MS
        if not (stage is Stage.RUNNING or soon) or len(live.leases) >= LEASES_MAX:
            return False
        if not live.needs_more and self._is_idle(live, now_ms):
            return False
        return live.needs_more or self._numbers(live) * self._servers() < self._needed(live, now_ms)

    def _is_idle(self, live: LiveCampaign, now_ms: int) -> bool:
        """Whether other servers may have users for what this one would hold. Its own may have won enough."""
        live.active_at_ms = live.active_at_ms or now_ms
        return self._servers() > 1 and now_ms - live.active_at_ms > IDLE_MS

    def _needed(self, live: LiveCampaign, now_ms: int) -> int:
        """How many numbers all servers should hold."""
        row = live.row
        due = allowed(now_ms + AHEAD_MS, row.starts_at_ms, row.ends_at_ms, row.shares) - live.given
        return max(due, min(NUMBERS_MIN, row.shares))

    def _numbers(self, live: LiveCampaign) -> int:
        """How many this server holds."""
        return sum(self._left(one) for one in live.leases)

    def _left(self, lease: HeldLease) -> int:
        one = self._packets.get(lease.row.packet_id)
        return 0 if one is None or one.packet is None else one.packet.left_shares

    async def _take(self, live: LiveCampaign) -> bool:
        """Take one lease; False if there is nothing to lease now."""
        live.needs_more = False
        plan = await self._store.plan(live.campaign_id)
        if plan.rest_first is not None and plan.rest_numbers is not None:
            first, numbers = plan.rest_first, plan.rest_numbers
        else:
            first, numbers = plan.next_number, min(live.lease_shares, plan.shares - plan.next_number)
        if not numbers:
            return False
        dealt = await deal(await self._pools.of(live), first, numbers)
        now_ms = self._now_ms()
        if now_ms >= live.row.ends_at_ms:
            return False
        packet = self._packet(live, dealt, now_ms)
        lease = HeldLease(LeaseRow(packet.packet_id, live.campaign_id, first, numbers), dealt)
        money = TransferRow(live.campaign_id, packet.packet_id, TransferKind.LEASE, "", packet.total_fen, now_ms)
        if not await self._store.take(lease.row, self.server_id, packet, money, plan.rest_of):
            return False  # another server was first, or has paused it: the next round looks again
        self.book.held[packet.packet_id] = lease
        self._packets.add(terms_of(packet, dealt=dealt))
        if not first and plan.rest_of is None and self._changes.is_alone:  # no user has won before
            live.wins.complete_at = self._changes.heard_others
        live.leases.append(lease)
        self.taken += 1
        self.leased_fen += packet.total_fen
        return True

    def _packet(self, live: LiveCampaign, dealt: tuple[int, ...], now_ms: int) -> PacketRow:
        row = live.row
        packet_id = self._ids.next(now_ms, self._store.set_of_campaign(row.campaign_id))
        return PacketRow(
            packet_id=packet_id,
            sender_id=row.sponsor_id,
            key=f"lease {packet_id}",
            kind=PacketKind.SHAKE,
            target_id=row.campaign_id,
            total_fen=sum(dealt),
            shares=len(dealt),
            share_fen_min=min(dealt),
            share_fen_max=max(dealt),
            greeting=row.greeting,
            seed=None,
            created_at_ms=now_ms,
            expires_at_ms=row.ends_at_ms,
        )

    # --- giving them away -------------------------------------------------------------------------------------

    def pick(self, live: LiveCampaign, user_id: int) -> LivePacket | None:
        """A lease with a share for this user, who has none of it; None: there is none now."""
        for lease in list(live.leases):
            one = self._packets.get(lease.row.packet_id)
            if one is None or one.packet is None:  # it is read again
                continue
            if one.packet.counter.closed or not one.packet.left_shares:
                live.leases.remove(lease)
            elif user_id not in one.packet.claims:
                return one
        live.needs_more, live.active_at_ms = True, self._now_ms()
        self.wake.set()
        return None

    # --- closing ----------------------------------------------------------------------------------------------

    async def tidy(self) -> None:
        """Forget leases that are over, read again what was evicted, close those of campaigns that have ended."""
        now_ms, over = self._now_ms(), []
        for packet_id, lease in list(self.book.held.items()):
            one = self._packets.get(packet_id)
            if one is None:
                self._recovery.adopt([packet_id])
            elif one.packet is not None and one.quiet:
                if one.refunded or one.recorded == one.packet.terms.shares:
                    self._release(packet_id)
                elif self._is_unneeded(lease, now_ms):
                    over.append(packet_id)
        await self._close(over)

    def _is_unneeded(self, lease: HeldLease, now_ms: int) -> bool:
        """Whether its campaign is over, or other servers need the numbers more: it was taken before they came."""
        live, servers = self._board.get(lease.row.campaign_id), self._servers()
        if live is None or live.has_ended(now_ms):
            return True
        if servers == 1 or lease not in live.leases:
            return False
        without = self._numbers(live) - self._left(lease)
        is_idle = self._is_idle(live, now_ms)
        if not is_idle and without * servers < SURPLUS * self._needed(live, now_ms):
            return False
        live.leases.remove(lease)
        return True

    async def return_all(self) -> None:
        """At the end of this server: all leases go back, as far as nothing of them is in flight."""
        self.is_draining = True
        async with self._taking:  # one that is being taken is returned, too
            await self.give_up()

    async def give_up(self) -> None:
        """Return the leases of which nothing is in flight."""
        for live in self._board.all():
            live.leases.clear()
        await self._close([packet_id for packet_id in self.book.held if _is_quiet(self._packets.get(packet_id))])

    async def reclaim(self) -> None:
        """Close leases that no living server gives away."""
        if not self._board.all():  # every open lease is of a campaign whose books are open
            return
        async with self._taking:  # a lease that is being taken is recorded before it is known here
            found = await self._store.abandoned(self.server_id, self.book.held.keys(), DEAD_S, CLOSED_AT_ONCE)
        if found:
            LOG.info("leases_reclaimed", leases=len(found))
            self.reclaimed += len(found)
            await self._close(found)

    async def _close(self, packet_ids: list[int]) -> None:
        for first in range(0, len(packet_ids), CLOSED_AT_ONCE):
            ready = await self._closing.close(packet_ids[first : first + CLOSED_AT_ONCE])
            if ready:
                await at_once_or_each(self._return, ready)

    async def _return(self, ready: Sequence[int]) -> None:
        closed = await self._store.close(ready, self._now_ms(), TransferKind.LEASE_RETURNED)
        self.returned_fen += sum(one.returned_fen for one in closed)
        self._bus.publish(PacketsOver(tuple(ready)))
        for packet_id in ready:
            self._release(packet_id)

    def _release(self, packet_id: int) -> None:
        """This server does not give it away any more; thousands of claims leave memory."""
        one, lease = self._packets.get(packet_id), self.book.held.get(packet_id)
        if one is not None and one.packet is not None and one.quiet:
            self._packets.drop(one, PacketEvent.EVICTED)
        if lease is not None:
            del self.book.held[packet_id]
            live = self._board.get(lease.row.campaign_id)
            with suppress(ValueError):
                if live is not None:
                    live.leases.remove(lease)


def _is_quiet(live: LivePacket | None) -> bool:
    """Whether nothing of a lease is in flight, as far as this server knows."""
    return live is None or live.quiet
