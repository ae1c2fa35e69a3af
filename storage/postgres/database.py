"""Connections to PostgreSQL: a pool for reads, lanes for batch writers, and one word for everything that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from storage.errors import StoreUnavailable
from storage.postgres.guards import AWAY, unavailable_when_away, unavailable_when_broken_off
from storage.postgres.health_probe import HealthProbe
from storage.postgres.server_checks import check_pooler, check_server, find_schema
from storage.postgres.sessions import Sessions
from storage.postgres.write_probe import WriteProbe

if TYPE_CHECKING:
    from storage.postgres.sessions import Connection as Connection
    from storage.postgres.sessions import Session

SILENT_S = 10.0  # so long without any answer, a snapshot is given up
LOOK_S = 1.0  # between two looks whether the database still answers
EACH_TIME: Final = {"plan_cache_mode": "force_custom_plan"}
BY_KEY: Final = {"enable_seqscan": "off"}


def _end(connection: Connection) -> None:
    """End a pooled connection. One that was lost meanwhile is back in the pool, and refuses every call."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def _never() -> str:
    return ""


async def _keep(connection: object) -> None:
    """Nothing to reset: no statement of ours leaves anything behind in a session."""


class Database:
    """One PostgreSQL database. `timeout_s` bounds every connection attempt and every statement.

    Whatever is under way when the database turns out to be away is broken off before that (see HealthProbe).
    `writes`: a standby is refused.
    """

    def __init__(self, dsn: str, pool_max: int, timeout_s: float, *, writes: bool = True) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._sessions = Sessions(dsn, timeout_s, writes=writes)
        self._pool = asyncpg.create_pool(
            dsn, min_size=0, max_size=pool_max, reset=_keep, connect=self._sessions.connect_for_pool
        )
        self._has_pool = False  # before `open` there is nothing to close
        self._writers: list[WriterConnection] = []
        self._health = HealthProbe(self._probe)
        self._write_probe = WriteProbe(self._sessions, self._health, self.writer(reads=True).alone, timeout_s)

    async def open(self) -> None:
        """Connect and judge the server. Raises StoreUnavailable, StoreRefused."""
        with unavailable_when_away(self._dsn):
            await self._pool
            self._has_pool = True
            await check_pooler(self._dsn, self._timeout_s)
        async with self.reading() as connection:
            await check_server(connection)
            self._sessions.schema = await find_schema(connection)
            await self._sessions.set(connection)

    @property
    def away(self) -> str:
        """Why it is known to be away; empty: it is not."""
        return self._health.away

    @property
    def commits_wait(self) -> bool:
        """For the disk, or for a standby: what is committed may be recorded much later."""
        return bool(self._write_probe.stalled)

    def hold(self, why: str) -> None:
        """Nothing is asked of it until this is called with an empty reason: it was not there to be opened."""
        self._health.hold(why)

    def twin(self) -> Database:
        """The same database once more, with one connection: to look at it before it is used."""
        return Database(self._dsn, 1, self._timeout_s)

    def connections(self) -> tuple[int, int]:
        """How many the pool has open, and how many of them are idle."""
        return self._pool.get_size(), self._pool.get_idle_size()

    async def version(self) -> str:
        """What the server calls its version. Raises StoreUnavailable."""
        async with self.reading() as connection:
            return str(await connection.fetchval("SHOW server_version"))

    async def close(self) -> None:
        """Close every connection, by force if one does not want to."""
        self._health.close()
        self._write_probe.close()
        for writer in self._writers:
            writer.drop()
        if not self._has_pool:
            return
        try:
            await asyncio.wait_for(self._pool.close(), self._timeout_s)
        except (TimeoutError, *AWAY):
            self._pool.terminate()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A pooled connection for reads and for single statements."""
        with self._health.asking(), unavailable_when_away(self._dsn):
            connection = await self._health.unless_away(self._pool.acquire(timeout=self._timeout_s))
            try:
                breaking_off = self._health.breaking_off(partial(_end, connection))
                with breaking_off, unavailable_when_broken_off(connection), self._sessions.passing_on(connection):
                    yield connection
            finally:
                if getattr(connection, "is_given_up", False):
                    _end(connection)
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A pooled connection inside a transaction. Raises StoreUnavailable, at once while commits do not end."""
        if stalled := self._write_probe.stalled:
            raise StoreUnavailable(stalled)
        async with self.reading() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Session]:
        """Everything as of one moment, read only, for as long as it takes while the database answers others."""
        async with self._unbounded() as one, one.transaction(isolation="repeatable_read", readonly=True):
            yield one

    @asynccontextmanager
    async def long_transaction(self) -> AsyncIterator[Session]:
        """A transaction on a connection of its own, for as long as it takes while the database answers others.

        Raises StoreUnavailable: outcome unknown.
        """
        async with self._unbounded() as connection:
            with self._sessions.passing_on(connection):
                async with connection.transaction():
                    yield connection

    @asynccontextmanager
    async def _unbounded(self) -> AsyncIterator[Session]:
        """A connection whose statements may take any time."""
        with unavailable_when_away(self._dsn):
            connection = await self._sessions.connect(is_bounded=False)
        watch = asyncio.get_running_loop().create_task(self._end_when_silent(connection))
        try:
            with unavailable_when_away(self._dsn), unavailable_when_broken_off(connection):
                yield connection
        except StoreUnavailable:
            if watch.done():
                raise StoreUnavailable(f"PostgreSQL: no answer for {SILENT_S:g} s") from None
            raise
        finally:
            watch.cancel()
            connection.terminate()

    async def _end_when_silent(self, connection: Session) -> None:
        """End a connection, whose statement may take any time, when the database does not answer any more."""
        loop = asyncio.get_running_loop()
        heard_s = loop.time()
        while loop.time() - heard_s < SILENT_S:
            await asyncio.sleep(LOOK_S)
            try:
                async with asyncio.timeout(SILENT_S):
                    await self._probe()
            except (StoreUnavailable, TimeoutError) as error:
                if getattr(error.__cause__, "sqlstate", None) is None:
                    continue
            # an answer, or an error that the database itself reports, such as no free connection
            heard_s = loop.time()
        connection.terminate()

    async def _probe(self) -> None:
        with unavailable_when_away(self._dsn):
            connection = await self._sessions.connect()
            connection.terminate()

    async def probe_write(self) -> None:
        """Commit. Raises StoreUnavailable, also if the database answers but refuses writes."""
        await self._write_probe.probe()

    def writer(
        self, *, plan_each_time: bool = False, by_key: bool = False, reads: bool = False
    ) -> WriterConnection:
        """A connection of its own for one writer that has one transaction at a time. While commits do not end it is
        refused at once, unless it only `reads`.

        `plan_each_time`: for statements that join many rows. A plan that was made while the tables were small, and
        kept, would be quadratic. `by_key`: for statements that find rows by keys and are too frequent to be planned
        each time. A plan that was made while a table was small, and kept, must not read all of it.
        """
        settings = (EACH_TIME if plan_each_time else {}) | (BY_KEY if by_key else {})
        stalled = _never if reads else lambda: self._write_probe.stalled
        writer = WriterConnection(self._sessions, self._health, settings, stalled)
        self._writers.append(writer)
        return writer


