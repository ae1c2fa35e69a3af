"""Whoever breaks things: draws faults by a seed, one after the other, and looks how soon money moves again."""

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
OVERTIME_S: Final = 60.0  # at most: for kills that are owed when the time is over
OTHERS_PER_KILL: Final = 1 / 3  # faults that kill nothing; they last longer
BACK_WITHIN_S: Final = 30.0
ALONE: Final = 0.75  # so many faults are over before the next one; the others overlap with it
BETWEEN_S: Final = (0.2, 3.0)  # how long something is frozen, cut or stalled
LOOK_S: Final = 0.01


class Nemesis:
    """Breaks one thing after the other."""

    def __init__(self, field: Cluster, history: History, seed: int, seconds: float, tier: str) -> None:
        self.field = field
        self.draw = random.Random(f"nemesis {seed}")
        self.outage_s = min(OUTAGE_S, seconds * OUTAGE_SHARE)
        self._history = history
        self._seed = seed
        self._seconds = seconds
        self._faults = [one for one in FAULTS if one.only_tier in {"", tier}]
        self.kills: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()  # there was nothing to hit at that moment, or no means to
        self.recovery_s: list[float] = []
        self.stuck: list[str] = []
        self.now = ""

    def length_s(self) -> float:
        """How long this one lasts."""
        return self.draw.uniform(*BETWEEN_S)

    async def inject(self, kills: int) -> None:
        """So many kills, and a third as many other faults, at seeded moments of the run; late ones at once.

        Lasts as long as the run. Kills that are owed when its time is over, because faults took longer or found
        nothing to hit, follow in overtime; what is still owed after that is told by the figures.
        """
        began_s = perf_counter()
        deck = self.deck(kills)
        moments_s = arrivals(self._seed, len(deck) / self._seconds, self._seconds)
        for moment_s, fault in zip(moments_s, deck, strict=True):
            await asyncio.sleep(began_s + moment_s - perf_counter())
            if perf_counter() - began_s > self._seconds:
                break
            await self._strike(fault)
        await asyncio.sleep(began_s + self._seconds - perf_counter())
        while self.kills.total() < kills and perf_counter() - began_s < self._seconds + OVERTIME_S:
            await self._strike(*self._some(True, 1))
            await asyncio.sleep(self.length_s())

    def deck(self, kills: int) -> list[Fault]:
        """All faults of a run, in their order."""
        drawn = [*self._some(True, kills), *self._some(False, max(1, round(kills * OTHERS_PER_KILL)))]
        self.draw.shuffle(drawn)
        return drawn

    def _some(self, kills: bool, count: int) -> list[Fault]:
        """Each fault as often as it weighs before any comes again."""
        once = [one for one in self._faults if bool(one.killed) == kills for _ in range(one.weight)]
        drawn: list[Fault] = []
        while len(drawn) < count:
            self.draw.shuffle(once)
            drawn += once
        return drawn[:count]

    async def _strike(self, fault: Fault) -> None:
        self.now = fault.name
        if not await fault.hit(self):
            self.missed[fault.name] += 1
            return
        self.hits[fault.name] += 1
        if fault.killed:
            self.kills[fault.killed] += 1
        if self.draw.random() < ALONE:
            await self._recovered(fault)
        self.now = ""

    async def _recovered(self, fault: Fault) -> None:
        """Wait for the first answer about money that was asked for after the fault."""
        since_s = perf_counter()
        while self._history.last_ack_s < since_s:
            if perf_counter() - since_s > BACK_WITHIN_S:
                self.stuck.append(f"nothing was answered within {BACK_WITHIN_S:.0f} s of: {fault.name}")
                return
            await asyncio.sleep(LOOK_S)
        self.recovery_s.append(perf_counter() - since_s)

    async def make_peace(self) -> None:
        """Nothing is broken any more."""
        for kept in (self.field.valkey, self.field.postgres, self.field.server):
            kept.signal(signal.SIGCONT)
            kept.release()
        for proxy in (self.field.to_valkey, self.field.to_postgres):
            proxy.lose_reply_to = None
            proxy.flow()
            await proxy.heal()
