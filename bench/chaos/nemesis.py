"""Whoever breaks things: a table of faults, drawn by a seed; after each a look at how soon money moves again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import asyncpg
import psutil
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench import plan
from bench.chaos.history import History
from bench.chaos.keeper import Kept
from bench.chaos.proxy import Proxy
from server.embedded.run import account

OUTAGE_S: Final = 10.0
OUTAGE_SHARE: Final = 1 / 6  # of the whole run, at most
BACK_WITHIN_S: Final = 30.0
ALONE: Final = 0.75  # so many faults are over before the next one; the others overlap with it
BETWEEN_S: Final = (0.2, 3.0)  # how long something is frozen, cut or stalled
QUOTA_S: Final = 1.0
QUOTA_BYTES: Final = 8 << 20  # half of a segment of PostgreSQL's log
AOF_BYTES: Final = 3_000  # so much may still be appended
LOOK_S: Final = 0.01


class Battlefield(NamedTuple):
    """All that can be hit."""

    server: Kept
    valkey: Kept
    postgres: Kept
    to_valkey: Proxy
    to_postgres: Proxy
    postgres_dsn: str  # past the proxy
    redis_url: str
    valkey_folder: Path


class Fault(NamedTuple):
    """One row of FAULTS."""

    name: str
    hit: Callable[[Nemesis], Awaitable[bool]]  # False: there was nothing to hit
    killed: str = ""  # what it kills with SIGKILL
    weight: int = 1
    only_tier: str = ""


class Nemesis:
    """Breaks one thing after the other."""

    def __init__(self, field: Battlefield, history: History, seed: int, seconds: float, tier: str) -> None:
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
        self._ends_s = 0.0

    def length_s(self) -> float:
        """How long this one lasts."""
        return self.draw.uniform(*BETWEEN_S)

    async def rage(self, kills: int) -> None:
        """So many kills, and half as many other faults, at seeded moments; late ones at once, or not at all."""
        deck = self.deck(kills)
        began_s = perf_counter()
        self._ends_s = began_s + self._seconds
        for moment_s, fault in zip(
            plan.arrivals(self._seed, len(deck) / self._seconds, self._seconds), deck, strict=True
        ):
            await asyncio.sleep(began_s + moment_s - perf_counter())
            if perf_counter() - began_s > self._seconds:
                return
            await self._strike(fault)

    def deck(self, kills: int) -> list[Fault]:
        """All faults of a run, in their order."""
        drawn = [*self._some(True, kills), *self._some(False, max(1, kills // 2))]
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
            if perf_counter() > self._ends_s:
                return  # nobody asks for anything new; whether the rest is answered is looked at in peace
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


# --- how each is done -----------------------------------------------------------------------------------------


@asynccontextmanager
async def _sql(field: Battlefield) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(field.postgres_dsn, timeout=2)
    try:
        yield connection
    finally:
        connection.terminate()


async def _backend(field: Battlefield) -> int | None:
    """The process of PostgreSQL that works for the server: a busy one if there is."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with _sql(field) as connection:
            pid = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " ORDER BY state = 'active' DESC, state_change DESC LIMIT 1"
            )
            return int(pid) if pid is not None else None
    return None


def _kill(target: str) -> Callable[[Nemesis], Awaitable[bool]]:
    async def hit(nemesis: Nemesis) -> bool:
        kept: Kept = getattr(nemesis.field, target)
        return kept.signal(signal.SIGKILL)

    return hit


async def _kill_backend(nemesis: Nemesis) -> bool:
    pid = await _backend(nemesis.field)
    return pid is not None and _signal(pid, signal.SIGKILL)


async def _terminate_backend(nemesis: Nemesis) -> bool:
    pid = await _backend(nemesis.field)
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with _sql(nemesis.field) as connection:
            return bool(await connection.fetchval("SELECT pg_terminate_backend($1)", pid))
    return False


def _freeze(target: str) -> Callable[[Nemesis], Awaitable[bool]]:
    async def hit(nemesis: Nemesis) -> bool:
        kept: Kept = getattr(nemesis.field, target)
        return kept.pid is not None and await _frozen(kept.pid, nemesis.length_s())

    return hit


async def _freeze_backend(nemesis: Nemesis) -> bool:
    pid = await _backend(nemesis.field)
    return pid is not None and await _frozen(pid, nemesis.length_s())


async def _frozen(pid: int, length_s: float) -> bool:
    if not _signal(pid, signal.SIGSTOP):
        return False
    try:
        await asyncio.sleep(length_s)
    finally:
        _signal(pid, signal.SIGCONT)
    return True


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _cut(target: str) -> Callable[[Nemesis], Awaitable[bool]]:
    async def hit(nemesis: Nemesis) -> bool:
        proxy: Proxy = getattr(nemesis.field, target)
        await proxy.cut()
        await asyncio.sleep(nemesis.length_s())
        await proxy.heal()
        return True

    return hit


