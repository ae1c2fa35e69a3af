"""The faults as a table. Each hits its target, lasts for a time, and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg
import psutil
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench.chaos.proxy import Proxy
from bench.chaos.sets.processes import FurtherSet, SetsUnderChaos
from bench.chaos.supervisor import SupervisedProcess
from bench.chaos.workers.processes import WorkersUnderChaos
from server.embedded.run import account

QUOTA_S: Final = 1.0
QUOTA_BYTES: Final = 8 << 20  # half of a segment of PostgreSQL's log
AOF_BYTES: Final = 3_000  # so many may still be appended

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Cluster(NamedTuple):
    """All targets of faults."""

    server: SupervisedProcess
    valkey: SupervisedProcess
    postgres: SupervisedProcess
    to_valkey: Proxy
    to_postgres: Proxy
    postgres_dsn: str  # past the proxy
    redis_url: str
    valkey_folder: Path
    bank: SupervisedProcess | None = None
    workers: WorkersUnderChaos | None = None  # of a server that has several
    sets: SetsUnderChaos | None = None  # beside the PostgreSQL above, which is set 0

    @property
    def dsns(self) -> list[str]:
        """All sets, past the proxies."""
        return [self.postgres_dsn, *(one.dsn for one in self.further)]

    @property
    def databases(self) -> list[SupervisedProcess]:
        """The PostgreSQLs of all sets."""
        return [self.postgres, *(one.process for one in self.further)]

    @property
    def further(self) -> tuple[FurtherSet, ...]:
        """The sets beside set 0."""
        return self.sets.further if self.sets is not None else ()

    @property
    def failed_starts(self) -> list[str]:
        """Why starts of stores failed."""
        return [why for one in (*self.databases, self.valkey) for why in one.failed_starts]


Hit = Callable[[Cluster, float], Awaitable[bool]]  # (cluster, seconds); False: there was nothing to hit


class Fault(NamedTuple):
    """One row of FAULTS."""

    name: str
    hit: Hit
    killed: str = ""  # the target of its SIGKILL
    weight: int = 1
    is_outage: bool = False  # lasts longer
    only_durability: str = ""


@asynccontextmanager
async def sql(dsn: str, timeout_s: float = 2.0, **settings: str) -> AsyncIterator[Sql]:
    """A session with these settings, cut off at the end: its transaction is rolled back."""
    connection = await asyncpg.connect(dsn, timeout=timeout_s, server_settings=settings)
    try:
        yield connection
    finally:
        connection.terminate()


async def _backend(cluster: Cluster) -> int | None:
    """The process of PostgreSQL that works for the server: a busy one if there is one."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with sql(cluster.postgres_dsn) as connection:
            pid = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " ORDER BY state = 'active' DESC, state_change DESC LIMIT 1"
            )
            return int(pid) if pid is not None else None
    return None


async def _signal(target: str, number: signal.Signals, cluster: Cluster) -> int:
    """Send a signal; returns the process id, 0 if there was no process."""
    pid = await _backend(cluster) if target == "backend" else getattr(cluster, target).pid
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, number)
            return int(pid)
    return 0


async def kill(target: str, cluster: Cluster, _: float) -> bool:
    """SIGKILL: ends a process in the middle of whatever is under way."""
    return await _signal(target, signal.SIGKILL, cluster) != 0


async def freeze(target: str, cluster: Cluster, seconds: float) -> bool:
    """SIGSTOP, and SIGCONT afterwards: the process keeps all connections and answers none."""
    pid = await _signal(target, signal.SIGSTOP, cluster)
    try:
        await asyncio.sleep(seconds if pid else 0)
    finally:
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGCONT)
    return pid != 0


async def _terminate_backend(cluster: Cluster, _: float) -> bool:
    pid = await _backend(cluster)
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with sql(cluster.postgres_dsn) as connection:
            return bool(await connection.fetchval("SELECT pg_terminate_backend($1)", pid))
    return False


async def _stop(target: str, cluster: Cluster, seconds: float) -> bool:
    process: SupervisedProcess = getattr(cluster, target)
    try:
        await process.hold()
        await asyncio.sleep(seconds)
    finally:
        process.release()
    return True


async def _cut(target: str, cluster: Cluster, seconds: float) -> bool:
    proxy: Proxy = getattr(cluster, target)
    await proxy.cut()
    await asyncio.sleep(seconds)
    await proxy.heal()
    return True


async def _stall(target: str, cluster: Cluster, seconds: float) -> bool:
    proxy: Proxy = getattr(cluster, target)
    proxy.stall()
    await asyncio.sleep(seconds)
    proxy.flow()
    return True


