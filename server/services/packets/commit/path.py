"""The commit path: decided in memory -> mirrored in Redis and recorded in PostgreSQL -> answered.

A batch holds the claims of many packets. A store rejects packet by packet: rejected opens are retried after a
reload, the rest of the batch goes on. In which order a batch goes to the stores depends on the durability:

    postgres   both_stores.py           to both at once; `won` is answered when both have answered
    redis      mirror_first.py   to Redis, then `won` is answered, then to PostgreSQL in larger batches

The result of each part goes over the bus: ClaimsDurable, ClaimsRecorded, ClaimsRejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from server.core.decisions import WON
from server.core.latency import Histogram
from server.core.limits import Limits
from server.services.packets.batch import (
    ClaimsDurable,
    ClaimsRecorded,
    ClaimsRejected,
    PacketBatch,
    count_failure,
    without,
)
from server.services.packets.commit.stores import CommitStores
from server.services.packets.live_packet import LivePacket
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.requests import PendingRequest
from server.services.runtime.bus import Bus
from server.services.runtime.load_shedding import FEW, NEW_WORK, LoadShedding
from server.services.runtime.supervised import Loop
from storage.postgres.packets.packets import PacketStore
from storage.redis.mirror import Mirror

BATCH_MAX: Final = 1_000  # claims; larger batches gain little and every open in them waits longer
# Claims in flight, however fast the stores are; with durability redis also answered ones.
UNRECORDED_MAX: Final = 50_000


class CommitParts(NamedTuple):
    """What a commit path works with. `elapsed_s` is a clock that never jumps: it measures how long batches take."""

    packets: PacketStore
    mirror: Mirror
    health: MirrorHealth
    limits: Limits
    bus: Bus
    now_ms: Callable[[], int]
    elapsed_s: Callable[[], float]


class CommitPath:
    """Takes decided opens and makes them durable. The order of the stores is that of a subclass."""

    def __init__(self, parts: CommitParts) -> None:
        self.won_after_mirror = parts.health.decides
        self._bus = parts.bus
        self._gathering: dict[LivePacket, PacketBatch] = {}
        self._wake = asyncio.Event()
        self._load_shedding = LoadShedding(BATCH_MAX, parts.limits, UNRECORDED_MAX)
        stores = parts.mirror, parts.packets, parts.health
        self._stores = CommitStores(*stores, self._load_shedding, parts.elapsed_s)
        self._gathered = 0
        self._now_ms = parts.now_ms
        self.open_ms = Histogram()  # from the arrival of an open until its `won`
        self.batch_ms = self._stores.batch_ms
        self.unrecorded = 0  # claims in flight
        self.batches = 0
        self.recorded_claims = 0
        self.recorded_fen = 0
        self.rejected_claims = 0

    def loops(self) -> Mapping[str, Loop]:
        """The loops that take batches to the stores, by name; they never end, and are to be supervised."""
        raise NotImplementedError

    @property
    def overloaded(self) -> bool:
        """A new open would wait too long, or too many claims are in flight."""
        return self.unrecorded >= UNRECORDED_MAX or self._load_shedding.is_too_high(self._untold)

    @property
    def almost_overloaded(self) -> bool:
        """Nothing new should begin."""
        if self.unrecorded < FEW:  # nearly always, and each grab asks
            return False
        return self.unrecorded >= UNRECORDED_MAX * NEW_WORK or self._load_shedding.is_too_high(
            self._untold, NEW_WORK
        )

    @property
    def retry_after_ms(self) -> int:
        """When the claims that are in flight now will have been answered."""
        return self._load_shedding.retry_after_ms(self._untold)

    @property
    def _untold(self) -> int:
        """Claims that wait for the store after which `won` is answered."""
        return self._gathered if self.won_after_mirror else self.unrecorded

    def submit(self, live: LivePacket, request: PendingRequest) -> None:
        """Take an open that was decided as a win; `request.claim` is set."""
        assert request.claim is not None
        assert live.packet is not None
        part = self._gathering.get(live)
        if part is None:
            part = self._gathering[live] = PacketBatch(live, live.packet, request.claim.index)
            live.in_flight += 1
        part.requests.append(request)
        part.claims.append(request.claim)
        self.unrecorded += 1
        self._gathered += 1
        self._wake.set()

    # --- for the loops ----------------------------------------------------------------------------------------

    async def _wait_for_claims(self) -> None:
        """Until there is something to take."""
        if not self._gathering:
            self._load_shedding.rest()
        await self._wake.wait()

    def _take(self) -> list[PacketBatch]:
        """Up to a batch of what was gathered."""
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

    @contextmanager
    def _rejected_on_failure(self, batch: list[PacketBatch]) -> Iterator[list[PacketBatch]]:
        """Inside, an unknown error rejects what is still at the stores: the reload finds what happened."""
        try:
            yield batch
        except Exception as error:
            left = [part for part in batch if not part.released]
            count_failure(left)
            self._reject(left, f"{type(error).__name__}: {error}")
            raise

    def _still_trusted(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """Reject what was built on a state that turned out wrong meanwhile."""
        stale = [part for part in batch if part.packet is not part.live.packet]
        self._reject(stale, "built on rejected claims")
        return without(batch, stale)

    # --- results of a part ------------------------------------------------------------------------------------

    def _answer_won(self, batch: list[PacketBatch]) -> None:
        now_ms, waited_ms, reply = self._now_ms(), self.open_ms.add, self._bus.reply
        for part in batch:
            part.live.durable = part.version + len(part.requests)
            decision_for = part.packet.decision_for
            for request, claim in zip(part.requests, part.claims, strict=True):
                if not request.answered:
                    waited_ms(now_ms - request.at_ms)
                    reply(request, decision_for(WON, claim))
            self._bus.publish(ClaimsDurable(part))

    def _note_recorded(self, batch: list[PacketBatch]) -> None:
        """These parts have left the stores: their claims stand in the books."""
        for part in batch:
            self._release(part)
            part.live.recorded = part.version + len(part.claims)
            self.recorded_claims += len(part.claims)
            self.recorded_fen += sum([claim.amount_fen for claim in part.claims])
            self._bus.publish(ClaimsRecorded(part))

    def _reject(self, batch: list[PacketBatch], why: str) -> None:
        for part in batch:
            self._release(part)
            part.live.reject(part.requests)
            self.rejected_claims += len(part.requests)
            self._bus.publish(ClaimsRejected(part, why))

    def _release(self, part: PacketBatch) -> None:
        """A part has left the stores."""
        part.released = True
        part.live.in_flight -= 1
        self.unrecorded -= len(part.requests)
