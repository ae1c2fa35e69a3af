"""What the two stores, the mirror (Redis) and the record (PostgreSQL), make of a batch of claims, by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from server.core.latency import Histogram
from server.services.packets.batch import (
    PacketBatch,
    advances_of,
    count_failure,
    extension,
    of_packets,
    without,
)
from server.services.packets.mirror_health import Durability, MirrorHealth
from server.services.runtime.load_shedding import LoadShedding
from storage.errors import PartlyLocked, StoreUnavailable
from storage.postgres.packets.packets import PacketStore
from storage.redis.mirror import Mirror, PartlyAway

NODE_AWAY: Final = "Redis: the node of the log is away"


class MirrorReply(NamedTuple):
    """The parts of a batch, by what became of them in the mirror."""

    held: list[PacketBatch]  # their logs have the claims
    refused: list[PacketBatch]  # their logs have another length: another server has extended them
    unknown: list[PacketBatch]  # Redis, or the node of their logs, is away: they may have the claims or not
    why: str  # of the unknown ones


class RecordReply(NamedTuple):
    """The parts of a batch, by what became of them in the record."""

    recorded: list[PacketBatch]
    refused: list[PacketBatch]  # other claims were recorded, the packet is locked, or PostgreSQL is away
    why: str  # of the refused ones


class CommitStores:
    """Asks each store about a batch, and measures how long it takes. At most one batch is at a store at a time."""

    def __init__(
        self,
        mirror: Mirror,
        packets: PacketStore,
        health: MirrorHealth,
        load_shedding: LoadShedding,
        elapsed_s: Callable[[], float],
    ) -> None:
        """`elapsed_s`: a clock that never jumps."""
        self._mirror = mirror
        self._packets = packets
        self._health = health
        self._load_shedding = load_shedding
        self._elapsed_s = elapsed_s
        self.batch_ms: dict[Durability, Histogram] = {"redis": Histogram(), "postgres": Histogram()}

    async def mirror(self, batch: list[PacketBatch]) -> MirrorReply:
        """Append a batch to the logs of its packets. Marks which logs hold all claims."""
        if not self._health.is_up:
            return MirrorReply([], [], batch, "Redis is away")
        lost = self._health.not_taken(batch)
        asked, refused, why = without(batch, lost), set[int](), NODE_AWAY
        if not asked:
            return MirrorReply([], [], lost, why)
        try:
            with self._measured("redis"):
                refused = await self._mirror.append([extension(part) for part in asked])
        except PartlyAway as partly:
            self._health.lost(partly)
            refused, why, lost = partly.refused, str(partly), [*lost, *of_packets(asked, partly.unknown)]
        except StoreUnavailable as error:
            self._health.lost(error)
            return MirrorReply([], [], batch, str(error))
        moved = of_packets(asked, refused)
        if held := without(batch, [*moved, *lost]):
            self._health.wrote()
        for part in held:
            part.live.mirrored = True
        return MirrorReply(held, moved, lost, why)

    async def record(self, batch: list[PacketBatch], *, told: bool) -> RecordReply:
        """Record a batch in one statement. `told`: its users may have been told already."""
        locked: set[int] = set()
        try:
            with self._measured("postgres"):
                accepted = await self._packets.record(advances_of(batch, told))
        except PartlyLocked as partly:
            accepted, locked = partly.accepted, partly.locked
        except StoreUnavailable as error:
            count_failure(batch)
            return RecordReply([], batch, str(error))
        refused = [part for part in batch if part.live.packet_id not in accepted]
        count_failure([part for part in refused if part.live.packet_id in locked])
        return RecordReply(
            without(batch, refused), refused, "PostgreSQL: the packet has another version, or is locked"
        )

    @contextmanager
    def _measured(self, store: Durability) -> Iterator[None]:
        """Measure the time of a batch; load shedding counts it if opens wait for this store."""
        users_wait, began_s = store == self._health.durability, self._elapsed_s()
        if users_wait:
            self._load_shedding.begin()
        try:
            yield
        finally:
            self.batch_ms[store].add((self._elapsed_s() - began_s) * 1000)
            if users_wait:
                self._load_shedding.end()
