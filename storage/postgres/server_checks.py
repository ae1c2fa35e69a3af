"""Checks of PostgreSQL when a server or a command starts. Each refusal is one line that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import asyncpg

from storage.errors import StoreRefused
from storage.postgres.sessions import SQL

if TYPE_CHECKING:
    from storage.postgres.sessions import Connection, Session

LEAST_VERSION: Final = 14
# Sources of a setting that was not chosen by the connection itself.
DEFAULTS: Final = {"default", "configuration file", "database", "user", "database user", "command line", "global"}
_direct: Final[set[str]] = set()  # DSNs that have led to PostgreSQL itself, in this process
_POOLER: Final = (
    "a connection pooler gives each transaction another session; set pool_mode = session for this database "
    "in pgbouncer, or name PostgreSQL itself"
)


async def check_pooler(dsn: str, timeout_s: float) -> None:
    """Refuse a pooler that does not keep a session for its client: settings, locks and LISTEN would be lost.

    Behind a pooler the process id that it tells a client is not that of the session. Then two clients have one
    transaction each at the same time: none must be on a session that the other had. Raises StoreRefused, errors of
    asyncpg, OSError. An address at which there was none is not looked at again.
    """
    if dsn in _direct:
        return
    one: Session = await asyncpg.connect(dsn, timeout=timeout_s, command_timeout=timeout_s, statement_cache_size=0)
    try:
        backend = await _backend(one)
        if backend == one.get_server_pid():
            _direct.add(dsn)
            return
        other: Session = await asyncpg.connect(
            dsn, timeout=timeout_s, command_timeout=timeout_s, statement_cache_size=0
        )
        try:
            async with other.transaction():
                taken = await other.fetchval(SQL["backend"])
                again = await _backend(one)
        finally:
            other.terminate()
    except asyncpg.ConnectionDoesNotExistError as error:
        if isinstance(error.__cause__, asyncpg.ProtocolViolationError):  # a pooler that refuses transactions
            raise StoreRefused(f"{_POOLER} ({error.__cause__})") from error
        raise
    finally:
        one.terminate()
    if backend != again or taken == backend:
        raise StoreRefused(_POOLER)


async def _backend(connection: Session) -> int:
    """The process of the session that a client has now, in a transaction: its statements may be on several."""
    async with connection.transaction():
        return int(await connection.fetchval(SQL["backend"]))


async def check_server(connection: Connection) -> None:
    """Raises StoreRefused if records must not be kept here."""
    version = connection.get_server_version().major
    if version < LEAST_VERSION:
        raise StoreRefused(f"PostgreSQL {version} is too old, {LEAST_VERSION} is the least")
    for setting in await connection.fetch(SQL["promises_nothing"]):
        raise StoreRefused(f"PostgreSQL runs with {setting[0]} = off: a commit would promise nothing")
    encoding = await connection.fetchval(SQL["encoding"])
    if encoding != "UTF8":
        raise StoreRefused(
            f"the database has the encoding {encoding}, names and texts need UTF8; make it with "
            "CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
        )
    if await connection.fetchval(SQL["replication_role"]) != "origin":
        raise StoreRefused("session_replication_role is set for this role: triggers would not run; RESET it")


async def find_schema(connection: Connection) -> str:
    """The schema of the records, or the one for them, quoted: a later default for the search path moves nothing.

    Raises StoreRefused.
    """
    found = await connection.fetchval(SQL["found_schema"])
    if found is not None:
        return str(found)
    is_default = await connection.fetchval(SQL["chosen_by"]) in DEFAULTS
    other = await connection.fetchval(SQL["other_schema"]) if is_default else None
    if other is not None:
        raise StoreRefused(
            f"the records are in the schema {other}, which is not in the search path of this role; "
            f"ALTER ROLE … SET search_path = {other}, or name the schema for new ones: ?search_path=… in the DSN"
        )
    first = await connection.fetchval(SQL["first_schema"])
    if first is None:
        raise StoreRefused(
            "the role may use no schema of its search path; GRANT USAGE, CREATE ON SCHEMA public, "
            "or ALTER ROLE … SET search_path"
        )
    return str(first)