class WriterConnection:
    """A dedicated connection: no round trip to take or give back, and a new one after any failure."""

    def __init__(
        self, sessions: Sessions, health: HealthProbe, settings: dict[str, str], stalled: Callable[[], str]
    ) -> None:
        """`stalled`: why no commit is begun; empty: it may be."""
        self._stalled = stalled
        self._sessions = sessions
        self._health = health
        self._settings = settings
        self._connection: Session | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Session]:
        """The connection, for one statement by itself. Raises StoreUnavailable: outcome unknown."""
        async with self._turn:
            if stalled := self._stalled():
                raise StoreUnavailable(stalled)
            try:
                with self._health.asking(), unavailable_when_away(self._sessions.dsn):
                    connection = self._connection
                    if connection is None or connection.is_closed():
                        connection = self._connection = await self._health.unless_away(
                            self._sessions.connect(self._settings)
                        )
                    breaking_off = self._health.breaking_off(connection.terminate)
                    passing_on = self._sessions.passing_on(connection)
                    with breaking_off, unavailable_when_broken_off(connection), passing_on:
                        yield connection
            except StoreUnavailable:
                self.drop()
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """The connection, inside a transaction. Raises StoreUnavailable: outcome unknown."""
        async with self.alone() as connection, connection.transaction():
            yield connection

    def drop(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
