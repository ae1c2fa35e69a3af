"""One seed, one world of the change feed: servers that change records, come and go, and are cut off."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import structlog

from server.services.runtime import change_feed
from server.services.runtime.change_feed import ChangeFeed
from storage.errors import StoreUnavailable
from storage.postgres.change_feed import Change, Topic
from tests.sim.change_feed import FeedTables, Listener, SimChangeFeed
from tests.sim.faults import LATE_S_MAX, TIMEOUT_S, Line, Rates
from tests.sim.loop import SimLoop
from tests.sim.world import logging_to

SERVERS = 3
RECORDS = (1, 2, 3)
LENGTH_S = 20.0
LOOK_S = 0.01
STRIKES = ("cut", "freeze", "stick", "crash", "stop", "all")


class FeedTablesOfWorld:
    """Versions of records. A change notifies in its transaction."""

    def __init__(self) -> None:
        self.feed = FeedTables()
        self.versions = dict.fromkeys(RECORDS, 0)

    def change(self, record: int) -> int:
        self.versions[record] += 1
        self.feed.notify(Topic.CHANGE, Change("group", record, self.versions[record]))
        return self.versions[record]


class FeedServer:
    """One process: its feed, and in memory the version of each record. Its line to the database is its own."""

    def __init__(self, world: FeedWorld, number: int) -> None:
        self.world, self.number = world, number
        self.line = Line(f"line {number}", random.Random(f"{world.seed} {number}"), world.rates, world.trace)
        self.feed: ChangeFeed | None = None
        self.memory: dict[int, int] = {}
        self.stuck_until_s = 0.0  # until then it follows nothing
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        self.world.processes += 1
        place = SimpleNamespace(tables=self.world.tables, feed=self.line)
        self.memory = dict.fromkeys(RECORDS, 0)
        self.feed = ChangeFeed(SimChangeFeed(place), self.world.processes, self.world.loop.time)
        self.feed.on_change("group", self._follow)
        self.feed.on_gap(self._catch_up)
        self.tasks = [self.world.loop.create_task(self.feed.run())]

    async def _follow(self, record: int, version: int) -> None:
        await asyncio.sleep(self.stuck_until_s - self.world.loop.time())
        if self.memory[record] < version:
            read = await self.line.call("read", lambda: self.world.tables.versions[record])
            self.memory[record] = max(self.memory[record], read)

    async def _catch_up(self) -> None:
        read = await self.line.call("read all", lambda: dict(self.world.tables.versions))
        self.memory = {record: max(self.memory[record], read[record]) for record in RECORDS}

    @property
    def listener(self) -> Listener:
        """Its connection that listens."""
        assert self.feed is not None
        listener: Listener = self.feed._store._listener  # type: ignore[attr-defined]
        return listener

    async def change(self, record: int) -> None:
        """As a service does: the commit, its own memory, the others, the reply."""
        feed, began_s = self.feed, self.world.loop.time()
        if feed is None:
            return
        try:
            version = await self.line.call("change", lambda: self.world.tables.change(record))
            self.memory[record] = max(self.memory[record], version)
            await feed.wait_until_told("group", record, version)
        except StoreUnavailable:
            return
        self.world.replied(record, version, self.world.loop.time() - began_s)

    def crash(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.feed = None

    async def stop(self) -> None:
        feed = self.feed
        self.crash()
        if feed is not None:
            await feed.close()

    @property
    def is_bound(self) -> bool:
        """It calls itself current, and not because it was alone when it lost the database: that is allowed."""
        feed = self.feed
        return feed is not None and feed.is_current and self.world.loop.time() < feed._lease_ends_s


class FeedWorld:
    """Everything of one run. A user who asks a current server finds each change that was replied before."""

    def __init__(self, seed: int, rates: Rates | None = None, trace: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(f"feed world {seed}")
        most, latency_s = self.rng.choice((0.0, 0.02, 0.1)), self.rng.choice((0.002, 0.02, 0.2))
        self.rates = rates or Rates(*(self.rng.uniform(0.0, most) for _ in range(4)), latency_s=latency_s)
        self.nemesis_s = self.rng.choice((0.3, 1.0, 5.0))
        self.loop = SimLoop()
        self.lines: list[str] | None = [] if trace else None
        self.tables = FeedTablesOfWorld()
        self.processes = 0
        self.servers = [FeedServer(self, number) for number in range(SERVERS)]
        self.known = dict.fromkeys(RECORDS, 0)  # changes that were replied
        self.violations: list[str] = []
        self.replies = 0
        self.longest_s = 0.0
        self._stops: list[asyncio.Task[None]] = []
        self.looks = 0  # at servers that call themselves current

    def trace(self, *words: Any) -> None:
        """Add one line to the trace."""
        if self.lines is not None:
            self.lines.append(f"{self.loop.time():9.4f}  " + " ".join(map(str, words)))

    def replied(self, record: int, version: int, took_s: float) -> None:
        self.replies += 1
        self.longest_s = max(self.longest_s, took_s)
        self.known[record] = max(self.known[record], version)
        self.trace("replied", record, version)
        self.look()

    def look(self) -> None:
        """As a user does, at each server."""
        for server in self.servers:
            if server.is_bound:
                self.looks += 1
                late = [record for record in RECORDS if server.memory[record] < self.known[record]]
                if late:
                    self.trace("VIOLATION", server.number, late)
                    self.violations.append(f"at {self.loop.time():.4f} s server {server.number} knows not {late}")

    async def _looks(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    async def _changes(self) -> None:
        changes: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(self.rng.expovariate(5.0))
            changes.add(self.loop.create_task(self.rng.choice(self.servers).change(self.rng.choice(RECORDS))))

    async def _nemesis(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self.nemesis_s))
            server, strike = self.rng.choice(self.servers), self.rng.choice(STRIKES)
            self.trace("nemesis", strike, server.number)
            if strike == "cut":
                server.line.restart(self.rng.uniform(0.0, 3.0))
            elif strike == "freeze":
                server.line.freeze(self.rng.uniform(0.1, 4.0))
            elif strike == "stick":
                server.stuck_until_s = self.loop.time() + self.rng.uniform(0.1, 4.0)
            elif strike == "all":
                away_s = self.rng.uniform(0.0, 3.0)
                for one in self.servers:
                    one.line.restart(away_s)
            elif server.feed is not None:
                if strike == "crash":
                    server.crash()
                else:
                    self._stops.append(self.loop.create_task(server.stop()))
                self.loop.call_later(self.rng.uniform(0.0, 3.0), server.start)

    async def _live(self) -> None:
        for server in self.servers:
            server.start()
        tasks = [self.loop.create_task(one) for one in (self._looks(), self._changes(), self._nemesis())]
        await asyncio.sleep(LENGTH_S)
        tasks[2].cancel()
        for server in self.servers:
            server.line.calm()
        await asyncio.sleep(2 * TIMEOUT_S + LATE_S_MAX + change_feed.WAIT_S_MAX)
        self._check_end()
        for task in tasks:
            task.cancel()
        for server in self.servers:
            server.crash()
        await asyncio.sleep(1.0)  # of the world: what was cancelled ends, with the tasks that it waits for

    def _check_end(self) -> None:
        """Without faults every server is current again."""
        for server in self.servers:
            if server.feed is None or not server.feed.is_current:
                self.violations.append(f"server {server.number} is not current at the end")

    def run(self) -> list[str]:
        """Run the world; return its violations, which must be none."""
        self.loop.set_exception_handler(lambda loop, context: self.violations.append(f"unhandled: {context}"))
        with logging_to(_drop):
            try:
                self.loop.run_until_complete(self._live())
            finally:
                self.loop.close()
        return self.violations


def _drop(_logger: Any, _level: str, _event: dict[str, Any]) -> Any:
    raise structlog.DropEvent
