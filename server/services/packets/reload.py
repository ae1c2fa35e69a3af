"""Read packets from both stores and make them ready: the record first, then the mirror; re-drive what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from server.core import reconcile
from server.core.decisions import Claim
from server.core.kinds import Audience
from server.core.packet import Packet
from server.core.packet_states import PacketEvent
from server.services.chat.groups import GroupService
from server.services.packets.audience import audience_of, groups_of
from server.services.packets.live_packet import LivePacket
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.stored_state import (
    NOTHING,
    StoredState,
    claim_of,
    is_lease,
    terms_of,
    verdict,
    wins_of,
)
from server.services.seeds.service import SeedService
from storage.postgres.packets.admissions import AdmissionStore
from storage.postgres.packets.packets import Advance, PacketStore, PartlyRead
from storage.postgres.packets.words import WordsStore
from storage.redis.mirror import Mirror

LOG = structlog.get_logger()


class ReloadOutcome(NamedTuple):
    """The outcome of reading packets."""

    unusable: list[LivePacket]  # they do not exist, or their records are damaged
    away: list[LivePacket]  # away is their set, or the node that has their logs and perhaps acknowledged claims
    unannounced: dict[LivePacket, list[Claim]]  # claims in the stores that were announced by no process here


class PacketReload:
    """Reads both stores and makes them agree. Raises StoreUnavailable."""

    def __init__(
        self,
        packets: PacketStore,
        mirror: Mirror,
        health: MirrorHealth,
        groups: GroupService,
        seeds: SeedService,
        admissions: AdmissionStore,
        words: WordsStore,
        dealt_to: Callable[[int], tuple[int, ...]],
    ) -> None:
        """`dealt_to`: the amounts of a lease that this server gives away; empty: it does not give it away."""
        self._packets = packets
        self._mirror = mirror
        self._health = health
        self._groups = groups
        self._seeds = seeds
        self._admissions = admissions
        self._words = words
        self._dealt_to = dealt_to
        self.redriven_claims = 0
        self.found_fen = 0  # of claims that stand in the books and were not seen to get there

    async def load(self, lives: Sequence[LivePacket]) -> ReloadOutcome:
        """Make these packets ready. One whose re-drive was overtaken by another writer stays LOADING."""
        read_at_s = asyncio.get_running_loop().time()  # before the record is read
        ids = [live.packet_id for live in lives]
        stored, out_of_reach = await self._read(ids)
        await self._groups.keep(
            [group_id for one in stored.values() for group_id in groups_of(one.terms, one.also_in)]
        )
        await self._admit(lives, stored)
        verdicts = {packet_id: verdict(one) for packet_id, one in stored.items()}
        overtaken = await self._redrive(stored, verdicts)
        reloaded = ReloadOutcome([], [], {})
        for live in lives:
            live.read_at_s = read_at_s
            one = stored.get(live.packet_id)
            if live.packet_id in overtaken:
                continue
            if live.packet_id in out_of_reach:
                reloaded.away.append(live)
                continue
            if self._health.decides and one is not None and not (one.log_known or one.closed):
                reloaded.away.append(live)
                continue
            if one is None or not self._make_ready(live, one, verdicts[live.packet_id], reloaded.unannounced):
                reloaded.unusable.append(live)
        return reloaded

    async def _read(self, ids: list[int]) -> tuple[dict[int, StoredState], set[int]]:
        """The packets that exist, and those whose set gives no answer."""
        out_of_reach: set[int] = set()
        try:
            found, claims = await self._packets.load(ids)
        except PartlyRead as partly:
            found, claims, out_of_reach = partly.rows, partly.claims, partly.away
        # a lease that is over, or that another server gives away: it cannot be tapped
        rows = {one: row for one, row in found.items() if not is_lease(row) or self._dealt_to(one)}
        seeds = await self._seeds.of(rows.values())
        with_words = [row.packet_id for row in rows.values() if row.words is not None]
        said = await self._words.said(with_words) if with_words else {}
        logs = await self._health.logs(self._mirror.read, ids)
        self._health.raise_if_claims_may_be_missing()
        stored = {
            packet_id: StoredState(
                terms_of(row, seeds.get(packet_id, b""), self._dealt_to(packet_id)),
                [claim_of(claim) for claim in claims[packet_id]],
                row.closed_at_ms is not None,
                logs.get(packet_id, NOTHING),
                row.also_in,
                packet_id in logs,
                said.get(packet_id, ()),
                self._health.decides,
            )
            for packet_id, row in rows.items()
            if not row.is_hidden  # until it is posted, it is like one that does not exist
        }
        return stored, out_of_reach

    async def _admit(self, lives: Sequence[LivePacket], stored: Mapping[int, StoredState]) -> None:
        """Who was admitted to packets that are passed on. Who is admitted meanwhile is in memory besides."""
        by_id = {
            live.packet_id: live
            for live in lives
            if (one := stored.get(live.packet_id)) and one.terms.kind.row.audience is Audience.INVITED
        }
        if by_id:
            for row in await self._admissions.of_packets(list(by_id)):
                by_id[row.packet_id].admitted[row.user_id] = row.depth

    async def _redrive(
        self, stored: dict[int, StoredState], verdicts: dict[int, reconcile.Reconciliation]
    ) -> set[int]:
        """Record what only the mirror holds; the packets that another writer moved meanwhile."""
        ahead = {packet_id: verdict.redrive for packet_id, verdict in verdicts.items() if verdict.redrive}
        if not ahead:
            return set()
        accepted = await self._packets.record(
            [
                Advance(packet_id, len(one.recorded), ahead[packet_id], wins_of(one.terms))
                for packet_id, one in stored.items()
                if packet_id in ahead
            ]
        )
        self.redriven_claims += sum(len(ahead[packet_id]) for packet_id in accepted)
        return ahead.keys() - accepted

    def _make_ready(
        self,
        live: LivePacket,
        stored: StoredState,
        found: reconcile.Reconciliation,
        unannounced: dict[LivePacket, list[Claim]],
    ) -> bool:
        """False if its records contradict themselves: it cannot be opened, and the server goes on."""
        terms, claims = stored.terms, [*stored.recorded, *found.redrive]
        known, counted = len(stored.recorded), len(stored.recorded)
        if live.replaced is not None:
            known, counted = live.durable, live.recorded
        try:
            packet = Packet(terms, claims, stored.closed or stored.log.closed)
            if packet.said is not None:
                packet.said.update(stored.said)
            # sent to one more group while the record was read: the record then does not say so yet
            live.also_in = tuple(dict.fromkeys((*stored.also_in, *live.also_in)))
            audience = audience_of(terms, live.also_in, self._groups, live.admitted)
        except (ValueError, KeyError) as error:
            LOG.critical("packet_is_damaged", packet_id=live.packet_id, why=str(error))
            return False
        self.found_fen += sum([claim.amount_fen for claim in claims[counted:]])
        live.become_ready(PacketEvent.READ, packet, audience, found.mirror_is_good, stored.log.length)
        live.refunded = stored.closed and not packet.finished
        live.log_known = stored.log_known or stored.closed
        if claims[known:]:
            unannounced[live] = claims[known:]
        return True
