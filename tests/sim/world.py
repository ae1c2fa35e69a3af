"""One seed, one world: two servers on the same stores, users who tap, open and retry, and a nemesis."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import structlog

from server import config
from server.core.packet import Answer, Decision
from server.core.refusals import Reason, RequestRefused
from server.net.hub import PUSHES
from server.services.assembly import Services
from server.services.packets.requests import GrabRequest, OpenRequest
from server.services.runtime.bus import LOCAL, Bus
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres.chat.groups import GroupRow
from tests.sim import check, stores
from tests.sim.faults import LATE_S_MAX, TIMEOUT_S, Line, Rates
from tests.sim.logs import Logs
from tests.sim.loop import SimLoop, Stuck
from tests.sim.tables import Tables
from tests.sim.tickets import TicketWatch

SERVERS = 2
GROUP = 2**53 + 77
STRANGER = 900
EPOCH_MS = 1_800_000_000_000
DRAIN_S = 120.0  # more than the lifetime of a packet, a log that lapses and a sweep for orphans together
PATIENCE_S = 3.0
RETRIES = 12
SEED_KEYS = {"sim": bytes(32)}
START_FEN = 20_000


class ReceivedAnswer(NamedTuple):
    """One answer as a user received it."""

    at_s: float
    server: int
    user_id: int
    packet_id: int
    answer: str
    index: int = -1
    amount_fen: int = -1
    arrived_ms: int = 0


class Plan(NamedTuple):
    """The parameters of a world, drawn from its seed."""

    durability: str
    users: int
    packets: int
    lifetime_s: float
    rates: Rates
    nemesis_s: float  # mean time between faults of the nemesis
    length_s: float
    skew_ms: int  # difference of the servers' clocks
    hoarders: int  # members who grab and never open
    per_share: int  # tickets per unopened share

    @property
    def members(self) -> range:
        """All users of the group; the hoarders are the last ones."""
        return range(1, self.users + self.hoarders + 1)


def plan(rng: random.Random) -> Plan:
    """Draw a plan: quiet worlds find defects that faults would hide, wild worlds find the others."""
    fault_rate_max = rng.choice((0.0, 0.02, 0.08, 0.2))
    return Plan(
        durability=rng.choice(("postgres", "redis")),
        users=rng.randint(4, 12),
        packets=rng.randint(2, 6),
        lifetime_s=rng.choice((1.0, 2.0, 4.0, 20.0)),
        rates=Rates(
            *(rng.uniform(0.0, fault_rate_max) for _ in range(4)), latency_s=rng.choice((0.002, 0.02, 0.3))
        ),
        nemesis_s=rng.choice((0.5, 2.0, 1e6)),
        length_s=rng.choice((4.0, 10.0)),
        skew_ms=rng.choice((0, 5, 400)),
        hoarders=rng.choice((0, 3, 10)),
        per_share=rng.choice((1, 4)),
    )


@lru_cache(maxsize=16)
def settings(durability: str, lifetime_s: float, per_share: int, node: int) -> config.Config:
    """The config of one server."""
    values = {
        "server.node": node,
        "stores.durability": durability,
        "limits.packet_lifetime_s": lifetime_s,
        "limits.ticket_lifetime_s": 4.0,
        "limits.ticket_grace_s": 1.0,
        "limits.tickets_per_share": per_share,
        "refunds.interval_s": 0.2,
        "settlement.idle_s": 1.0,
        "settlement.batch_max": 7,
    }
    return config.load(None, values, environment={})


class SimServer:
    """One process: its services, its tasks and its unanswered requests. A crash ends all of them."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.services: Services | None = None
        self.bus = Bus()
        self.tickets = TicketWatch(world, 0, 0)
        self.tasks: list[asyncio.Task[None]] = []
        self.open_calls: dict[int, tuple[Any, ...]] = {}

    def now_ms(self) -> int:
        """The clock of this server."""
        return EPOCH_MS + int(self.world.loop.time() * 1000) + self.number * self.world.plan.skew_ms

    def start(self) -> None:
        world = self.world
        bus = Bus()
        bus.subscribe(world.on_push, *PUSHES)
        clock = SimpleNamespace(now_ms=self.now_ms, elapsed_s=world.loop.time, **world.randomness)
        here = settings(world.plan.durability, world.plan.lifetime_s, world.plan.per_share, self.number)
        self.tickets = TicketWatch(world, here.limits.ticket_grace_ms, here.limits.tickets_per_share)
        self.bus, self.services = bus, Services(stores.stores(world), bus, clock, here, here.limits, {}, SEED_KEYS)
        outbox = self.services.outbox
        outbox._store.on_late_commit = outbox.in_doubt.add  # type: ignore[attr-defined]
        world.started(self)
        if world.defect is not None:
            world.defect.break_server(self)
        self.tasks = [world.loop.create_task(self._begin(self.services))]
        self.tasks += [world.loop.create_task(self._supervise(loop())) for loop in self.services.loops()]
        world.trace("start", self.number)

    async def _begin(self, services: Services) -> None:
        with suppress(StoreRefused):
            await services.mirror_health.find_at_start()

    async def _supervise(self, work: Any) -> None:
        try:
            await work
            self.world.report(f"a loop of server {self.number} ended")
        except Exception as error:
            self.world.report(f"a loop of server {self.number} died: {error!r}")

    def crash(self) -> None:
        """kill -9: no work is finished and no request answered; effects in flight at the stores still happen."""
        for task in self.tasks:
            task.cancel()
        self.tasks, self.services = [], None
        self.open_calls.clear()
        self.world.trace("crash", self.number)

    async def ask(self, user_id: int, packet_id: int, ticket: int | None) -> Decision | Reason | None:
        """Grab (no ticket) or open; None: no answer in time, or the server is gone."""
        services, world = self.services, self.world
        if services is None:
            return None
        answer: asyncio.Future[Any] = world.loop.create_future()
        call, arrived_ms = world.next_call(), self.now_ms()
        self.open_calls[call] = (world.loop.time(), user_id, packet_id, ticket)

        def reply(decision: Decision | Reason) -> None:
            if services is not self.services:
                return  # this process is dead
            if self.open_calls.pop(call, None) is None:
                world.report(f"request {call} of user {user_id} was answered twice")
            world.record_answer(self, user_id, packet_id, decision, arrived_ms)
            self.tickets.answered(user_id, packet_id, ticket, decision, arrived_ms)
            if not answer.done():
                answer.set_result(decision)

        world.trace("ask", self.number, user_id, packet_id, "grab" if ticket is None else "open")
        seq = self.bus.expect(reply)
        if not services.changes.is_current:  # as in the dispatch
            reply(Reason.STORE_UNAVAILABLE)
        elif ticket is None:
            services.opens.grab(GrabRequest(packet_id, user_id, arrived_ms, LOCAL, seq))
        else:
            services.opens.open(OpenRequest(packet_id, user_id, arrived_ms, LOCAL, seq, ticket=ticket))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            return None


