"""The commit path: decided in memory -> mirrored in Redis -> recorded in PostgreSQL -> told.

Two stages, each one batch at a time, so one batch is in Redis while the one before it is in PostgreSQL. A batch
holds the claims of many packets; what a store refuses is undone packet by packet and decided again after a reload,
the rest of the batch goes on. `won` is said behind the record (tier `postgres`) or the mirror (tier `redis`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

from server.core.latency import Histogram
from server.core.limits import Limits
from server.core.packet import WON, Claim, Packet
from server.services.packets.live_packet import LivePacket, PendingRequest
from server.services.runtime.load_shedding import NEW_WORK, LoadShedding
from storage.errors import StoreUnavailable
from storage.postgres.packets.packets import Advance, PacketStore
from storage.redis import mirror as log
from storage.redis.mirror import Extension, Mirror

Durability: TypeAlias = Literal["postgres", "redis"]
BATCH_MAX = 1_000  # claims; larger ones win little and make everybody wait
UNRECORDED_MAX = 50_000  # claims on their way, in the tier redis told or not, whatever the time they take
VIEW_S_MAX = 30.0  # tier redis: half of what the log of a finished packet outlives it (see mirror._FORGET_MS)
AHEAD_MAX = 16  # batches between the stages
LINGER_S = 0.03  # tier redis: nobody waits for the record, so it takes fewer and larger batches


class PacketBatch(NamedTuple):
    """The part of a batch that belongs to one packet, decided on `packet` when it had `version` claims."""

    live: LivePacket
    packet: Packet
    version: int
    attempts: list[PendingRequest]
    claims: list[Claim]  # of the attempts, in the order of the indexes


class CommitListener(NamedTuple):
    """Who hears what becomes of slices. All are called without awaiting."""

    durable: Callable[[PacketBatch], None]  # its claims may be spoken of
    recorded: Callable[[PacketBatch], None]  # and stand in the books
    rejected: Callable[[PacketBatch, str], None]  # a store refused or did not answer: read it again


class CommitPath:
    """Takes decided opens and makes them durable."""

    def __init__(
        self,
        mirror: Mirror,
        packets: PacketStore,
        durability: Durability,
        watch: CommitListener,
        limits: Limits,
        now_ms: Callable[[], int],
        elapsed_s: Callable[[], float],
    ) -> None:
        """`elapsed_s` is a clock that never jumps, to take the time of batches with."""
        self._mirror = mirror
        self._packets = packets
        self._durability = durability
        self._watch = watch
        self._gathering: dict[LivePacket, PacketBatch] = {}
        self._wake = asyncio.Event()
        self._between: asyncio.Queue[list[PacketBatch]] = asyncio.Queue(AHEAD_MAX)
        self._linger_s = LINGER_S if durability == "redis" else 0.0
        self._load_shedding = LoadShedding(BATCH_MAX, limits, UNRECORDED_MAX)
        self._gathered = 0
        self._now_ms = now_ms
        self._elapsed_s = elapsed_s
        self.open_ms = Histogram()  # from the arrival of an open until it hears `won`
        self.batch_ms: dict[Durability, Histogram] = {"redis": Histogram(), "postgres": Histogram()}
        self.mirror_is_up = True
        self.unrecorded = 0  # claims on their way
        self.batches = 0
        self.recorded_claims = 0
        self.recorded_fen = 0
        self.rejected_claims = 0

    @property
    def overloaded(self) -> bool:
        """Who opens now would wait too long, or more is on its way than should be."""
        return self.unrecorded >= UNRECORDED_MAX or self._load_shedding.is_too_high(self._untold)

    @property
    def almost_overloaded(self) -> bool:
        """Nobody should begin anything new."""
        return self.unrecorded >= UNRECORDED_MAX * NEW_WORK or self._load_shedding.is_too_high(
            self._untold, NEW_WORK
        )

    @property
    def retry_after_ms(self) -> int:
        """When what is on its way now will have been told."""
        return self._load_shedding.retry_after_ms(self._untold)

    @property
    def _untold(self) -> int:
        """Claims before the store behind which `won` is said."""
        return self.unrecorded if self._durability == "postgres" else self._gathered

    def submit(self, live: LivePacket, attempt: PendingRequest) -> None:
        """Take an open that was decided as a win; `attempt.claim` is set."""
        assert attempt.claim is not None
        assert live.packet is not None
        part = self._gathering.get(live)
        if part is None:
            part = self._gathering[live] = PacketBatch(live, live.packet, attempt.claim.index, [], [])
            live.in_flight += 1
        part.attempts.append(attempt)
        part.claims.append(attempt.claim)
        self.unrecorded += 1
        self._gathered += 1
        self._wake.set()

    # --- first stage ------------------------------------------------------------------------------------------

    async def run_mirror(self) -> None:
        """Take what has gathered, mirror it, hand it on; for ever, to be supervised."""
        while True:
            await self._wake.wait()
            batch = self._still_trusted(self._take())
            if self._durability == "redis":
                batch = self._still_fresh(batch)
            if self.mirror_is_up:
                batch = await self._mirror_batch(batch)
            elif self._durability == "redis":
                self._reject(batch, "Redis is away")
                batch = []
            else:
                _leave_unmirrored(batch)
            if self._durability == "redis":
                self._tell(batch)
            if batch:
                await self._between.put(batch)

    def _take(self) -> list[PacketBatch]:
        batch: list[PacketBatch] = []
        claims = 0
        while self._gathering and claims < BATCH_MAX:
            part = self._gathering.pop(next(iter(self._gathering)))
            batch.append(part)
            claims += len(part.claims)
        self._gathered -= claims
        if not self._gathering:
            self._wake.clear()
        return batch

    def _still_trusted(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """Leave out what was built on a state that turned out wrong meanwhile."""
        stale = [part for part in batch if part.packet is not part.live.packet]
        self._reject(stale, "built on what was undone")
        return _without(batch, stale)

    def _still_fresh(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """Leave out who expects no log and read the record long ago: the log may have been there, and lapsed."""
        least_s = asyncio.get_running_loop().time() - VIEW_S_MAX
        stale = [part for part in batch if not part.live.mirrored and part.live.read_at_s <= least_s]
        self._reject(stale, "read too long ago")
        return _without(batch, stale)

    async def _mirror_batch(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        if not batch:
            return batch
        try:
            with self._measured("redis"):
                refused = await self._mirror.append([_extension(part) for part in batch])
        except StoreUnavailable as error:
            self.mirror_is_up = False
            if self._durability == "redis":
                self._reject(batch, str(error))
                return []
            _leave_unmirrored(batch)
            return batch
        moved = [part for part in batch if part.live.packet_id in refused] if refused else []
        accepted = _without(batch, moved)
        for part in accepted:
            part.live.mirrored = True
        self._reject(moved, "the mirror has moved")
        return accepted

    # --- second stage -----------------------------------------------------------------------------------------

    async def run_record(self) -> None:
        """Record what was mirrored, all that is there in one transaction; for ever, to be supervised."""
        while True:
            await self._record_batch(_joined(await self._mirrored()))

    async def _mirrored(self) -> list[list[PacketBatch]]:
        """What has been mirrored, up to a batch; in the tier redis it waits a while for more behind the first."""
        batches = [await self._between.get()]
        claims = _claims(batches[0])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                while claims < BATCH_MAX and (self._linger_s or not self._between.empty()):
                    batches.append(await self._between.get())
                    claims += _claims(batches[-1])
        return batches

    async def _record_batch(self, batch: list[PacketBatch]) -> None:
        batch = self._still_trusted(batch)
        if not batch:
            return
        try:
            with self._measured("postgres"):
                accepted = await self._packets.record(
                    [Advance(part.live.packet_id, part.version, part.claims) for part in batch]
                )
        except StoreUnavailable as error:
            self._reject(batch, str(error))
            return
        self.batches += 1
        moved = [part for part in batch if part.live.packet_id not in accepted]
        good = _without(batch, moved)
        if self._durability == "postgres":
            self._tell(good)
        for part in good:
            self._release(part)
            self._count(part)
            self._watch.recorded(part)
        self._reject(moved, "the record has moved")

    @contextmanager
    def _measured(self, store: Durability) -> Iterator[None]:
        """Take the time of a batch; it is a measure of pressure if users wait for this store."""
        users_wait, began_s = store == self._durability, self._elapsed_s()
        if users_wait:
            self._load_shedding.begin()
        try:
            yield
        finally:
            self.batch_ms[store].add((self._elapsed_s() - began_s) * 1000)
            if users_wait:
                self._load_shedding.end(more_waits=bool(self._gathering) or not self._between.empty())

    # --- what becomes of a slice ------------------------------------------------------------------------------

    def _tell(self, batch: list[PacketBatch]) -> None:
        now_ms, waited_ms = self._now_ms(), self.open_ms.add
        for part in batch:
            part.live.durable = part.version + len(part.attempts)
            told = part.packet.told
            for attempt, claim in zip(part.attempts, part.claims, strict=True):
                if not attempt.answered:
                    waited_ms(now_ms - attempt.at_ms)
                    attempt.answer(told(WON, claim))
            self._watch.durable(part)

    def _count(self, part: PacketBatch) -> None:
        """A slice stands in the books."""
        part.live.recorded = part.version + len(part.claims)
        self.recorded_claims += len(part.claims)
        self.recorded_fen += sum([claim.amount_fen for claim in part.claims])

    def _reject(self, batch: list[PacketBatch], why: str) -> None:
        for part in batch:
            self._release(part)
            part.live.distrust()
            part.live.rejected += part.attempts
            self.rejected_claims += len(part.attempts)
            self._watch.rejected(part, why)

    def _release(self, part: PacketBatch) -> None:
        part.live.in_flight -= 1
        self.unrecorded -= len(part.attempts)


def _leave_unmirrored(batch: list[PacketBatch]) -> None:
    """What the mirror holds of these packets is unknown now; the next claim finds out by being refused."""
    for part in batch:
        part.live.mirrored = False


def _without(batch: list[PacketBatch], few: list[PacketBatch]) -> list[PacketBatch]:
    """The batch without these parts, of which there are none as a rule."""
    return [part for part in batch if part not in few] if few else batch


def _claims(batch: list[PacketBatch]) -> int:
    return sum(len(part.claims) for part in batch)


def _joined(batches: list[list[PacketBatch]]) -> list[PacketBatch]:
    """Batches as one, with one slice a packet."""
    by_live: dict[LivePacket, PacketBatch] = {}
    for part in chain.from_iterable(batches):
        before = by_live.setdefault(part.live, part)
        if before is not part:
            before.attempts.extend(part.attempts)
            before.claims.extend(part.claims)
            part.live.in_flight -= 1
    return list(by_live.values())


def _extension(part: PacketBatch) -> Extension:
    live, claims = part.live, log.pack(part.claims)
    if live.mirrored:
        return Extension(live.packet_id, log.length(part.version), b"", claims)
    return Extension(live.packet_id, live.mirror_length, _image(part), claims)


def _image(part: PacketBatch) -> bytes:
    """The whole log of a packet as it was before this slice."""
    claims = list(part.packet.claims.values())[: part.version]
    return log.HEAD + log.pack(claims)
