"""The commit path with durability `redis`: a batch is mirrored, answered, and recorded later.

Two stages, each one batch at a time, so one batch is in Redis while the one before it is in PostgreSQL. No client
waits for the record, so it lingers for larger batches. A log that Redis refuses (another server has extended it) or
cannot be asked about rejects its part: the reload and `GrabOpenService._retry` find what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from server.services.packets.batch import PacketBatch, claims_in, joined, without
from server.services.packets.commit.path import BATCH_MAX, CommitParts, CommitPath
from server.services.runtime.supervised import Loop

# A batch may expect no log if the record was read at most so long ago. If the packet has finished meanwhile, its
# log is still there and refuses the batch: a log lapses after a minute (mirror._FORGET_MS).
VIEW_S_MAX = 30.0
# A reply that comes so late proves nothing about such a claim: this process stood still in between, perhaps before
# it sent anything, and the log may have lapsed by then.
LATE_S = 55.0
AHEAD_MAX: Final = 16  # batches between the stages
LINGER_S: Final = 0.03  # for a larger batch to record


class MirrorFirst(CommitPath):
    """The mirror, the answers, then the record."""

    def __init__(self, parts: CommitParts) -> None:
        super().__init__(parts)
        self._between: asyncio.Queue[list[PacketBatch]] = asyncio.Queue(AHEAD_MAX)

    def loops(self) -> Mapping[str, Loop]:
        """One loop for each stage."""
        return {"mirror": self.run_mirror, "record": self.run_record}

    async def run_mirror(self) -> None:
        """Mirror the gathered claims, answer them, hand them on."""
        while True:
            await self._wait_for_claims()
            with self._rejected_on_failure(self._take()) as taken:
                batch = self._still_fresh(self._still_trusted(taken))
                new = [part for part in batch if not part.live.mirrored]
                mirrored = await self._stores.mirror(batch)
                self._reject(mirrored.refused, "Redis: the log has another length")
                self._reject(mirrored.unknown, mirrored.why)
                held = self._in_time(mirrored.held, new) if new else mirrored.held
                self._answer_won(held)
                if held:
                    await self._between.put(held)

    def _still_fresh(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """Reject what expects no log on an old reading of the record: the log may have been there, and lapsed."""
        least_s = asyncio.get_running_loop().time() - VIEW_S_MAX
        stale = [part for part in batch if not part.live.mirrored and part.live.read_at_s <= least_s]
        self._reject(stale, "the record was read too long ago")
        return without(batch, stale)

    def _in_time(self, held: list[PacketBatch], new: list[PacketBatch]) -> list[PacketBatch]:
        """Reject what expected no log and was answered so late that the log may have lapsed in between."""
        least_s = asyncio.get_running_loop().time() - LATE_S
        late = [part for part in new if part in held and part.live.read_at_s <= least_s]
        self._reject(late, "Redis: the reply came too late")
        return without(held, late)

    async def run_record(self) -> None:
        """Record the mirrored claims, all that are there in one statement."""
        while True:
            with self._rejected_on_failure(joined(await self._mirrored())) as batch:
                await self._record(self._still_trusted(batch))

    async def _mirrored(self) -> list[list[PacketBatch]]:
        """What has been mirrored, up to a batch; after the first it waits for more."""
        batches = [await self._between.get()]
        claims = claims_in(batches[0])
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while claims < BATCH_MAX:
                    batches.append(await self._between.get())
                    claims += claims_in(batches[-1])
        return batches

    async def _record(self, batch: list[PacketBatch]) -> None:
        if not batch:
            return
        outcome = await self._stores.record(batch, told=True)
        self.batches += bool(outcome.recorded)
        self._note_recorded(outcome.recorded)
        self._reject(outcome.refused, outcome.why)
