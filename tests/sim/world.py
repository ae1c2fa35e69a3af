"""One seed, one world: two servers on the same stores, users who tap, open and retry, and a nemesis."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, NamedTuple

import structlog

from server.core.decisions import Answer, Decision
from server.core.packet_request import WALLET, Payer, request_of
from server.core.refusals import Reason, RequestRefused
from server.peers.healing import LATER_S
from storage.errors import StoreUnavailable
from tests.sim import check
from tests.sim.bank.plan import AGAIN
from tests.sim.bank.side import BankSide
from tests.sim.campaigns.side import CampaignSide, soon_idle
from tests.sim.clock import EPOCH_MS, JUMP_S, JUMPS_MS
from tests.sim.faults import LATE_S_MAX, TIMEOUT_S, Line, Rates
from tests.sim.group_tables import Group, Membership
from tests.sim.kinds.side import KindsSide, server_part
from tests.sim.logs import Logs
from tests.sim.loop import SimLoop, Stuck
from tests.sim.members import Churn
from tests.sim.peers.side import PeersSide
from tests.sim.plan import GROUP, INVITE, OWNER, SPONSOR, SPONSOR_FEN, START_FEN, Plan, plan_of
from tests.sim.server import PATIENCE_S, SimServer
from tests.sim.sets.side import SetsSide
from tests.sim.standing import Known, Standing
from tests.sim.tables import Tables

SERVERS = 2
STRANGER = 900
DRAIN_S = 120.0  # more than the lifetime of a packet, a log that lapses and a sweep for orphans together
RETRIES = 12


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
    known: Known = Known(0, 0)
    process: int = 0


def kept_plan(plan: Plan) -> Plan:
    """That of the seed."""
    return plan


class World:
    """Everything of one run."""

    def __init__(
        self,
        seed: int,
        defect: Any = None,
        durability: str | None = None,
        trace: bool = False,
        change: Callable[[Plan], Plan] = kept_plan,
    ) -> None:
        """`change`: of the plan of this seed, for a defect that few plans would find."""
        self.seed = seed
        self.defect = defect
        self.loop = SimLoop()
        self.rng = random.Random(f"world {seed}")
        self.plan = change(plan_of(seed))
        if durability is not None:
            self.plan = self.plan._replace(durability=durability)
        self.lines: list[str] | None = [] if trace else None
        self.tables = Tables()
        self.standing = Standing(self.tables)
        self.churn = Churn(self)
        self.logs = Logs(self.loop.time)
        self.postgres = Line("postgres", random.Random(f"postgres {seed}"), self.plan.rates, self.trace)
        self.redis = Line("redis", random.Random(f"redis {seed}"), self.plan.rates, self.trace)
        feed_rates = Rates(*(rate / 10 for rate in self.plan.rates[:-1]), latency_s=self.plan.rates.latency_s)
        self.feed = Line("feed", random.Random(f"feed {seed}"), feed_rates, self.trace)  # to PostgreSQL, too
        time_random = random.Random(f"time {seed}")
        self.time = Line("time", time_random, Rates(latency_s=self.plan.rates.latency_s), self.trace)
        self.database_jump_ms = self.died_ms = 0
        self.local_jumps_ms: dict[int, int] = {}  # by server
        servers = SERVERS if self.plan.peers is None else self.plan.peers.servers
        self.servers = [SimServer(self, number) for number in range(servers)]
        self.violations: list[str] = []
        self.answers: list[ReceivedAnswer] = []
        self.sent: dict[tuple[int, str], list[Any]] = {}  # (sender, key): the outcomes of its attempts
        self.refund_pushes: list[tuple[int, int]] = []
        self.reminders_pushed: Counter[tuple[Any, ...]] = Counter()  # how often each reminder was pushed
        self.balance_pushes: Counter[tuple[int, str, bool]] = Counter()  # (user, reason, more or less): fen
        self.seen: set[int] = set()  # packets that users have seen
        self.open_at_once: list[int] = []  # the packets that users open immediately
        self.calls = 0
        self.starts = 0  # of servers
        self.died_s: dict[int, float] = {}  # when processes were killed
        self.untold: set[int] = set()  # streams, and users, with a change that no server could tell of
        self.funds = dict.fromkeys(self.plan.members, START_FEN)  # what is in the wallets at the beginning
        self.funds |= {SPONSOR: SPONSOR_FEN} if self.plan.has_sponsor else {}
        self.bank_side = BankSide(self) if self.plan.bank is not None else None
        self.kinds_side = KindsSide(self) if self.plan.kinds is not None else None
        self.campaign_side = CampaignSide(self) if self.plan.campaigns is not None else None
        self.peers_side = PeersSide(self) if self.plan.peers is not None else None
        self.sets_side = SetsSide(self) if self.plan.sets is not None else None
        if defect is not None:
            defect.break_stores(self)

    @property
    def sides(self) -> list[Any]:
        """What this world has besides."""
        sides = self.bank_side, self.kinds_side, self.campaign_side, self.peers_side, self.sets_side
        return [one for one in sides if one is not None]

    # --- for servers and stores -------------------------------------------------------------------------------

    def latest_ms(self) -> int:
        """The clock that is ahead: a packet is over when any server may say so, or could when it crashed."""
        return max(self.died_ms, *(server.now_ms() for server in self.servers))

    def clock_ends(self, now_ms: int) -> None:
        """A server crashes, and may have closed what was over by its clock."""
        self.died_ms = max(self.died_ms, min(now_ms, int(self.true_ms()) + check.CLOCKS_DIFFER_MS))

    def made_by_the_dead(self, process: int, whose: Collection[int]) -> None:
        """What a process has asked for is done so late after its death that its peers have looked for it before."""
        if self.loop.time() > self.died_s.get(process, inf) + LATER_S:
            self.untold |= set(whose)

    def true_ms(self) -> float:
        """The time that no server can know."""
        return EPOCH_MS + self.loop.time() * 1000

    def database_ms(self) -> float:
        """The clock of the database."""
        return self.true_ms() + self.database_jump_ms

    def next_call(self) -> int:
        self.calls += 1
        return self.calls

    commits_wait = False  # no standby is simulated

    async def probe_write(self) -> None:
        """As of the database: a commit that changes nothing."""
        await self.postgres.call("probe", lambda: None)

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
            check.refund_is_due(self, event.packet_id)
        elif kind == "Claimed":
            for claim in event.claims:
                check.push_is_true(self, event.packet_id, claim)
        elif kind in ("ClaimsPost", "FinishPost", "RefundPost"):
            check.reminder_is_true(self, event)
        elif kind == "BalanceChange":
            check.balance_is_true(self, event)
        elif kind == "PacketPost":
            check.post_is_true(self, event)
            self._show_packet(event.terms)

    def record_answer(
        self, server: SimServer, user_id: int, packet_id: int, decision: Any, arrived_ms: int, known: Known
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
            known,
            server.process,
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
        payer = WALLET if self.bank_side is None else self.bank_side.by_wallet(user_id)
        await asyncio.gather(*(self.send_packet(packet_request, payer) for _ in range(copies)))

    async def send_packet(
        self, packet_request: tuple[Any, ...], payer: Payer, more: dict[str, Any] | None = None
    ) -> None:
        """Ask for a send until the answer is final, or the user gives up. `more`: what some kinds have besides."""
        outcomes = self.sent[packet_request[0], packet_request[1]]
        known = self.standing.known(packet_request[0])  # a retry may find what the first one did
        for _ in range(RETRIES):
            server = self.rng.choice(self.servers)
            if server.services is not None:
                client_seed = self.rng.randbytes(self.rng.choice((0, 16, 32)))  # another one at each attempt
                outcome = await self._send_once(server, (*packet_request, client_seed), payer, known, more or {})
                outcomes.append(outcome)
                self.trace("sent", server.number, packet_request, outcome)
                if outcome[0] not in AGAIN:
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 1.0))

    async def _send_once(
        self, server: SimServer, packet_request: tuple[Any, ...], payer: Payer, known: Known, more: dict[str, Any]
    ) -> tuple[str, Any]:
        if not await server.admits(packet_request[0]):
            return "unknown", None
        request = request_of(*packet_request, **server_part(server, *packet_request[:2], more))
        outcome, terms = await self.call(
            server, server.running.payments.sender.send(request, payer), *packet_request
        )
        if outcome == "ok":
            check.send_is_true(self, terms, known)
            if "send_at_ms" not in more:
                self._show_packet(terms)
        return outcome, terms

    async def call(self, server: SimServer, work: Any, *words: Any) -> tuple[str, Any]:
        """A request that is awaited: ok and its result, or the reason of its refusal, or unknown."""
        services, call = server.services, self.next_call()
        server.open_calls[call] = (self.loop.time(), *words)
        task = self.loop.create_task(work)
        server.tasks.append(task)
        task.add_done_callback(lambda done: server.open_calls.pop(call, None))
        done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        if not done or task.cancelled() or services is not server.services:
            task.add_done_callback(_read)
            return "unknown", None
        error = task.exception()
        self.trace("outcome", server.number, words, error or "ok")
        if error is None:
            return "ok", task.result()
        if isinstance(error, RequestRefused) and error.reason is not Reason.STORE_UNAVAILABLE:
            return str(error.reason), None
        if not isinstance(error, RequestRefused | StoreUnavailable):
            self.report(f"{words} failed: {error!r}")
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
        await self.open_packet(user_id, terms.packet_id)

    async def _opener(self, user_id: int) -> None:
        """Tap and open the packets shown, sometimes several at a time."""
        while self.loop.time() < self.plan.length_s:
            await asyncio.sleep(self.rng.expovariate(3.0))
            if self.open_at_once:
                packet_id = self.rng.choice(self.open_at_once)
                for _ in range(self.rng.choice((1, 1, 1, 2))):
                    self.spawn(self.open_packet(user_id, packet_id))

    async def _hoarder(self, user_id: int) -> None:
        """Grab the packets shown as fast as possible, and never open."""
        while self.loop.time() < self.plan.length_s:
            await asyncio.sleep(self.rng.uniform(0.05, 0.4))
            if self.seen:
                packet_id = self.rng.choice(sorted(self.seen))
                self.spawn(self.rng.choice(self.servers).ask(user_id, packet_id, None))

    async def open_packet(self, user_id: int, packet_id: int) -> None:
        """Grab and open until the answer is final, or the user gives up. Words that are needed are said."""
        for _ in range(RETRIES):
            server = self.rng.choice(self.servers)
            grabbed = await server.ask(user_id, packet_id, None)
            if isinstance(grabbed, Decision) and grabbed.ticket is not None:
                if self.rng.random() < 0.3:
                    await asyncio.sleep(self.rng.uniform(0.0, self.rng.choice((0.5, 3.0))))
                grabbed = await server.ask(user_id, packet_id, grabbed.ticket.number)
            answer = grabbed.answer if isinstance(grabbed, Decision) else None
            if answer is Answer.WON and self.kinds_side is not None:
                self.kinds_side.opened(user_id, packet_id)
            if answer is Answer.WORDS_NEEDED and self.kinds_side is not None:
                await self.kinds_side.say(user_id, packet_id)
            if answer in (Answer.WON, Answer.CLAIMED, Answer.GONE, Answer.EXPIRED, Answer.NOT_ALLOWED):
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
        if self.plan.clocks_jump:
            strikes += [("the clock of the database jumps", self._set_database_clock)] * 3
            strikes += [("the clock of a server jumps", self._set_local_clock)]
        return strikes if self.bank_side is None else strikes + self.bank_side.strikes()

    def _set_database_clock(self) -> None:
        self.database_jump_ms = self.rng.choice(JUMPS_MS)
        self.loop.call_later(JUMP_S, setattr, self, "database_jump_ms", 0)

    def _set_local_clock(self) -> None:
        number = self.rng.choice(self.servers).number
        self.local_jumps_ms[number] = self.rng.choice(JUMPS_MS)
        self.loop.call_later(JUMP_S, self.local_jumps_ms.pop, number, None)

    def _to_postgres(self, what: str, for_s: float) -> None:
        feeds = [self.feed] if self.bank_side is None else self.bank_side.feeds  # on connections of their own
        feeds = feeds if self.peers_side is None else self.peers_side.feeds
        for line in (self.postgres, *feeds, self.time):
            getattr(line, what)(for_s)

    def _crash(self, server: SimServer) -> None:
        if server.services is not None:
            server.crash()
            self.loop.call_later(self.rng.uniform(0.0, 2.0), self._start, server)

    def _start(self, server: SimServer) -> None:
        """A server that began with a wrong time would have no way to know; refunds wait then (see carried_time)."""
        if self.database_jump_ms or server.number in self.local_jumps_ms:
            self.loop.call_later(0.1, self._start, server)
        else:
            server.start()

    def _evict(self) -> None:
        if ids := self.logs.ids():
            self.logs.drop(self.rng.choice(ids))

    # --- the run ----------------------------------------------------------------------------------------------

    def spawn(self, work: Any) -> None:
        """Run a task beside the others."""
        task = self.loop.create_task(work)
        self._alive[task] = None
        task.add_done_callback(lambda done: self._alive.pop(done, None))

    def _make_group(self) -> None:
        """All users are in it; the first one is its owner."""
        self.tables.know(self.plan.members)
        rows = {user_id: Membership(0, changed_version=1) for user_id in self.plan.members}
        history = [frozenset[int](), frozenset(rows)]
        self.tables.groups[GROUP] = Group(GROUP, "sim", OWNER, invite=INVITE, rows=rows, history=history)

    async def _live(self) -> None:
        self._alive: dict[asyncio.Task[Any], None] = {}
        users = range(1, self.plan.users + 1)
        self._make_group()
        self.tables.wallets |= self.funds
        if self.plan.has_sponsor:
            self.tables.know([SPONSOR])
            self.tables.put_sponsor(SPONSOR, "sponsor")
        for server in self.servers:
            server.start()
        for number in range(self.plan.packets):
            self.spawn(self._sender(self.rng.choice(users), number))
        for user_id in (*users, STRANGER):
            self.spawn(self._opener(user_id))
        for user_id in self.plan.members[self.plan.users :]:
            self.spawn(self._hoarder(user_id))
        if self.plan.churn_s < self.plan.length_s:
            self.spawn(self.churn.run())
        for side in self.sides:
            side.begin()
        nemesis = self.loop.create_task(self._nemesis())
        await asyncio.sleep(self.plan.length_s)
        nemesis.cancel()
        self.trace("calm")
        self._calm()
        await asyncio.sleep(2 * TIMEOUT_S + LATE_S_MAX)  # late effects at the stores may still come
        ends_s = self.loop.time() + DRAIN_S
        while self.loop.time() < ends_s and not self._settled():  # noqa: ASYNC110  stores set no event
            await asyncio.sleep(1.0)
        await asyncio.sleep(2.0)
        check.final_check(self)
        for server in self.servers:
            server.crash()
        for task in list(self._alive):
            task.cancel()
        await asyncio.sleep(0.0)
        await asyncio.sleep(10.0)

    def _calm(self) -> None:
        for line in (self.postgres, self.feed, self.redis, self.time):
            line.calm()
        if self.bank_side is not None:
            self.bank_side.calm()
        if self.peers_side is not None:
            self.peers_side.calm()
        if self.sets_side is not None:
            self.sets_side.calm()

    def _settled(self) -> bool:
        closed = all(row.closed_at_ms is not None for row in self.tables.packets.values())
        waits = any(server.open_calls or server.services is None for server in self.servers)
        left = self.tables.queue or self.tables.outbox
        settled = all(side.is_settled() for side in self.sides)
        return closed and not waits and not left and not self._alive and settled

    def run(self) -> list[str]:
        """Run the world; return its violations, which must be none."""
        self.loop.set_exception_handler(lambda loop, context: self.report(f"unhandled: {context}"))
        with logging_to(self.logged), soon_idle():
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
