"""The strikes of a soak as a table. Each begins before its `yield`, lasts, and ends after it."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psutil
from redis import asyncio as aioredis

from bench.chaos.faults import Sql, sql
from bench.chaos.freezing import frozen
from bench.chaos.supervisor import wait_until_ready
from bench.load.usage import find_pids
from server.embedded.stores import POSTGRES, VALKEY, Store

ROLE: Final = "soak"
RIGHTS: Final = f"""
CREATE ROLE {ROLE};
GRANT ALL ON SCHEMA public TO {ROLE};
GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE};
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLE};
ALTER ROLE postgres SET role = {ROLE};
"""
END_SESSIONS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
ADMIN_TIMEOUT_S: Final = 30.0
OPEN_FILES_MAX: Final = 2_048
CONNECTIONS_OF_ADDRESS: Final = 1_000  # fewer than one address may have
CONNECTIONS_AT_ONCE: Final = 500
PAUSE_S: Final = 0.02


class Victim(NamedTuple):
    """A server with its private stores, which its own keeper keeps running."""

    url: str
    data: Path
    postgres_dsn: str
    redis_url: str
    server_pid: int
    open_files: int  # the limit of the server

    def pid(self, store: str) -> int:
        """The process of `postgres` or `redis`; 0 while it does not run."""
        return int(getattr(find_pids(self.data, self.server_pid), store))


class Strike(NamedTuple):
    """One row of STRIKES."""

    name: str
    hold: Callable[[Victim], AbstractAsyncContextManager[None]]
    lasts: bool = True  # for seconds that are drawn; False: its end waits for the recovery


def open_files_of_server() -> int:
    """A limit that a strike can reach: it opens as many files itself."""
    return min(OPEN_FILES_MAX, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2)


def admin(victim: Victim) -> AbstractAsyncContextManager[Sql]:
    """A session of the superuser. (Other sessions take on ROLE, from which rights can be revoked.)"""
    return sql(victim.postgres_dsn, ADMIN_TIMEOUT_S, role="postgres")


async def take_rights(victim: Victim) -> None:
    """The server works as a role that is no superuser from now on."""
    async with admin(victim) as session:
        await session.execute(RIGHTS)
        await session.execute(END_SESSIONS)


@asynccontextmanager
async def _killed(name: str, store: Store, victim: Victim) -> AsyncIterator[None]:
    """The keeper starts it again."""
    pid = victim.pid(name)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.kill()
        await asyncio.to_thread(process.wait, ADMIN_TIMEOUT_S)
    yield
    await wait_until_ready(store, (victim.data / "sockets").resolve())


@asynccontextmanager
async def _frozen(name: str, victim: Victim) -> AsyncIterator[None]:
    with frozen(victim.pid(name)):
        yield


@asynccontextmanager
async def _silent_connections(victim: Victim) -> AsyncIterator[None]:
    """Connections that never log in, up to the server's limit of open files, from several addresses."""
    where, opened = urlsplit(victim.url), list[socket.socket]()
    try:
        for number in range(victim.open_files):
            one = socket.socket()
            opened.append(one)
            one.setblocking(False)
            one.bind((f"127.0.0.{2 + number // CONNECTIONS_OF_ADDRESS}", 0))
            one.connect_ex((where.hostname, where.port))
            if number % CONNECTIONS_AT_ONCE == 0:
                await asyncio.sleep(PAUSE_S)
        yield
    finally:
        for one in opened:
            one.close()


@asynccontextmanager
async def _locked(rows: str, victim: Victim) -> AsyncIterator[None]:
    """Rows that another session keeps locked."""
    async with sql(victim.postgres_dsn, ADMIN_TIMEOUT_S) as session, session.transaction():
        await session.execute(f"SELECT FROM {rows} FOR UPDATE")
        yield


@asynccontextmanager
async def _revoked(victim: Victim) -> AsyncIterator[None]:
    """No claim can be recorded."""
    async with admin(victim) as session:
        await session.execute(f"REVOKE INSERT ON claims FROM {ROLE}")
        try:
            yield
        finally:
            await session.execute(f"GRANT INSERT ON claims TO {ROLE}")


@asynccontextmanager
async def _redis_without_memory(victim: Victim) -> AsyncIterator[None]:
    async with aioredis.Redis.from_url(victim.redis_url) as redis:
        await redis.config_set("maxmemory", "1")
        try:
            yield
        finally:
            await redis.config_set("maxmemory", "0")


@asynccontextmanager
async def read_only(session: Sql) -> AsyncIterator[None]:
    """The whole server is read only inside, as an operator fences an old primary: sessions go on, and read."""
    await _set_read_only(session, "on")
    try:
        yield
    finally:
        await _set_read_only(session, "off")


async def _set_read_only(session: Sql, value: str) -> None:
    await session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    await session.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(10):
        while await session.fetchval("SHOW default_transaction_read_only") != value:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _postgres_read_only(victim: Victim) -> AsyncIterator[None]:
    async with admin(victim) as session, read_only(session):
        yield


STRIKES: Final = (
    Strike("kill PostgreSQL", partial(_killed, "postgres", POSTGRES), lasts=False),
    Strike("kill Valkey", partial(_killed, "redis", VALKEY), lasts=False),
    Strike("silent connections up to the limit of open files", _silent_connections),
    Strike("lock every second wallet", partial(_locked, "wallets WHERE user_id % 2 = 0")),
    Strike("lock the open packets", partial(_locked, "packets WHERE closed_at_ms IS NULL")),
    Strike("revoke a right", _revoked),
    Strike("freeze PostgreSQL", partial(_frozen, "postgres")),
    Strike("freeze Valkey", partial(_frozen, "redis")),
    Strike("Redis without memory", _redis_without_memory),
    Strike("PostgreSQL read only", _postgres_read_only),
)
