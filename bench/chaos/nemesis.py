"""The nemesis: draws faults from a seed, injects one after the other, and measures the time to recover."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from time import perf_counter
from typing import Final

from bench.chaos.faults import FAULTS, Cluster, Fault
from bench.chaos.history import History
from bench.load.load import arrivals

OUTAGE_S: Final = 10.0
OUTAGE_SHARE: Final = 1 / 6  # of the whole run, at most
OVERTIME_S: Final = 60.0  # at most, for kills that are missing at the end of the run
OTHERS_PER_KILL: Final = 1 / 3  # faults that kill nothing; they last longer
RECOVERY_TIMEOUT_S: Final = 30.0
SEPARATE_SHARE: Final = 0.75  # of the faults: recovered before the next one begins; the others overlap with it
DURATION_S: Final = (0.2, 3.0)  # of a freeze, a cut or a stall: least, most
POLL_S: Final = 0.01


class Nemesis:
    def __init__(self, cluster: Cluster, history: History, seed: int, seconds: float, durability: str) -> None:
        self._cluster = cluster
        self._history = history
        self._seed = seed
        self._seconds = seconds
        self._draw = random.Random(f"nemesis {seed}")
        self._faults = [one for one in FAULTS if one.only_durability in {"", durability}]
        self.kills: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()  # nothing to hit at that moment, or no program for it
        self.recovery_s: list[float] = []
        self.stuck: list[str] = []
        self.now = ""

    def duration_s(self) -> float:
        return self._draw.uniform(*DURATION_S)

    async def inject(self, kills: int) -> None:
        """So many kills, and a third as many other faults, at seeded moments of the run; late ones at once.

        Lasts as long as the run. Kills that are missing then, because faults took longer or found nothing to hit,
        follow in overtime; the figures report those that are still missing.
        """
        began_s = perf_counter()
        deck = self.deck(kills)
        for moment_s, fault in zip(
            arrivals(self._seed, len(deck) / self._seconds, self._seconds), deck, strict=True
        ):
            await asyncio.sleep(began_s + moment_s - perf_counter())
            if perf_counter() - began_s > self._seconds:
                break
            await self._inject_one(fault)
        await asyncio.sleep(began_s + self._seconds - perf_counter())
        while self.kills.total() < kills and perf_counter() - began_s < self._seconds + OVERTIME_S:
            await self._inject_one(*self._some(True, 1))
            await asyncio.sleep(self.duration_s())

    def deck(self, kills: int) -> list[Fault]:
        """All faults of a run, in their order."""
        drawn = [*self._some(True, kills), *self._some(False, max(1, round(kills * OTHERS_PER_KILL)))]
        self._draw.shuffle(drawn)
        return drawn

    def _some(self, kills: bool, count: int) -> list[Fault]:
        """Each fault as often as its weight before any is repeated."""
        once = [one for one in self._faults if bool(one.killed) == kills for _ in range(one.weight)]
        drawn: list[Fault] = []
        while len(drawn) < count:
            self._draw.shuffle(once)
            drawn += once
        return drawn[:count]

    async def _inject_one(self, fault: Fault) -> None:
        self.now = fault.name
        seconds = min(OUTAGE_S, self._seconds * OUTAGE_SHARE) if fault.is_outage else self.duration_s()
        if not await fault.hit(self._cluster, seconds):
            self.missed[fault.name] += 1
            return
        self.hits[fault.name] += 1
        if fault.killed:
            self.kills[fault.killed] += 1
        if self._draw.random() < SEPARATE_SHARE:
            await self._wait_for_recovery(fault)
        self.now = ""

    async def _wait_for_recovery(self, fault: Fault) -> None:
        """Wait for the first answer about money to a request that was sent after the fault."""
        since_s = perf_counter()
        while self._history.last_ack_s < since_s:
            if perf_counter() - since_s > RECOVERY_TIMEOUT_S:
                self.stuck.append(f"no answer within {RECOVERY_TIMEOUT_S:.0f} s of: {fault.name}")
                return
            await asyncio.sleep(POLL_S)
        self.recovery_s.append(perf_counter() - since_s)

    async def end_all(self) -> None:
        cluster = self._cluster
        self.now = "no faults"
        for process in (cluster.valkey, cluster.postgres, cluster.server):
            process.signal(signal.SIGCONT)
            process.release()
        for proxy in (cluster.to_valkey, cluster.to_postgres):
            proxy.lose_reply_to = None
            proxy.flow()
            await proxy.heal()
