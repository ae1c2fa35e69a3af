"""One seed, one world of two sets: users of both open packets of both, and servers credit what they have opened."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import structlog

from server.services.money.settlement import SettlementService
from server.services.packets.commit.path import CommitPath
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from storage.postgres.database import Database
from storage.postgres.sets.places import HOME, Sets
from storage.postgres.sets.settlement import QueueOfSet
from tests.sim.clock import EPOCH_MS
from tests.sim.faults import LATE_S_MAX, TIMEOUT_S, Line, Rates
from tests.sim.loop import SimLoop
from tests.sim.sets import check
from tests.sim.sets.database import SimDatabase
from tests.sim.sets.tables import ClaimKey, SetTables
from tests.sim.world import logging_to

SETS, SERVERS, USERS, PACKETS = 2, 2, 8, 12
LENGTH_S = 12.0
DRAIN_S = 60.0
BATCH_MAX, IDLE_S = 4, 0.3
STRIKES = ("crash", "crash", "set restarts", "set freezes", "link is cut", "wallet is locked")


class SetsServer:
    """One process: the queues and the settlement of both sets, each over a line of its own."""

    def __init__(self, world: SetsWorld, number: int) -> None:
        self.world, self.number = world, number
        self.lines = [
            Line(f"{number}-{one}", random.Random(f"{world.seed} {number} {one}"), world.rates, world.trace)
            for one in range(SETS)
        ]
        self.process = 0
        self.settlements: list[SettlementService] = []
        self.tasks: list[asyncio.Task[Any]] = []

    @property
    def is_running(self) -> bool:
        return bool(self.tasks)

    def start(self) -> None:
        world = self.world
        world.processes += 1
        self.process = process = world.processes
        bus = Bus()
        bus.subscribe(lambda event, audience: world.pushed(process, event), BalanceChange)
        pairs = zip(world.tables, self.lines, strict=True)
        databases = [SimDatabase(tables, line, process, world.look) for tables, line in pairs]
        sets = Sets(cast("list[Database]", databases), lambda number, first_id: number % SETS, range(SETS))
        commit = cast("CommitPath", SimpleNamespace(unrecorded=0))
        queues = [world.queue(sets, number, ()) for number in range(SETS)]
        self.settlements = [SettlementService(one, BATCH_MAX, IDLE_S, world.now_ms, bus, commit) for one in queues]
        world.equip(self)
        loops = [loop for one in self.settlements for loop in (one.run(), one.in_doubt.run())]
        self.tasks = [world.loop.create_task(loop) for loop in loops]

    def crash(self) -> None:
        """As kill -9: commits that were asked for may still be done."""
        for task in self.tasks:
            task.cancel()
        self.tasks, self.settlements = [], []


class SetsWorld:
    """Everything of one run."""

    def __init__(self, seed: int, defect: Any = None, trace: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(f"sets world {seed}")
        most, latency_s = self.rng.choice((0.0, 0.02, 0.1)), self.rng.choice((0.002, 0.02, 0.2))
        self.rates = Rates(*(self.rng.uniform(0.0, most) for _ in range(4)), latency_s=latency_s)
        self.nemesis_s = self.rng.choice((0.3, 1.0, 5.0))
        self.loop = SimLoop()
        self.lines: list[str] | None = [] if trace else None
        self.queue: Callable[..., QueueOfSet] = QueueOfSet
        self.equip: Callable[[SetsServer], None] = lambda server: None
        self.tables = [SetTables(number) for number in range(SETS)]
        known = range(1, USERS - 1)  # the last two are placed with their first claim
        self.tables[HOME].user_sets = {user_id: user_id % SETS for user_id in known}
        self.claims: dict[ClaimKey, int] = {}  # fen
        self.pushes: Counter[tuple[int, int]] = Counter()  # fen by process and user
        self.violations: list[str] = []
        self.processes = self.crashed_between = 0
        if defect is not None:
            defect.break_world(self)
        self.servers = [SetsServer(self, number) for number in range(SERVERS)]

    def trace(self, *words: Any) -> None:
        """Add one line to the trace."""
        if self.lines is not None:
            self.lines.append(f"{self.loop.time():9.4f}  " + " ".join(map(str, words)))

    def now_ms(self) -> int:
        """The time of all servers."""
        return EPOCH_MS + int(self.loop.time() * 1000)

    def report(self, what: str) -> None:
        """Record a violation."""
        self.trace("VIOLATION", what)
        self.violations.append(f"at {self.loop.time():.4f} s: {what}")

    def pushed(self, process: int, event: BalanceChange) -> None:
        """A user is told of a credit, which stands in the books."""
        self.pushes[process, event.user_id] += event.change_fen
        self.trace("pushed", process, event.user_id, event.change_fen)
        check.push_is_true(self, event)

    def look(self) -> None:
        """After each commit: as an audit at this moment would."""
        if not self.violations:
            check.claims_are_in_one_place(self)

    # --- what happens -----------------------------------------------------------------------------------------

    def _claim(self) -> None:
        """A user opens a packet, of either set; its claim is recorded with a row of the queue."""
        key = ClaimKey(self.rng.randint(1, PACKETS), self.rng.randint(1, USERS))
        if key not in self.claims:
            fen = self.rng.choice((1, 50, 700))
            index = sum(one.packet_id == key.packet_id for one in self.claims)
            self.claims[key] = fen
            self.tables[key.packet_id % SETS].claim(key, fen, self.now_ms(), index)
            self.trace("claim", *key, fen)

    async def _claims(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(8.0))
            for _ in range(self.rng.choice((1, 1, 3))):
                self._claim()

    async def _nemesis(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self.nemesis_s))
            server, number, strike = (
                self.rng.choice(self.servers),
                self.rng.randrange(SETS),
                self.rng.choice(STRIKES),
            )
            self.trace("nemesis", strike, server.number, number)
            lasts_s = self.rng.uniform(0.1, 4.0)
            if strike == "crash" and server.is_running:
                self.crashed_between += check.is_between_commits(self)
                server.crash()
                self.loop.call_later(self.rng.uniform(0.0, 2.0), server.start)
            elif strike == "link is cut":
                server.lines[number].restart(lasts_s)
            elif strike == "wallet is locked":
                self._lock(self.tables[number], self.rng.randint(1, USERS), lasts_s)
            elif strike != "crash":
                for one in self.servers:
                    line = one.lines[number]
                    (line.restart if strike == "set restarts" else line.freeze)(lasts_s)

    def _lock(self, tables: SetTables, user_id: int, for_s: float) -> None:
        """A transaction of something else holds a wallet."""
        tables.locked.add(user_id)
        self.loop.call_later(for_s, tables.locked.discard, user_id)

    async def _live(self) -> None:
        for server in self.servers:
            server.start()
        claims, nemesis = (self.loop.create_task(one) for one in (self._claims(), self._nemesis()))
        await asyncio.sleep(LENGTH_S)
        claims.cancel()
        nemesis.cancel()
        for server in self.servers:
            for line in server.lines:
                line.calm()
        await asyncio.sleep(2 * TIMEOUT_S + LATE_S_MAX)
        ends_s = self.loop.time() + DRAIN_S
        while self.loop.time() < ends_s and any(one.queue for one in self.tables):  # noqa: ASYNC110
            await asyncio.sleep(1.0)
        await asyncio.sleep(2.0)
        check.final_check(self)
        for server in self.servers:
            server.crash()
        await asyncio.sleep(0.0)

    def run(self) -> list[str]:
        """Run the world; return its violations, which must be none."""
        self.loop.set_exception_handler(lambda loop, context: self.report(f"unhandled: {context}"))
        with logging_to(_drop):
            try:
                self.loop.run_until_complete(self._live())
            finally:
                self.loop.close()
        return self.violations


def _drop(_logger: Any, _level: str, _event: dict[str, Any]) -> Any:
    raise structlog.DropEvent
