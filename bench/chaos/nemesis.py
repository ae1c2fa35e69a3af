"""The nemesis: draws faults from a seed, injects one after the other, and measures the time to recover."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from time import perf_counter
from typing import Final, Protocol

from bench.chaos.faults import FAULTS, Cluster, Fault
from bench.load.load import arrivals

OUTAGE_S: Final = 10.0
OUTAGE_SHARE: Final = 1 / 6  # of the whole run, at most
OVERTIME_S: Final = 60.0  # at most, for kills that are missing at the end of the run
OTHERS_PER_KILL: Final = 1 / 3  # faults that kill nothing; they last longer
RECOVERY_TIMEOUT_S: Final = 30.0
SEPARATE_SHARE: Final = 0.75  # of the faults: recovered before the next one begins; the others overlap with it
DURATION_S: Final = (0.2, 3.0)  # of a freeze, a cut or a stall: least, most
POLL_S: Final = 0.01
RESTART_S: Final = 5.0  # after a fault whose recovery is not waited for


class Acknowledged(Protocol):
    """What users were told. `last_ack_s`: the latest start of a try that moved money and was answered."""

    last_ack_s: float


class Nemesis:
    def __init__(
        self,
        cluster: Cluster,
        history: Acknowledged,
        seed: int,
        seconds: float,
        durability: str,
        faults: Sequence[Fault] = FAULTS,
    ) -> None:
        self._cluster = cluster
        self._history = history
        self._seed = seed
        self._seconds = seconds
        self._draw = random.Random(f"nemesis {seed}")
        self._faults = [one for one in faults if one.only_durability in {"", durability}]
        self.kills: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()  # nothing to hit at that moment, or no program for it
        self.recovery_s: list[float] = []
        self.recovered_s: defaultdict[str, list[float]] = defaultdict(list)  # the same, by the name of the fault
        self.stuck: list[str] = []
        self.windows_ms: list[tuple[float, float]] = []  # of the faults, with the recovery; time since 1970
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
        self.now, began_ms = fault.name, time.time() * 1000
        seconds = min(OUTAGE_S, self._seconds * OUTAGE_SHARE) if fault.is_outage else self.duration_s()
        if not await fault.hit(self._cluster, seconds):
            self.missed[fault.name] += 1
            return
        self.hits[fault.name] += 1
        if fault.killed:
            self.kills[fault.killed] += 1
        is_separate = self._draw.random() < SEPARATE_SHARE
        if is_separate:
            await self._wait_for_recovery(fault)
        self.windows_ms.append((began_ms, time.time() * 1000 + (0 if is_separate else RESTART_S * 1000)))
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
        self.recovered_s[fault.name].append(self.recovery_s[-1])

    async def end_all(self) -> None:
        cluster = self._cluster
        self.now = "no faults"
        for process in (cluster.valkey, *cluster.databases, cluster.server, cluster.bank):
            if process is None:
                continue
            process.signal(signal.SIGCONT)
            process.release()
        for proxy in (cluster.to_valkey, cluster.to_postgres, *(one.proxy for one in cluster.further)):
            proxy.lose_reply_to = None
            proxy.flow()
            await proxy.heal()