async def _lose_reply(target: str, cluster: Cluster, seconds: float) -> bool:
    proxy: Proxy = getattr(cluster, target)
    proxy.lose_reply_to = b""  # to the next request of any kind
    await asyncio.sleep(seconds)
    proxy.lose_reply_to = None
    return True


async def _flush(cluster: Cluster, _: float) -> bool:
    with suppress(OSError, RedisError):
        async with aioredis.Redis.from_url(cluster.redis_url) as redis:
            await redis.flushall()
            return True
    return False


async def _fill_postgres(cluster: Cluster, _: float) -> bool:
    """For a while no file may exceed QUOTA_BYTES: tables refuse to grow, a full log makes PostgreSQL panic."""
    pid = cluster.postgres.pid
    return pid is not None and await _limit_for_a_while(pid, QUOTA_BYTES)


async def _fill_valkey(cluster: Cluster, _: float) -> bool:
    """Valkey's log may grow by AOF_BYTES: it dies in the middle of a write, and starts again without the quota."""
    pid, sizes = cluster.valkey.pid, list[int]()
    with suppress(FileNotFoundError):  # the log is being rewritten
        sizes = [file.stat().st_size for file in cluster.valkey_folder.glob("appendonlydir/*.aof")]
    return pid is not None and bool(sizes) and await _limit_for_a_while(pid, max(sizes) + AOF_BYTES)


async def _limit_for_a_while(pid: int, most_bytes: int) -> bool:
    try:
        hit = await asyncio.to_thread(_limit_files, pid, str(most_bytes))
        await asyncio.sleep(QUOTA_S)
    finally:
        await asyncio.to_thread(_limit_files, pid, "unlimited")
    return hit


def _limit_files(pid: int, most_bytes: str) -> bool:
    """For a process and its children: the parent first, so that no new child has the old limit."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return False
    hit, *_ = [_limit_one(one, most_bytes) for one in (pid, *(child.pid for child in children))]
    return hit


def _limit_one(pid: int, most_bytes: str) -> bool:
    """With a program that runs as the stores' user: in a container even root may only limit its own processes."""
    user: dict[str, Any] = {}
    if (store_user := account()) is not None:
        user = {"user": store_user.uid, "group": store_user.gid, "extra_groups": []}
    try:
        command = ["prlimit", f"--fsize={most_bytes}:", "--pid", str(pid)]
        return subprocess.run(command, capture_output=True, **user).returncode == 0
    except OSError:  # there is no such program
        return False


FAULTS: Final = (
    Fault("SIGKILL server", partial(kill, "server"), "server", 4),
    Fault("SIGKILL Valkey", partial(kill, "valkey"), "valkey", 3),
    Fault("SIGKILL a backend of PostgreSQL", partial(kill, "backend"), "backend", 3),
    Fault("SIGKILL postmaster", partial(kill, "postgres"), "postmaster", 2),
    Fault("terminate a backend of PostgreSQL", _terminate_backend),
    Fault("freeze server", partial(freeze, "server")),
    Fault("freeze Valkey", partial(freeze, "valkey")),
    Fault("freeze a backend of PostgreSQL", partial(freeze, "backend")),
    Fault("cut PostgreSQL off", partial(_cut, "to_postgres")),
    Fault("cut Valkey off", partial(_cut, "to_valkey")),
    Fault("stall PostgreSQL", partial(_stall, "to_postgres")),
    Fault("stall Valkey", partial(_stall, "to_valkey")),
    Fault("lose a reply of PostgreSQL", partial(_lose_reply, "to_postgres")),
    Fault("lose a reply of Valkey", partial(_lose_reply, "to_valkey")),
    Fault("stop PostgreSQL", partial(_stop, "postgres"), is_outage=True),
    Fault("stop Valkey", partial(_stop, "valkey"), is_outage=True),
    Fault("fill PostgreSQL's quota", _fill_postgres),
    Fault("fill Valkey's quota", _fill_valkey),
    # With durability redis, Redis holds claims that are already confirmed: a flush would destroy the records.
    Fault("flush Valkey", _flush, only_durability="postgres"),
)
# With a bank beside the server, which is killed as often.
WITH_BANK: Final = (
    *FAULTS,
    Fault("SIGKILL bank", partial(kill, "bank"), "bank", 4),
    Fault("freeze bank", partial(freeze, "bank"), weight=2),
    Fault("stop bank", partial(_stop, "bank"), is_outage=True),
)
