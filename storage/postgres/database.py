"""Connections to PostgreSQL: a pool for reads, lanes for batch writers, and one word for everything that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from storage.errors import StoreBusy, StoreRefused, StoreUnavailable
from storage.postgres.health_probe import HealthProbe

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

LEAST_VERSION = 14
# A lock of another transaction, a deadlock, statement_timeout, a standby: rolled back for certain.
_BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectInUseError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
)
_AWAY = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidTransactionStateError,  # read only after a failover; a timeout of the server's own
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InternalServerError,
    asyncpg.FeatureNotSupportedError,  # a cached plan that a migration made invalid
)
# a client that loses the network in the middle of a transaction must not hold row locks for hours
_SETTINGS = {"idle_in_transaction_session_timeout": "5000", "client_connection_check_interval": "1000"}


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Turn everything that means "the store is away or gave up" into StoreUnavailable.

    Every other error of PostgreSQL is unknown here. It is an answer: the statement or transaction was rolled back.
    """
    try:
        yield
    except _BUSY as error:
        raise StoreBusy(f"PostgreSQL: {error}") from error
    except _AWAY as error:
        raise StoreUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error


@contextmanager
def _unavailable_when_broken_off(connection: Connection) -> Iterator[None]:
    """Between two steps of a statement asyncpg does not look whether its connection was ended meanwhile."""
    try:
        yield
    except AttributeError as error:
        if not connection.is_closed():
            raise
        raise StoreUnavailable("PostgreSQL: the connection was ended") from error


async def _keep(connection: object) -> None:
    """Nothing to reset: no statement of ours leaves anything behind in a session."""


class Database:
    """One PostgreSQL database. `timeout_s` bounds every connection attempt and every statement.

    Whatever is under way when the database turns out to be away is broken off before that (see HealthProbe).
    """

    def __init__(self, dsn: str, pool_max: int, timeout_s: float) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=pool_max,
            timeout=timeout_s,
            command_timeout=timeout_s,
            reset=_keep,
            server_settings=_SETTINGS,
        )
        self._writers: list[WriterConnection] = []
        self._health = HealthProbe(self._probe)

    async def open(self) -> None:
        """Connect and judge the server. Raises StoreUnavailable, StoreRefused."""
        with unavailable_when_away():
            await self._pool
        async with self.reading() as connection:
            version = connection.get_server_version().major
            if version < LEAST_VERSION:
                raise StoreRefused(f"PostgreSQL {version} is too old, {LEAST_VERSION} is the least")
            for setting in ("fsync", "synchronous_commit"):
                if await connection.fetchval(f"SHOW {setting}") == "off":
                    raise StoreRefused(f"PostgreSQL runs with {setting} = off: a commit would promise nothing")

    @property
    def away(self) -> str:
        """Why it is known to be away; empty: it is not."""
        return self._health.away

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
        for writer in self._writers:
            writer.drop()
        try:
            await asyncio.wait_for(self._pool.close(), self._timeout_s)
        except (TimeoutError, *_AWAY):
            self._pool.terminate()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A pooled connection for reads and for single statements."""
        with self._health.asking(), unavailable_when_away():
            connection = await self._health.unless_away(self._pool.acquire(timeout=self._timeout_s))
            try:
                with self._health.breaking_off(connection.terminate), _unavailable_when_broken_off(connection):
                    yield connection
            finally:
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A pooled connection inside a transaction."""
        async with self.reading() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """Everything as of one moment, read only, for as long as it takes."""
        with unavailable_when_away():
            connection = await asyncpg.connect(self._dsn, timeout=self._timeout_s)
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    yield connection
            finally:
                connection.terminate()

    async def _probe(self) -> None:
        with unavailable_when_away():
            connection = await asyncpg.connect(self._dsn, timeout=self._timeout_s)
            try:
                await connection.execute("SELECT 1")
            finally:
                connection.terminate()

    def writer(self, *, plan_each_time: bool = False) -> WriterConnection:
        """A connection of its own for one writer that has one transaction at a time.

        `plan_each_time`: for statements that join many rows. A plan that was made while the tables were small, and
        kept, would be quadratic.
        """
        settings = _SETTINGS | ({"plan_cache_mode": "force_custom_plan"} if plan_each_time else {})
        writer = WriterConnection(self._dsn, self._timeout_s, self._health, settings)
        self._writers.append(writer)
        return writer


class WriterConnection:
    """A dedicated connection: no round trip to take or give back, and a new one after any failure."""

    def __init__(self, dsn: str, timeout_s: float, health: HealthProbe, settings: dict[str, str]) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._health = health
        self._settings = settings
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """The connection, for one statement by itself. Raises StoreUnavailable: outcome unknown."""
        async with self._turn:
            try:
                with self._health.asking(), unavailable_when_away():
                    connection = await self._health.unless_away(self._connect())
                    breaking_off = self._health.breaking_off(connection.terminate)
                    with breaking_off, _unavailable_when_broken_off(connection):
                        yield connection
            except StoreUnavailable:
                self.drop()
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """The connection, inside a transaction. Raises StoreUnavailable: outcome unknown."""
        async with self.alone() as connection, connection.transaction():
            yield connection

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn, timeout=self._timeout_s, command_timeout=self._timeout_s, server_settings=self._settings
            )
        return self._connection

    def drop(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
