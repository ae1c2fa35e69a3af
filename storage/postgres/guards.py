"""What errors of PostgreSQL and of asyncpg mean: away, busy, or broken off by ourselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from storage.errors import StoreBusy, StoreUnavailable, unavailable
from storage.postgres.giving_up import why_ended

if TYPE_CHECKING:
    from storage.postgres.sessions import Connection

# A lock of another transaction, a deadlock, statement_timeout, a standby: rolled back for certain.
BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectInUseError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
)
AWAY = (
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


# Context managers that are entered for every statement are classes: a generator would cost five times as much.


class unavailable_when_away:  # noqa: N801  called like a function
    """Turn everything that means "the store is away or gave up" into StoreUnavailable, which says where it is.

    Every other error of PostgreSQL is unknown here. It is an answer: the statement or transaction was rolled back.
    """

    __slots__ = ("_dsn",)

    def __init__(self, dsn: str = "") -> None:
        self._dsn = dsn

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, BUSY):
            raise StoreBusy(f"PostgreSQL: {error}") from error
        if isinstance(error, AWAY):
            why = why_ended(error)
            if isinstance(why, asyncio.CancelledError):
                raise why
            raise unavailable("PostgreSQL", why, self._dsn) from error


class unavailable_when_broken_off:  # noqa: N801  called like a function
    """Between two steps of a statement asyncpg does not look whether its connection was ended meanwhile.

    What has stopped a COPY of ours is raised as it is, and not that its session is closed, which came of it.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, asyncpg.InterfaceError) and (ended_by := getattr(self._connection, "ended_by", None)):
            raise ended_by
        if isinstance(error, AttributeError) and self._connection.is_closed():
            why = why_ended(error)
            if isinstance(why, asyncio.CancelledError):
                raise why
            raise StoreUnavailable("PostgreSQL: the connection was ended") from error
