"""The commit path: decided in memory -> mirrored in Redis -> recorded in PostgreSQL -> answered.

Two stages, each one batch at a time, so one batch is in Redis while the one before it is in PostgreSQL. A batch
holds the claims of many packets. A store rejects packet by packet: rejected opens are retried after a reload, the
rest of the batch goes on. `won` is answered after the record commits (durability `postgres`) or after Redis answers
(`redis`). If Redis refuses or is unavailable: see `CommitPath._mirror_batch`.
The result of each part goes over the bus: ClaimsDurable, ClaimsRecorded, ClaimsRejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from server.core.decisions import WON
from server.core.latency import Histogram
from server.core.limits import Limits
from server.services.packets.batch import (
    ClaimsDurable,
    ClaimsRecorded,
    ClaimsRejected,
    PacketBatch,
    advances_of,
    claims_in,
    count_failure,
    extension,
    joined,
    leave_unmirrored,
    of_packets,
    without,
)
from server.services.packets.live_packet import LivePacket
from server.services.packets.mirror_health import Durability, MirrorHealth
from server.services.packets.requests import PendingRequest
from server.services.runtime.bus import Bus
from server.services.runtime.load_shedding import FEW, NEW_WORK, LoadShedding
from storage.errors import PartlyLocked, StoreUnavailable
from storage.postgres.packets.packets import PacketStore
from storage.redis.mirror import Mirror, PartlyAway

BATCH_MAX = 1_000  # claims; larger batches gain little and every open in them waits longer
UNRECORDED_MAX = 50_000  # claims in flight, however fast the stores are; with durability redis also answered ones
# Durability redis: a batch may expect no log if the record was read at most so long ago. If the packet has finished
# meanwhile, its log is still there and refuses the batch: a log lapses after a minute (mirror._FORGET_MS).
VIEW_S_MAX = 30.0
AHEAD_MAX = 16  # batches between the stages
LINGER_S = 0.03  # durability redis: no open waits for the record, so it takes fewer and larger batches


class CommitPath:
    """Takes decided opens and makes them durable."""

    def __init__(
        self,
        mirror: Mirror,
        packets: PacketStore,
        health: MirrorHealth,
        limits: Limits,
        bus: Bus,
        now_ms: Callable[[], int],
        elapsed_s: Callable[[], float],
    ) -> None:
        """`elapsed_s` is a clock that never jumps: it measures the time that batches take."""
        self._mirror = mirror
        self._packets = packets
        self._health = health
        self.won_after_mirror = health.decides
        self._bus = bus
        self._gathering: dict[LivePacket, PacketBatch] = {}
        self._wake = asyncio.Event()
        self._between: asyncio.Queue[list[PacketBatch]] = asyncio.Queue(AHEAD_MAX)
        self._linger_s = LINGER_S if self.won_after_mirror else 0.0
        self._load_shedding = LoadShedding(BATCH_MAX, limits, UNRECORDED_MAX)
        self._gathered = 0
        self._now_ms = now_ms
        self._elapsed_s = elapsed_s
        self.open_ms = Histogram()  # from the arrival of an open until its `won`
        self.batch_ms: dict[Durability, Histogram] = {"redis": Histogram(), "postgres": Histogram()}
        self.unrecorded = 0  # claims in flight
        self.batches = 0
        self.recorded_claims = 0
        self.recorded_fen = 0
        self.rejected_claims = 0

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

    # --- first stage ------------------------------------------------------------------------------------------

    async def run_mirror(self) -> None:
        """Take the gathered claims, mirror them, hand them on. Never ends; to be supervised."""
        while True:
            await self._wake.wait()
            with self._rejected_on_failure(self._take()) as taken:
                batch = self._still_trusted(taken)
                if self.won_after_mirror:
                    batch = self._still_fresh(batch)
                if self._health.is_up:
                    batch = await self._mirror_batch(batch)
                else:
                    batch = self._without_mirror(batch, "Redis is away")
                if self.won_after_mirror:
                    self._answer_won(batch)
                if batch:
                    await self._between.put(batch)

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
        """Reject what was built on a state that turned out wrong meanwhile."""
        stale = [part for part in batch if part.packet is not part.live.packet]
        self._reject(stale, "built on rejected claims")
        return without(batch, stale)

    def _still_fresh(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """Reject what expects no log on an old reading of the record: the log may have been there, and lapsed."""
        least_s = asyncio.get_running_loop().time() - VIEW_S_MAX
        stale = [part for part in batch if not part.live.mirrored and part.live.read_at_s <= least_s]
        self._reject(stale, "the record was read too long ago")
        return without(batch, stale)

    async def _mirror_batch(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """Mirror a batch; returns the parts that go on to PostgreSQL. Redis may refuse a part, or be unavailable.

        Refused (the log has another length: another server has extended it): the part is rejected, recovery and
        reload read the packet again, then `GrabOpenService._retry` retries the opens. Unavailable, or in a cluster
        the node of the log: see `_without_mirror`.
        """
        lost = self._health.not_taken(batch)
        asked, refused, why = without(batch, lost), set[int](), "Redis: the node of the log is away"
        if not asked:
            return self._without_mirror(lost, why)
        try:
            with self._measured("redis"):
                refused = await self._mirror.append([extension(part) for part in asked])
        except PartlyAway as partly:
            self._health.lost(partly)
            refused, why, lost = partly.refused, str(partly), [*lost, *of_packets(asked, partly.unknown)]
        except StoreUnavailable as error:
            self._health.lost(error)
            return self._without_mirror(batch, str(error))
        self._reject(rejected := of_packets(asked, refused), "Redis: the log has another length")
        if accepted := without(batch, [*rejected, *lost]):
            self._health.wrote()
        for part in accepted:
            part.live.mirrored = True
        return accepted + self._without_mirror(lost, why)

    def _without_mirror(self, batch: list[PacketBatch], why: str) -> list[PacketBatch]:
        """What goes on to PostgreSQL all the same. Durability redis: nothing; the reload (`_give_up`) fails too."""
        if self.won_after_mirror:
            self._reject(batch, why)
            return []
        leave_unmirrored(batch)
        return batch

    # --- second stage -----------------------------------------------------------------------------------------

    async def run_record(self) -> None:
        """Record the mirrored claims, all that are there in one statement. Never ends; to be supervised."""
        while True:
            with self._rejected_on_failure(joined(await self._mirrored())) as batch:
                await self._record_batch(batch)

    async def _mirrored(self) -> list[list[PacketBatch]]:
        """What has been mirrored, up to a batch; with durability redis it waits for more after the first."""
        batches = [await self._between.get()]
        claims = claims_in(batches[0])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                while claims < BATCH_MAX and (self._linger_s or not self._between.empty()):
                    batches.append(await self._between.get())
                    claims += claims_in(batches[-1])
        return batches

    async def _record_batch(self, batch: list[PacketBatch]) -> None:
        batch = self._still_trusted(batch)
        if not batch:
            return
        locked: set[int] = set()
        try:
            with self._measured("postgres"):
                accepted = await self._packets.record(advances_of(batch, self.won_after_mirror))
        except PartlyLocked as partly:
            accepted, locked = partly.accepted, partly.locked
        except StoreUnavailable as error:
            count_failure(batch)
            self._reject(batch, str(error))
            return
        self.batches += 1
        rejected = [part for part in batch if part.live.packet_id not in accepted]
        good = without(batch, rejected)
        if not self.won_after_mirror:
            self._answer_won(good)
        for part in good:
            self._release(part)
            part.live.recorded = part.version + len(part.claims)
            self.recorded_claims += len(part.claims)
            self.recorded_fen += sum([claim.amount_fen for claim in part.claims])
            self._bus.publish(ClaimsRecorded(part))
        count_failure([part for part in rejected if part.live.packet_id in locked])
        self._reject(rejected, "PostgreSQL: the packet has another version, or is locked")

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
                self._load_shedding.end(more_waits=bool(self._gathering) or not self._between.empty())

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
