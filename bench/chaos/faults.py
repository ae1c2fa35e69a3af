"""What can be broken, and how: a table of faults. Each hits what it is about, lasts, and mends it again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import asyncpg
import psutil
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench.chaos.proxy import Proxy
from bench.chaos.supervisor import SupervisedProcess
from server.embedded.run import account

if TYPE_CHECKING:
    from bench.chaos.nemesis import Nemesis

QUOTA_S: Final = 1.0
QUOTA_BYTES: Final = 8 << 20  # half of a segment of PostgreSQL's log
AOF_BYTES: Final = 3_000  # so much may still be appended


class Cluster(NamedTuple):
    """All that can be hit."""

    server: SupervisedProcess
    valkey: SupervisedProcess
    postgres: SupervisedProcess
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


@asynccontextmanager
async def _sql(field: Cluster) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(field.postgres_dsn, timeout=2)
    try:
        yield connection
    finally:
        connection.terminate()


async def _backend(field: Cluster) -> int | None:
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
        kept: SupervisedProcess = getattr(nemesis.field, target)
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
        kept: SupervisedProcess = getattr(nemesis.field, target)
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
        kept: SupervisedProcess = getattr(nemesis.field, target)
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