class World:
    """Everything of one run."""

    def __init__(self, seed: int, defect: Any = None, durability: str | None = None, trace: bool = False) -> None:
        self.seed = seed
        self.defect = defect
        self.loop = SimLoop()
        self.rng = random.Random(f"world {seed}")
        self.plan = plan(random.Random(f"plan {seed}"))
        if durability is not None:
            self.plan = self.plan._replace(durability=durability)
        self.lines: list[str] | None = [] if trace else None
        self.randomness = {
            "random_number": lambda: self.rng.randrange(1, 1 << 62),
            "random_bytes": self.rng.randbytes,
            "random_part": self.rng.random,
        }
        self.tables = Tables()
        self.logs = Logs(self.loop.time)
        self.postgres = Line("postgres", random.Random(f"postgres {seed}"), self.plan.rates, self.trace)
        self.redis = Line("redis", random.Random(f"redis {seed}"), self.plan.rates, self.trace)
        feed_rates = Rates(*(rate / 10 for rate in self.plan.rates[:-1]), latency_s=self.plan.rates.latency_s)
        self.feed = Line("feed", random.Random(f"feed {seed}"), feed_rates, self.trace)  # to PostgreSQL, too
        self.servers = [SimServer(self, number) for number in range(SERVERS)]
        self.violations: list[str] = []
        self.answers: list[ReceivedAnswer] = []
        self.sent: dict[tuple[int, str], list[Any]] = {}  # (sender, key): the outcomes of its attempts
        self.refund_pushes: list[tuple[int, int]] = []
        self.reminders_pushed: Counter[tuple[Any, ...]] = Counter()  # how often each reminder was pushed
        self.balance_pushes: Counter[tuple[int, str]] = Counter()  # (user, reason): fen
        self.seen: set[int] = set()  # packets that users have seen
        self.open_at_once: list[int] = []  # the packets that users open immediately
        self.calls = 0
        if defect is not None:
            defect.break_stores(self)

    # --- for servers and stores -------------------------------------------------------------------------------

    def latest_ms(self) -> int:
        """The clock that is ahead: a packet is over when any server may say so."""
        return max(server.now_ms() for server in self.servers)

    def next_call(self) -> int:
        self.calls += 1
        return self.calls

    def trace(self, *words: Any) -> None:
        """Add one line to the trace."""
        if self.lines is not None:
            self.lines.append(f"{self.loop.time():9.4f}  " + " ".join(map(str, words)))

    def report(self, what: str) -> None:
        """Record a violation."""
        self.trace("VIOLATION", what)
        self.violations.append(f"at {self.loop.time():.4f} s: {what}")

    def logged(self, logger: Any, level: str, event: dict[str, Any]) -> Any:
        """The log of the servers; a critical event is a violation."""
        self.trace("log", level, event)
        if level in ("critical", "exception"):
            self.report(f"log: {event}")
        raise structlog.DropEvent

    def on_push(self, event: Any, audience: Any) -> None:
        """Check a push."""
        kind = type(event).__name__
        if kind == "Refunded":
            self.refund_pushes.append((event.packet_id, event.refunded_fen))
        elif kind == "Claimed":
            for claim in event.claims:
                check.push_is_true(self, event.terms.packet_id, claim)
        elif kind in ("ClaimsPost", "FinishPost", "RefundPost"):
            check.reminder_is_true(self, event)
        elif kind == "BalanceChange":
            check.balance_is_true(self, event)
        elif kind == "PacketPost":
            check.post_is_true(self, event)
            self._show_packet(event.terms)

    def record_answer(
        self, server: SimServer, user_id: int, packet_id: int, decision: Any, arrived_ms: int
    ) -> None:
        """A user receives an answer; the first check compares it with the stores now."""
        claim = getattr(decision, "claim", None)
        answer = str(getattr(decision, "answer", decision))
        one = ReceivedAnswer(
            self.loop.time(),
            server.number,
            user_id,
            packet_id,
            answer,
            -1 if claim is None else claim.index,
            -1 if claim is None else claim.amount_fen,
            arrived_ms,
        )
        self.answers.append(one)
        self.trace("answer", *one[1:7])
        check.answer_is_true(self, one)

    # --- users ------------------------------------------------------------------------------------------------

    async def _sender(self, user_id: int, number: int) -> None:
        """Send one packet with its key until the outcome is known; sometimes as two concurrent requests."""
        rng, key = self.rng, f"key {number}"
        await asyncio.sleep(rng.uniform(0.0, self.plan.length_s / 2))
        shares = rng.randint(1, min(6, self.plan.users))
        kind = rng.choice(("lucky", "lucky", "equal", "personal"))
        target = rng.randint(2, self.plan.users) if kind == "personal" else GROUP
        if target == user_id:
            target = user_id % self.plan.users + 1
        fen = rng.choice((shares * 3, 500, 8_000))
        packet_request = (user_id, key, kind, target, fen, 1 if kind == "personal" else shares, "")
        self.sent[user_id, key] = []
        copies = rng.choice((1, 1, 2))
        await asyncio.gather(*(self._send(packet_request) for _ in range(copies)))

    async def _send(self, packet_request: tuple[Any, ...]) -> None:
        outcomes = self.sent[packet_request[0], packet_request[1]]
        for _ in range(RETRIES):
            server = self.rng.choice(self.servers)
            services = server.services
            if services is not None:
                client_seed = self.rng.randbytes(self.rng.choice((0, 16, 32)))  # another one at each attempt
                outcome = await self._send_once(server, services, (*packet_request, client_seed))
                outcomes.append(outcome)
                self.trace("sent", server.number, packet_request, outcome)
                if outcome[0] != "unknown":
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 1.0))

    async def _send_once(
        self, server: SimServer, services: Services, packet_request: tuple[Any, ...]
    ) -> tuple[str, Any]:
        if not services.changes.is_current:  # as in the dispatch
            return "unknown", None
        call = self.next_call()
        server.open_calls[call] = (self.loop.time(), *packet_request)
        task = self.loop.create_task(services.sends.send(*packet_request))
        server.tasks.append(task)
        task.add_done_callback(lambda done: server.open_calls.pop(call, None))
        done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        if not done or task.cancelled() or services is not server.services:
            task.add_done_callback(_read)
            return "unknown", None
        error = task.exception()
        if error is None:
            terms = task.result()
            check.send_is_true(self, terms)
            self._show_packet(terms)
            return "ok", terms
        if isinstance(error, RequestRefused) and error.reason is not Reason.STORE_UNAVAILABLE:
            return str(error.reason), None
        if not isinstance(error, RequestRefused | StoreUnavailable):
            self.report(f"a send failed: {error!r}")
        return "unknown", None

    def _show_packet(self, terms: Any) -> None:
        """Users see a packet: some open it immediately, others shortly before it expires."""
        if terms.packet_id in self.seen:
            return
        self.seen.add(terms.packet_id)
        if self.rng.random() < 0.5:
            self.open_at_once.append(terms.packet_id)
        for user_id in range(1, self.plan.users + 1):
            if self.rng.random() < 0.4:
                self.spawn(self._open_late(user_id, terms))

    async def _open_late(self, user_id: int, terms: Any) -> None:
        left_s = (terms.expires_at_ms - EPOCH_MS) / 1000 - self.loop.time()
        await asyncio.sleep(max(0.0, left_s - self.rng.uniform(-0.05, 0.5)))
        await self._open(user_id, terms.packet_id)

    async def _opener(self, user_id: int) -> None:
        """Tap and open the packets shown, sometimes several at a time."""
        while self.loop.time() < self.plan.length_s:
            await asyncio.sleep(self.rng.expovariate(3.0))
            if self.open_at_once:
                packet_id = self.rng.choice(self.open_at_once)
                for _ in range(self.rng.choice((1, 1, 1, 2))):
                    self.spawn(self._open(user_id, packet_id))

    async def _hoarder(self, user_id: int) -> None:
        """Grab the packets shown as fast as possible, and never open."""
        while self.loop.time() < self.plan.length_s:
            await asyncio.sleep(self.rng.uniform(0.02, 0.2))
            if self.seen:
                packet_id = self.rng.choice(sorted(self.seen))
                self.spawn(self.rng.choice(self.servers).ask(user_id, packet_id, None))

    async def _open(self, user_id: int, packet_id: int) -> None:
        for _ in range(RETRIES):
            server = self.rng.choice(self.servers)
            grabbed = await server.ask(user_id, packet_id, None)
            if isinstance(grabbed, Decision) and grabbed.ticket is not None:
                if self.rng.random() < 0.3:
                    await asyncio.sleep(self.rng.uniform(0.0, self.rng.choice((0.5, 3.0))))
                grabbed = await server.ask(user_id, packet_id, grabbed.ticket.number)
            final = (Answer.WON, Answer.CLAIMED, Answer.GONE, Answer.EXPIRED, Answer.NOT_ALLOWED)
            if isinstance(grabbed, Decision) and grabbed.answer in final:
                return
            await asyncio.sleep(self.rng.uniform(0.02, 0.6))

    # --- the nemesis ------------------------------------------------------------------------------------------

    async def _nemesis(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self.plan.nemesis_s))
            name, strike = self.rng.choice(self._strikes())
            self.trace("nemesis", name)
            strike()

    def _strikes(self) -> list[tuple[str, Callable[[], None]]]:
        rng = self.rng
        strikes: list[tuple[str, Callable[[], None]]] = [
            ("postgres restarts", lambda: self._to_postgres("restart", rng.uniform(0.0, 3.0))),
            ("redis restarts", lambda: self.redis.restart(rng.uniform(0.0, 3.0))),
            ("postgres freezes", lambda: self._to_postgres("freeze", rng.uniform(0.1, 3.0))),
            ("redis freezes", lambda: self.redis.freeze(rng.uniform(0.1, 3.0))),
            ("a server crashes", lambda: self._crash(rng.choice(self.servers))),
            ("a server crashes", lambda: self._crash(rng.choice(self.servers))),
        ]
        if self.plan.durability == "postgres":  # at durability redis, Redis must keep its claims
            strikes += [("redis is flushed", self.logs.flush), ("redis evicts a log", self._evict)]
        return strikes

    def _to_postgres(self, what: str, for_s: float) -> None:
        for line in (self.postgres, self.feed):
            getattr(line, what)(for_s)

    def _crash(self, server: SimServer) -> None:
        if server.services is not None:
            server.crash()
            self.loop.call_later(self.rng.uniform(0.0, 2.0), server.start)

    def _evict(self) -> None:
        if ids := self.logs.ids():
            self.logs.drop(self.rng.choice(ids))

    # --- the run ----------------------------------------------------------------------------------------------

    # What other worlds add.

    def started(self, server: SimServer) -> None:
        """A process of a server begins."""

    def acts(self) -> None:
        """Begin what happens beside senders and openers."""

    def checks(self) -> None:
        """Check what must hold at the end."""
        check.final_check(self)

    def spawn(self, work: Any) -> None:
        """Run a task beside the others."""
        task = self.loop.create_task(work)
        self._alive[task] = None
        task.add_done_callback(lambda done: self._alive.pop(done, None))

    async def _live(self) -> None:
        self._alive: dict[asyncio.Task[Any], None] = {}
        users = range(1, self.plan.users + 1)
        self.tables.groups[GROUP] = GroupRow(GROUP, "sim", 1, set(self.plan.members))
        self.tables.know(self.plan.members)
        for user_id in self.plan.members:
            self.tables.wallets[user_id] = START_FEN
        for server in self.servers:
            server.start()
        for number in range(self.plan.packets):
            self.spawn(self._sender(self.rng.choice(users), number))
        for user_id in (*users, STRANGER):
            self.spawn(self._opener(user_id))
        self.acts()
        for user_id in self.plan.members[self.plan.users :]:
            self.spawn(self._hoarder(user_id))
        nemesis = self.loop.create_task(self._nemesis())
        await asyncio.sleep(self.plan.length_s)
        nemesis.cancel()
        self.trace("calm")
        for line in (self.postgres, self.feed, self.redis):
            line.calm()
        await asyncio.sleep(2 * TIMEOUT_S + LATE_S_MAX)  # late effects at the stores may still come
        ends_s = self.loop.time() + DRAIN_S
        while self.loop.time() < ends_s and not self._settled():  # noqa: ASYNC110  stores set no event
            await asyncio.sleep(1.0)
        await asyncio.sleep(2.0)
        self.checks()
        for server in self.servers:
            server.crash()
        for task in list(self._alive):
            task.cancel()
        await asyncio.sleep(0.0)
        await asyncio.sleep(10.0)

    def _settled(self) -> bool:
        closed = all(row.closed_at_ms is not None for row in self.tables.packets.values())
        waits = any(server.open_calls or server.services is None for server in self.servers)
        left = self.tables.queue or self.tables.outbox
        return closed and not waits and not left and not self._alive

    def run(self) -> list[str]:
        """Run the world; return its violations, which must be none."""
        self.loop.set_exception_handler(lambda loop, context: self.report(f"unhandled: {context}"))
        with logging_to(self.logged):
            try:
                self.loop.run_until_complete(self._live())
            except Stuck:
                self.report("every task waits and no timer runs")
            finally:
                self.loop.close()
        return self.violations


@contextmanager
def logging_to(processor: Any) -> Iterator[None]:
    """Send the log of the services to a processor, and restore the configuration afterwards."""
    before = structlog.get_config()
    structlog.configure(processors=[processor], wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        yield
    finally:
        structlog.configure(**before)


def _read(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
