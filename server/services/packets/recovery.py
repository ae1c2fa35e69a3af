"""Bring packets into memory: read the record, then the mirror, re-drive what reached the mirror alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

import structlog

from server.core import reconcile
from server.core.amounts import Caps
from server.core.kinds import Audience, PacketKind
from server.core.packet import Claim, Packet, Terms
from server.services.chat.groups import GroupService
from server.services.packets.commit import CommitPath, Durability
from server.services.packets.live_packet import LivePacket
from storage.errors import StoreUnavailable
from storage.postgres.packets.packets import Advance, ClaimRow, PacketRow, PacketStore
from storage.redis.mirror import Log, Mirror

LOG = structlog.get_logger()
NOTHING = Log(0, [], closed=False)


class StoredState(NamedTuple):
    """One packet as both stores tell it."""

    terms: Terms
    recorded: list[Claim]
    closed: bool  # finished or refunded
    log: Log
    also_in: Sequence[int] = ()
    log_known: bool = True  # the mirror was asked


class Recovered(NamedTuple):
    """What came of loading packets."""

    unusable: list[LivePacket]  # that do not exist, or are damaged: they have no packet
    news: dict[LivePacket, list[Claim]]  # claims that the stores hold and nobody here has spoken of, by index


def terms_of(row: PacketRow) -> Terms:
    """The terms of a recorded packet."""
    return Terms(
        packet_id=row.packet_id,
        kind=PacketKind(row.kind),
        sender_id=row.sender_id,
        target_id=row.target_id,
        total_fen=row.total_fen,
        shares=row.shares,
        caps=Caps(row.share_fen_min, row.share_fen_max),
        greeting=row.greeting,
        seed=row.seed,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
    )


def claim_of(row: ClaimRow) -> Claim:
    """A recorded claim as the rules know it."""
    return Claim(row.index, row.user_id, row.amount_fen, row.at_ms)


def claims_of(log: Log) -> list[Claim]:
    """The claims of a mirrored log; their place is their index."""
    return [Claim(index, one.user_id, one.amount_fen, one.at_ms) for index, one in enumerate(log.claims)]


class Recovery:
    """Reads both memories of packets and makes them agree. Raises StoreUnavailable."""

    def __init__(
        self, packets: PacketStore, mirror: Mirror, path: CommitPath, groups: GroupService, durability: Durability
    ) -> None:
        self._packets = packets
        self._mirror = mirror
        self._path = path
        self._groups = groups
        self._durability = durability
        self.redriven_claims = 0
        self.found_fen = 0  # of claims that stand in the books and were not seen to get there

    async def load(self, lives: Sequence[LivePacket]) -> Recovered:
        """Make these packets ready. One whose re-drive was overtaken by another writer stays without a packet."""
        read_at_s = asyncio.get_running_loop().time()  # before the record is read
        ids = [live.packet_id for live in lives]
        memories = await self._read(ids)
        await self._groups.keep([group_id for one in memories.values() for group_id in _groups(one)])
        verdicts = {packet_id: verdict(one) for packet_id, one in memories.items()}
        overtaken = await self._redrive(memories, verdicts)
        loaded = Recovered([], {})
        for live in lives:
            live.read_at_s = read_at_s
            memory = memories.get(live.packet_id)
            if live.packet_id in overtaken:
                continue
            if memory is None or not self._make_ready(live, memory, verdicts[live.packet_id], loaded.news):
                loaded.unusable.append(live)
        return loaded

    async def _read(self, ids: list[int]) -> dict[int, StoredState]:
        rows, claims = await self._packets.load(ids)
        logs: dict[int, Log] = {}
        if self._path.mirror_is_up:
            try:
                logs = await self._mirror.read(ids)
            except StoreUnavailable:
                self._path.mirror_is_up = False
        if not self._path.mirror_is_up and self._durability == "redis":
            raise StoreUnavailable("Redis is away")  # it may hold claims that were told and are recorded nowhere
        return {
            packet_id: StoredState(
                terms_of(row),
                [claim_of(claim) for claim in claims[packet_id]],
                row.closed_at_ms is not None,
                logs.get(packet_id, NOTHING),
                row.also_in,
                self._path.mirror_is_up,
            )
            for packet_id, row in rows.items()
        }

    async def _redrive(
        self, memories: dict[int, StoredState], verdicts: dict[int, reconcile.Reconciliation]
    ) -> set[int]:
        """Record what only the mirror holds; the packets that another writer moved meanwhile."""
        ahead = {packet_id: verdict.redrive for packet_id, verdict in verdicts.items() if verdict.redrive}
        if not ahead:
            return set()
        accepted = await self._packets.record(
            [Advance(packet_id, len(memories[packet_id].recorded), claims) for packet_id, claims in ahead.items()]
        )
        self.redriven_claims += sum(len(ahead[packet_id]) for packet_id in accepted)
        return ahead.keys() - accepted

    def _make_ready(
        self,
        live: LivePacket,
        memory: StoredState,
        found: reconcile.Reconciliation,
        news: dict[LivePacket, list[Claim]],
    ) -> bool:
        """False if its records contradict themselves: nobody can open it, and the server goes on."""
        terms, claims = memory.terms, [*memory.recorded, *found.redrive]
        known, counted = len(memory.recorded), len(memory.recorded)
        if live.replaced is not None:
            known, counted = live.durable, live.recorded
        try:
            packet = Packet(terms, claims, memory.closed or memory.log.closed)
            # sent to one more group while the record was read: the record then does not say so yet
            live.also_in = tuple(dict.fromkeys((*memory.also_in, *live.also_in)))
            audience = self._audience(terms, live.also_in)
        except (ValueError, KeyError) as error:
            LOG.critical("packet_is_damaged", packet_id=live.packet_id, why=str(error))
            return False
        self.found_fen += sum([claim.amount_fen for claim in claims[counted:]])
        live.ready(packet, audience, found.mirror_is_good, memory.log.length)
        live.refunded = memory.closed and not packet.finished
        live.log_known = memory.log_known or memory.closed
        if claims[known:]:
            news[live] = claims[known:]
        return True

    def _audience(self, terms: Terms, also_in: Sequence[int]) -> Collection[int]:
        if terms.kind.row.audience is Audience.RECEIVER:
            return (terms.target_id,)
        return self._groups.audience((terms.target_id, *also_in))


def _groups(memory: StoredState) -> tuple[int, ...]:
    """Where it was sent; none if it went to one receiver."""
    terms = memory.terms
    return () if terms.kind.row.audience is Audience.RECEIVER else (terms.target_id, *memory.also_in)


def verdict(memory: StoredState) -> reconcile.Reconciliation:
    """What to do about the mirror; claims in it that the terms do not allow were never ours."""
    if memory.closed:
        return reconcile.Reconciliation((), mirror_is_good=False)
    found = reconcile.compare(memory.recorded, claims_of(memory.log), memory.log.length > 0 and memory.log.ours)
    if not found.redrive:
        return found
    try:
        Packet(memory.terms, [*memory.recorded, *found.redrive])
    except ValueError as error:
        LOG.error("mirror_contradicts_terms", packet_id=memory.terms.packet_id, why=str(error))
        return reconcile.Reconciliation((), mirror_is_good=False)
    return found