def _stall(target: str) -> Callable[[Nemesis], Awaitable[bool]]:
    async def hit(nemesis: Nemesis) -> bool:
        proxy: Proxy = getattr(nemesis.field, target)
        proxy.stall()
        await asyncio.sleep(nemesis.length_s())
        proxy.flow()
        return True

    return hit


def _lose_reply(target: str) -> Callable[[Nemesis], Awaitable[bool]]:
    async def hit(nemesis: Nemesis) -> bool:
        proxy: Proxy = getattr(nemesis.field, target)
        proxy.lose_reply_to = b""  # to the next request, whatever it is
        await asyncio.sleep(nemesis.length_s())
        proxy.lose_reply_to = None
        return True

    return hit


def _outage(target: str) -> Callable[[Nemesis], Awaitable[bool]]:
    async def hit(nemesis: Nemesis) -> bool:
        kept: Kept = getattr(nemesis.field, target)
        try:
            await kept.hold()
            await asyncio.sleep(nemesis.outage_s)
        finally:
            kept.release()
        return True

    return hit


async def _flush(nemesis: Nemesis) -> bool:
    with suppress(OSError, RedisError):
        async with aioredis.Redis.from_url(nemesis.field.redis_url) as redis:
            await redis.flushall()
            return True
    return False


async def _fill_postgres(nemesis: Nemesis) -> bool:
    """No file may grow beyond QUOTA_BYTES for a while: tables refuse to grow, a full log makes PostgreSQL panic."""
    pid = nemesis.field.postgres.pid
    if pid is None:
        return False
    try:
        hit = await asyncio.to_thread(_limit_files, pid, str(QUOTA_BYTES))
        await asyncio.sleep(QUOTA_S)
    finally:
        await asyncio.to_thread(_limit_files, pid, "unlimited")
    return hit


async def _fill_valkey(nemesis: Nemesis) -> bool:
    """Its log may grow by AOF_BYTES: Valkey dies in the middle of a write, and comes back without the quota."""
    pid, sizes = nemesis.field.valkey.pid, _sizes(nemesis.field.valkey_folder)
    if pid is None or not sizes:
        return False
    hit = await asyncio.to_thread(_limit_files, pid, str(max(sizes) + AOF_BYTES))
    await asyncio.sleep(QUOTA_S)
    await asyncio.to_thread(_limit_files, pid, "unlimited")
    return hit


def _sizes(folder: Path) -> list[int]:
    with suppress(FileNotFoundError):  # the log is being rewritten
        return [file.stat().st_size for file in folder.glob("appendonlydir/*.aof")]
    return []


def _limit_files(pid: int, most_bytes: str) -> bool:
    """For a process and its children: the parent first, so that no child is born with the old limit."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return False
    hit = _limit_one(pid, most_bytes)
    for child in children:
        _limit_one(child.pid, most_bytes)  # one that has ended meanwhile does not matter
    return hit


def _limit_one(pid: int, most_bytes: str) -> bool:
    """By a program that runs as the stores' user: the kernel lets even root in a container limit only its own."""
    who: dict[str, Any] = {}
    if (store_user := account()) is not None:
        who = {"user": store_user.uid, "group": store_user.gid, "extra_groups": []}
    try:
        command = ["prlimit", f"--fsize={most_bytes}:", "--pid", str(pid)]
        return subprocess.run(command, capture_output=True, **who).returncode == 0
    except OSError:  # there is no such program
        return False


FAULTS: Final = (
    Fault("SIGKILL server", _kill("server"), "server", 4),
    Fault("SIGKILL Valkey", _kill("valkey"), "valkey", 3),
    Fault("SIGKILL a backend of PostgreSQL", _kill_backend, "backend", 3),
    Fault("SIGKILL postmaster", _kill("postgres"), "postmaster", 2),
    Fault("terminate a backend of PostgreSQL", _terminate_backend),
    Fault("freeze server", _freeze("server")),
    Fault("freeze Valkey", _freeze("valkey")),
    Fault("freeze a backend of PostgreSQL", _freeze_backend),
    Fault("cut PostgreSQL off", _cut("to_postgres")),
    Fault("cut Valkey off", _cut("to_valkey")),
    Fault("stall PostgreSQL", _stall("to_postgres")),
    Fault("stall Valkey", _stall("to_valkey")),
    Fault("lose a reply of PostgreSQL", _lose_reply("to_postgres")),
    Fault("lose a reply of Valkey", _lose_reply("to_valkey")),
    Fault("stop PostgreSQL", _outage("postgres")),
    Fault("stop Valkey", _outage("valkey")),
    Fault("fill PostgreSQL's quota", _fill_postgres),
    Fault("fill Valkey's quota", _fill_valkey),
    # In the tier redis a claim is told when Redis has it: to flush Redis then is to burn the books.
    Fault("flush Valkey", _flush, only_tier="postgres"),
)
