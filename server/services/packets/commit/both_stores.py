"""The commit path with durability `postgres`: a batch goes to the mirror and to the record at the same time.

No claim is told before both stores have answered, so the two waits need not add up. What the record says counts;
the mirror holds claims that a PostgreSQL which was replaced after a failure may have lost.

    mirror \\ record   recorded                                refused, or unknown
    held              `won`                                   retried after a reload
    refused           `won`; the packet is read again         retried after a reload
    unknown           `won`                                   retried after a reload

After a refusal, and after an outage of Redis, the next claim writes the whole log again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from server.core.packet_states import PacketEvent, PacketState
from server.services.packets.batch import PacketBatch, leave_unmirrored
from server.services.packets.commit.path import CommitPath
from server.services.packets.commit.stores import MirrorReply, RecordReply
from server.services.runtime.supervised import Loop


class BothStores(CommitPath):
    """Both stores at once."""

    def loops(self) -> Mapping[str, Loop]:
        """One loop: each batch waits for both stores."""
        return {"record": self.run}

    async def run(self) -> None:
        """Take the gathered claims to both stores, and answer them."""
        while True:
            await self._wait_for_claims()
            with self._rejected_on_failure(self._take()) as taken:
                batch = self._still_trusted(taken)
                if batch:
                    await self._commit(batch)

    async def _commit(self, batch: list[PacketBatch]) -> None:
        mirrored, recorded = await self._ask_both(batch)
        leave_unmirrored(mirrored.unknown)
        self.batches += bool(recorded.recorded)
        self._answer_won(recorded.recorded)
        for part in mirrored.refused:
            if part.live.state is PacketState.READY:  # the log has claims of another server: are they recorded?
                part.live.distrust(PacketEvent.DOUBTED)
        self._note_recorded(recorded.recorded)
        self._reject(recorded.refused, recorded.why)

    async def _ask_both(self, batch: list[PacketBatch]) -> tuple[MirrorReply, RecordReply]:
        """Both replies: a packet is not read again while this server still writes to one of its stores."""
        recording = asyncio.create_task(self._stores.record(batch, told=False))
        mirroring = asyncio.create_task(self._stores.mirror(batch))
        await asyncio.wait((recording, mirroring))
        return mirroring.result(), recording.result()
