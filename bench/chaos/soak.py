"""A soak: users who read without pause beside honest users, and strikes; the server itself is never struck."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, NamedTuple

import asyncpg
import psutil
from redis.exceptions import RedisError

from bench.chaos import report, soak_verdict
from bench.chaos.history import UNKNOWN, History
from bench.chaos.readers import Readers
from bench.chaos.run import TOKEN_END_S, audit_books, last_answers, wait_until_settled
from bench.chaos.soak_verdict import Outcome, Request, Struck
from bench.chaos.strikes import STRIKES, Strike, Victim, open_files_of_server, take_rights
from bench.chaos.workload import Workload
from bench.load.run_spec import RunSpec
from bench.load.setup import Say, Setup
from bench.load.target import Target, own_server
from bench.load.transport import LOGIN_TIMEOUT_S
from bench.scenarios.flood import LOGINS_PER_S, OPENS_PER_S, Logins, evenly
from protocol import tokens
from server.embedded.run import EmbeddedError
from server.instance import running
from server.process import LOG, Program, ServerFailed

CALM_PART: Final = 0.1  # of the time
CALM_S: Final = (5.0, 30.0)  # least, most
LASTS_S: Final = (2.0, 6.0)  # a strike: least, most
PROGRESS_S: Final = 5.0
WATCH_S: Final = 0.2
# A store did not come back from an earlier strike, or not from this one.
STRIKE_ERRORS: Final = (
    OSError,
    EmbeddedError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    RedisError,
    psutil.Error,
)
LIMITS: Final = {"packet_lifetime_s": 30.0}  # so that refunds take part; all others are the default
# The limit of open files must be reached by a strike; the command becomes the server, so the process is the same.
FEWER_FILES: Final = ("sh", "-c", 'ulimit -n "$0" && exec "$@"')


class SoakSpec(NamedTuple):
    seconds: float
    seed: int
    durability: str  # postgres, redis
    users: int  # honest ones
    readers: int
    aftermath_s: float = 10.0  # after a strike latencies are not judged
    quiet_s: tuple[float, float] = (3.0, 30.0)  # after the aftermath, before the next strike: least, most

    @property
    def calm_s(self) -> float:
        """The length of the phase without strikes, at the begin."""
        least, most = CALM_S
        return min(most, max(least, self.seconds * CALM_PART))


def plan(seed: int) -> Callable[[], Strike]:
    """Draws strikes: each of them once before any is repeated."""
    draw, deck = random.Random(f"strikes {seed}"), list[Strike]()

    def next_strike() -> Strike:
        if not deck:
            deck.extend(draw.sample(STRIKES, len(STRIKES)))
        return deck.pop()

    return next_strike


def program() -> Program:
    """The server with a limit of open files that a strike reaches."""
    return Program(wrapper=(*FEWER_FILES, str(open_files_of_server())))


def victim_of(target: Target) -> Victim:
    """The same server as the strikes see it."""
    assert target.status is not None
    files = open_files_of_server()
    return Victim(target.url, target.status.parent, target.dsn, target.redis_url, target.pids.server, files)


class Soak:
    """One soak of a server that runs."""

    def __init__(self, spec: SoakSpec, target: Target, say: Say) -> None:
        self._spec = spec
        self._target = target
        self._say = say
        self.victim = victim_of(target)
        self.history = History()
        self.strikes: list[Struck] = []
        self.stuck: list[str] = []
        (generator,) = target.generator_specs(RunSpec("flood", spec.readers, seconds=spec.seconds, seed=spec.seed))
        self._setup = Setup(generator, say)
        self.logins = Logins(self._setup, LOGIN_TIMEOUT_S)
        self._workload = Workload(target.url, self._mint, spec.users, spec.seed, self.history)
        self.readers = Readers(self._setup)
        self._began_s = 0.0
        self._now = "calm"

    def _mint(self, user_id: int) -> str:
        return str(tokens.mint(user_id, TOKEN_END_S, self._target.key_id, self._target.key))

    @property
    def _elapsed_s(self) -> float:
        return perf_counter() - self._began_s

    def _is_over(self) -> bool:
        return self._elapsed_s >= self._spec.seconds

    async def run(self) -> None:
        """The crowd and the strikes, then the last answers. Raises ServerFailed if the server ends."""
        await take_rights(self.victim)
        await self._workload.prepare()
        await self.readers.prepare(self._spec.readers)
        self._began_s = perf_counter()
        helpers = [asyncio.create_task(one()) for one in (self._show_progress, self._strike)]
        try:
            async with asyncio.TaskGroup() as crowd:
                crowd.create_task(self._workload.run(OPENS_PER_S, self._is_over))
                crowd.create_task(self.logins.run(evenly(0.0, self._spec.seconds, LOGINS_PER_S)))
                crowd.create_task(self.readers.run(self._is_over))
                crowd.create_task(self._watch())
            await helpers[1]
            self._now = "the last answers"
            self.stuck += await last_answers(self._workload)
        finally:
            for one in helpers:
                one.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._workload.close()
            self._setup.close()

    async def _watch(self) -> None:
        """End the run at once if the server ends."""
        while not self._is_over():
            self._target.check()
            await asyncio.sleep(WATCH_S)

    # --- the strikes ------------------------------------------------------------------------------------------

    async def _strike(self) -> None:
        """Strikes at drawn moments, one after the other, as long as their aftermath ends in time."""
        spec = self._spec
        draw, next_strike = random.Random(f"moments {spec.seed}"), plan(spec.seed)
        await asyncio.sleep(spec.calm_s)
        while True:
            self._now = ""
            quiet_s = draw.uniform(*spec.quiet_s)
            if self._elapsed_s + quiet_s + LASTS_S[1] + spec.aftermath_s + spec.quiet_s[0] > spec.seconds:
                return
            await asyncio.sleep(quiet_s)
            await self._strike_once(next_strike(), draw.uniform(*LASTS_S))
            self._now = "aftermath"
            await asyncio.sleep(spec.aftermath_s)

    async def _strike_once(self, strike: Strike, lasts_s: float) -> None:
        begin_s, self._now = self._elapsed_s, strike.name
        try:
            async with strike.hold(self.victim):
                await asyncio.sleep(lasts_s if strike.lasts else 0)
        except STRIKE_ERRORS as error:
            self.stuck.append(f"the strike {strike.name} failed: {error!r}")
        self.strikes.append(Struck(strike.name, round(begin_s, 2), round(self._elapsed_s, 2)))
        self._say(f"{begin_s:5.0f} s  strike {len(self.strikes)}: {strike.name}, {self._elapsed_s - begin_s:.1f} s")

    async def _show_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            counts = f"{self.history.acked_claims:>9,} claims  {len(self.logins.done):>7,} logins"
            reads = f"{self.readers.replies.total():>9,} reads  {self._workload.waiting:>5,} waiting"
            self._say(f"{self._elapsed_s:5.0f} s  {counts}  {reads}  {self._now}")

    # --- what was observed ------------------------------------------------------------------------------------

    def requests(self) -> dict[str, list[Request]]:
        """All honest requests by their kind; a login that gave up took as long as a user waits for it."""
        opens = [one for one in self.history.ops if one.kind == "open" and one.answer != UNKNOWN]
        logins = [(start_s, LOGIN_TIMEOUT_S * 1000 if ms is None else ms) for start_s, ms in self.logins.done]
        return {
            "login": [Request(start_s - self._began_s, ms) for start_s, ms in logins],
            "open": [Request(one.call_s - self._began_s, (one.return_s - one.call_s) * 1000) for one in opens],
        }

    def outcome(self, lost: list[str], audit: list[str]) -> Outcome:
        """What the verdict is about."""
        spec, requests, found = self._spec, self.requests(), running(self.victim.data)
        calm = {kind: [one for one in all_ if one.start_s < spec.calm_s] for kind, all_ in requests.items()}
        later = {kind: [one for one in all_ if one.start_s >= spec.calm_s] for kind, all_ in requests.items()}
        return Outcome(
            {kind: soak_verdict.latency(those) for kind, those in calm.items()},
            {
                kind: soak_verdict.latency(soak_verdict.outside(those, self.strikes, spec.aftermath_s))
                for kind, those in later.items()
            },
            self.strikes,
            self.victim.server_pid,
            found.pid if found is not None else 0,
            lost,
            audit,
            self.stuck,
        )


async def run(spec: SoakSpec, say: Say) -> dict[str, Any]:
    """The figures of one soak on fresh stores, which are removed.

    Raises BenchFailed, ClientError, EmbeddedError, SetupFailed, ServerFailed if the server does not start.
    """
    with own_server(spec.durability, LIMITS, say, program(), LIMITS) as target:
        soak = Soak(spec, target, say)
        say(f"{spec.seconds:g} s of soak, the first {spec.calm_s:g} s calm; seed {spec.seed}")
        try:
            await soak.run()
        except* ServerFailed as ended:  # its stores have ended with it
            soak.stuck += [*(str(one) for one in ended.exceptions), "the books were not checked"]
            lost, audited = list[str](), list[str]()
        else:
            await wait_until_settled(target.dsn)
            say("the auditor reads the logs and the books")
            findings, audited = await audit_books([target.dsn], target.seed_keys, soak.history, soak.stuck)
            lost = findings.all
        return figures(spec, soak, soak.outcome(lost, audited))


def figures(spec: SoakSpec, soak: Soak, outcome: Outcome) -> dict[str, Any]:
    """All figures, for the file."""
    history = soak.history
    return {
        "durability": spec.durability,
        "seed": spec.seed,
        "seconds": spec.seconds,
        "calm_s": spec.calm_s,
        "users": spec.users,
        "readers": spec.readers,
        "strikes": [one._asdict() for one in outcome.strikes],
        "calm": {kind: one._asdict() for kind, one in outcome.calm.items()},
        "after": {kind: one._asdict() for kind, one in outcome.after.items()},
        "acked_sends": history.acked_sends,
        "acked_claims": history.acked_claims,
        "unknown": [*(one.answer for one in history.sends), *(one.answer for one in history.ops)].count(UNKNOWN),
        "asked_again": sum(one.tries > 1 for one in history.ops),
        "operations_checked": len(history.ops),
        "reads": dict(soak.readers.replies),
        "logins": len(soak.logins.done),
        "logins_refused": dict(soak.logins.failures),
        "server_pid": [outcome.pid_before, outcome.pid_after],
        "alarms": report.alarms(soak.victim.data / LOG)[: report.NAMED_MAX],
        "broken": soak_verdict.broken(outcome)[: report.NAMED_MAX],
    }
