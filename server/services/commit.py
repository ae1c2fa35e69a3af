"""The commit path: decided in memory -> mirrored in Redis -> recorded in PostgreSQL -> told.

Two stages, each one batch at a time, so one batch is in Redis while the one before it is in PostgreSQL; and a few
lanes of them, a packet always in the same one, so that the stores work on one batch while we tell another. A batch
holds the claims of many packets; what a store refuses is undone packet by packet and decided again after a reload,
the rest of the batch goes on. `won` is said behind the record (tier `postgres`) or the mirror (tier `redis`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

from server.core.packet import WON, Claim, Packet
from server.services.live import Attempt, Live
from storage.errors import StoreUnavailable
from storage.postgres.packets import Advance, Packets
from storage.redis import mirror as log
from storage.redis.mirror import Extension, Mirror

Durability: TypeAlias = Literal["postgres", "redis"]
BATCH_MAX = 1_000  # claims; larger ones win little and make everybody wait
UNRECORDED_MAX = 50_000  # tier redis: so many claims may be told and not yet recorded
VIEW_S_MAX = 30.0  # tier redis: half of what the log of a finished packet outlives it (see mirror._FORGET_MS)
LANES = 2
SCATTER = 0x9E3779B1  # 2^32 by the golden ratio: packets sent one after the other do not take the lanes in turns
AHEAD_MAX = 16  # batches between the stages of a lane
LINGER_S = 0.03  # tier redis: nobody waits for the record, so it takes fewer and larger batches


class Slice(NamedTuple):
    """The part of a batch that belongs to one packet, decided on `packet` when it had `version` claims."""

    live: Live
    packet: Packet
    version: int
    attempts: list[Attempt]
    claims: list[Claim]  # of the attempts, in the order of the indexes


class Watch(NamedTuple):
    """Who hears what becomes of slices. All are called without awaiting."""

    durable: Callable[[Slice], None]  # its claims may be spoken of
    recorded: Callable[[Slice], None]  # and stand in the books
    undone: Callable[[Slice, str], None]  # a store refused or did not answer: read it again


class Lane:
    """Claims that gather for the next batch, and the batches between the stages."""

    def __init__(self) -> None:
        self.gathering: dict[Live, Slice] = {}
        self.wake = asyncio.Event()
        self.between: asyncio.Queue[list[Slice]] = asyncio.Queue(AHEAD_MAX)

    def take(self) -> list[Slice]:
        """What has gathered, up to a batch."""
        batch: list[Slice] = []
        claims = 0
        while self.gathering and claims < BATCH_MAX:
            part = self.gathering.pop(next(iter(self.gathering)))
            batch.append(part)
            claims += len(part.attempts)
        if not self.gathering:
            self.wake.clear()
        return batch


class CommitPath:
    """Takes decided opens and makes them durable."""

    def __init__(self, mirror: Mirror, packets: Packets, durability: Durability, watch: Watch) -> None:
        self._mirror = mirror
        self._packets = packets
        self._durability = durability
        self._watch = watch
        self._lanes = [Lane() for _ in range(LANES)]
        self.mirror_is_up = True
        self.unrecorded = 0  # claims on their way
        self.batches = 0
        self.recorded_claims = 0
        self.undone_claims = 0

    @property
    def overloaded(self) -> bool:
        """More is on its way than should be."""
        return self.unrecorded >= UNRECORDED_MAX

    def submit(self, live: Live, attempt: Attempt) -> None:
        """Take an open that was decided as a win; `attempt.claim` is set."""
        assert attempt.claim is not None
        assert live.packet is not None
        lane = self._lanes[(live.packet_id * SCATTER >> 20) % LANES]
        part = lane.gathering.get(live)
        if part is None:
            part = lane.gathering[live] = Slice(live, live.packet, attempt.claim.index, [], [])
            live.in_flight += 1
        part.attempts.append(attempt)
        part.claims.append(attempt.claim)
        self.unrecorded += 1
        lane.wake.set()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Both stages of every lane; for ever, to be supervised."""
        return [stage(lane) for lane in self._lanes for stage in (self._run_mirror, self._run_record)]

    # --- first stage ------------------------------------------------------------------------------------------

    async def _run_mirror(self, lane: Lane) -> None:
        """Take what has gathered, mirror it, hand it on."""
        while True:
            await lane.wake.wait()
            batch = self._still_trusted(lane.take())
            if self._durability == "redis":
                batch = self._still_fresh(batch)
            if self.mirror_is_up:
                batch = await self._mirror_batch(batch)
            elif self._durability == "redis":
                self._undo(batch, "Redis is away")
                batch = []
            else:
                _leave_unmirrored(batch)
            if self._durability == "redis":
                self._tell(batch)
            if batch:
                await lane.between.put(batch)

    def _still_trusted(self, batch: list[Slice]) -> list[Slice]:
        """Leave out what was built on a state that turned out wrong meanwhile."""
        stale = [part for part in batch if part.packet is not part.live.packet]
        self._undo(stale, "built on what was undone")
        return _without(batch, stale)

    def _still_fresh(self, batch: list[Slice]) -> list[Slice]:
        """Leave out who expects no log and read the record long ago: the log may have been there, and lapsed."""
        least_s = asyncio.get_running_loop().time() - VIEW_S_MAX
        stale = [part for part in batch if not part.live.mirrored and part.live.read_at_s <= least_s]
        self._undo(stale, "read too long ago")
        return _without(batch, stale)

    async def _mirror_batch(self, batch: list[Slice]) -> list[Slice]:
        if not batch:
            return batch
        try:
            refused = await self._mirror.append([_extension(part) for part in batch])
        except StoreUnavailable as error:
            self.mirror_is_up = False
            if self._durability == "redis":
                self._undo(batch, str(error))
                return []
            _leave_unmirrored(batch)
            return batch
        moved = [part for part in batch if part.live.packet_id in refused] if refused else []
        accepted = _without(batch, moved)
        for part in accepted:
            part.live.mirrored = True
        self._undo(moved, "the mirror has moved")
        return accepted

    # --- second stage -----------------------------------------------------------------------------------------

    async def _run_record(self, lane: Lane) -> None:
        """Record what was mirrored, all that is there in one transaction."""
        while True:
            batches = [await lane.between.get()]
            if self._durability == "redis":
                await asyncio.sleep(LINGER_S)
            while not lane.between.empty() and sum(map(_claims, batches)) < BATCH_MAX:
                batches.append(lane.between.get_nowait())
            await self._record_batch(_joined(batches))

    async def _record_batch(self, batch: list[Slice]) -> None:
        batch = self._still_trusted(batch)
        if not batch:
            return
        try:
            accepted = await self._packets.record(
                [Advance(part.live.packet_id, part.version, part.claims) for part in batch]
            )
        except StoreUnavailable as error:
            self._undo(batch, str(error))
            return
        self.batches += 1
        moved = [part for part in batch if part.live.packet_id not in accepted]
        good = _without(batch, moved)
        if self._durability == "postgres":
            self._tell(good)
        for part in good:
            self._land(part)
            self.recorded_claims += len(part.attempts)
            self._watch.recorded(part)
        self._undo(moved, "the record has moved")

    # --- what becomes of a slice ------------------------------------------------------------------------------

    def _tell(self, batch: list[Slice]) -> None:
        for part in batch:
            part.live.durable = part.version + len(part.attempts)
            told = part.packet.told
            for attempt, claim in zip(part.attempts, part.claims, strict=True):
                attempt.answer(told(WON, claim))
            self._watch.durable(part)

    def _undo(self, batch: list[Slice], why: str) -> None:
        for part in batch:
            self._land(part)
            part.live.distrust()
            part.live.undone += part.attempts
            self.undone_claims += len(part.attempts)
            self._watch.undone(part, why)

    def _land(self, part: Slice) -> None:
        part.live.in_flight -= 1
        self.unrecorded -= len(part.attempts)


