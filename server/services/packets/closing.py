"""Closing packets for good: in memory and in the mirror, then what the mirror alone holds is recorded.

After that the record holds every claim that was told to a user, and one transaction of the caller's closes it. A
packet with claims in flight waits for the next round (`LivePackets.close_quiet`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from server.core.packet import Terms
from server.services.packets.live_packets import LivePackets
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.stored_state import StoredState, claim_of, verdict, wins_of
from storage.errors import StoreUnavailable
from storage.postgres.packets import packets as store
from storage.postgres.packets.packets import PacketRow
from storage.redis.mirror import Log, Mirror

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

    async def close(self, packet_ids: Collection[int]) -> list[int]:
        """Close these; those whose records may be closed now. Raises StoreUnavailable."""
        quiet = self._packets.close_quiet(packet_ids)
        if not quiet:
            return []
        overtaken = await self._redrive(await self._close_mirror(quiet))
        return [packet_id for packet_id in quiet if packet_id not in overtaken]

    async def _close_mirror(self, due: list[int]) -> dict[int, Log]:
        """Close the logs. Without Redis the record alone decides, unless it may lack acknowledged claims."""
        if self._health.is_up:
            try:
                return await self._mirror.close_logs(due)
            except StoreUnavailable as error:
                self._health.lost(error)
        self._health.raise_if_claims_may_be_missing()
        return {}

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