def _leave_unmirrored(batch: list[Slice]) -> None:
    """What the mirror holds of these packets is unknown now; the next claim finds out by being refused."""
    for part in batch:
        part.live.mirrored = False


def _without(batch: list[Slice], few: list[Slice]) -> list[Slice]:
    """The batch without these parts, of which there are none as a rule."""
    return [part for part in batch if part not in few] if few else batch


def _claims(batch: list[Slice]) -> int:
    return sum(len(part.claims) for part in batch)


def _joined(batches: list[list[Slice]]) -> list[Slice]:
    """Batches as one, with one slice a packet."""
    by_live: dict[Live, Slice] = {}
    for part in chain.from_iterable(batches):
        before = by_live.setdefault(part.live, part)
        if before is not part:
            before.attempts.extend(part.attempts)
            before.claims.extend(part.claims)
            part.live.in_flight -= 1
    return list(by_live.values())


def _extension(part: Slice) -> Extension:
    live, claims = part.live, log.pack(part.claims)
    if live.mirrored:
        return Extension(live.packet_id, log.length(part.version), b"", claims)
    return Extension(live.packet_id, live.mirror_length, _image(part), claims)


def _image(part: Slice) -> bytes:
    """The whole log of a packet as it was before this slice."""
    claims = list(part.packet.claims.values())[: part.version]
    return log.HEAD + log.pack(claims)
