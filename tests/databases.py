"""The databases of tests: each test gets one that is empty and migrated.

Emptying one that was used is a twentieth of the work of copying a new one, so one serves many tests. The session
that empties it stays, too: a new one would first read the catalogue, four fifths of the work. A test may do
anything to its database. If it changed more than rows (another table, a right, a setting), the next test gets a new
one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Final, NamedTuple

import asyncpg

from storage.postgres.database import Database
from storage.postgres.migrate import migrate

USES_MAX: Final = 100  # deleted rows stay in the files
EMPTYING_S: Final = 5.0
# What a test may have changed besides rows: how many there are of each kind, and the newest. A changed row of the
# catalogue is a new version, which has the largest xmin; a copy has the xmin of its template. Statistics are
# written in place.
COUNTED: Final = {
    "pg_class": "",
    "pg_attrdef": "",
    "pg_constraint": "",
    "pg_index": "",
    "pg_trigger": "",
    "pg_proc": "WHERE oid >= 16384",
    "pg_type": "WHERE oid >= 16384",
    "pg_namespace": "WHERE nspname !~ '^pg_'",
}
CATALOGUE: Final = "SELECT concat_ws(' ', {counts}, {settings}, {database})".format(
    counts=", ".join(
        f"(SELECT (count(*), max(xmin::text::bigint)) FROM {table} {which})" for table, which in COUNTED.items()
    ),
    settings="(SELECT array_agg((setdatabase, setrole, setconfig)) FROM pg_db_role_setting)",
    database="(SELECT (datallowconn, datconnlimit, datacl) FROM pg_database WHERE datname = current_database())",
)
OTHER_SESSIONS: Final = """
SELECT bool_and(pg_terminate_backend(pid, 3000)) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
TABLES: Final = (
    "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
SEQUENCES: Final = "SELECT seqrelid::regclass::text, seqstart FROM pg_sequence"


class Migrated(NamedTuple):
    """What a database holds before a test."""

    catalogue: str
    emptying: str  # a query for the statements that bring its rows back to it


class Databases:
    """Makes the databases of one worker in its PostgreSQL. Its loop runs only while the loop of a test does not."""

    def __init__(self, dsn: str, prefix: str = "test") -> None:
        """`prefix`: of the names, other than that of every other maker in this PostgreSQL."""
        self._dsn = dsn
        self._template = f"{prefix}_template"
        self._names = (f"{prefix}_{os.getpid()}_{number}" for number in itertools.count(1))
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._kept = ""  # a database that is ready to be used again
        self._inside: asyncpg.Connection[asyncpg.Record] | None = (
            None  # the session that empties the database used last
        )
        self._inside_of = ""
        self._uses = 0
        self._migrated = self._loop.run_until_complete(self._make_template())

    def dsn_of(self, name: str) -> str:
        """The DSN of one database."""
        return self._dsn.replace("/hongbao?", f"/{name}?")

    def take(self, fresh: bool = False) -> str:
        """The name of an empty, migrated database; `fresh`: one that nothing was ever written to."""
        if self._kept and not fresh:
            name, self._kept = self._kept, ""
            return name
        name = next(self._names)
        # copied as files: half the time, and its end is cheaper too
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY = FILE_COPY")
        return name

    def give_back(self, name: str) -> None:
        """A test has ended: keep its database for the next one, or drop it."""
        self._uses += 1
        if not self._kept and self._uses < USES_MAX and self._loop.run_until_complete(self._emptied(name)):
            self._kept = name
        else:
            self._uses = 0
            self._leave(name)
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop the database that is kept, end the session."""
        self._leave(self._inside_of)
        if self._kept:
            self._execute(f"DROP DATABASE {self._kept} WITH (FORCE)")
        if self._connection is not None:
            self._connection.terminate()
        self._loop.run_until_complete(asyncio.sleep(0))  # the transport closes in the loop's next turn
        self._loop.close()

    async def _make_template(self) -> Migrated:
        await self._statement(f"DROP DATABASE IF EXISTS {self._template} WITH (FORCE)")
        await self._statement(f"CREATE DATABASE {self._template}")
        database = Database(self.dsn_of(self._template), pool_max=1, timeout_s=10)
        await database.open()
        await migrate(database)
        await database.close()
        connection = await asyncpg.connect(self.dsn_of(self._template))
        try:
            return Migrated(await connection.fetchval(CATALOGUE), await _emptying(connection))
        finally:
            await connection.close()

    async def _emptied(self, name: str) -> bool:
        """Bring a database back to its first state; False if that is not certain to succeed."""
        try:
            async with asyncio.timeout(EMPTYING_S):
                connection = await self._enter(name)
                if await connection.fetchval(OTHER_SESSIONS) is False:
                    return False
                if await connection.fetchval(CATALOGUE) != self._migrated.catalogue:
                    return False
                if statements := await connection.fetchval(self._migrated.emptying):
                    await connection.execute(";".join(statements))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    async def _enter(self, name: str) -> asyncpg.Connection[asyncpg.Record]:
        """The session in a database; a test may have ended it."""
        if self._inside is None or self._inside_of != name or self._inside.is_closed():
            self._leave(self._inside_of)
            # whatever the length of a statement is, it is planned once
            self._inside = await asyncpg.connect(self.dsn_of(name), max_cacheable_statement_size=0)
            self._inside_of = name
            await self._inside.execute("SET session_replication_role = replica")  # no triggers
        return self._inside

    def _leave(self, name: str) -> None:
        """End the session, if it is in this database."""
        if self._inside is not None and self._inside_of == name:
            self._inside.terminate()
            self._inside, self._inside_of = None, ""

    def _execute(self, statement: str) -> None:
        """Run a statement; in a new session if a test has ended the last one."""
        self._loop.run_until_complete(self._statement(statement))

    async def _statement(self, statement: str) -> None:
        if self._connection is not None:
            try:
                await self._connection.execute("SELECT 1")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._connection.terminate()
                self._connection = None
        if self._connection is None:
            self._connection = await asyncpg.connect(self._dsn)
        await self._connection.execute(statement)


async def _emptying(connection: asyncpg.Connection[asyncpg.Record]) -> str:
    """A query for the statements that empty all tables that hold rows, and fill those that a migration has filled.

    Most tests touch few tables: to look is a fraction of the work of deleting.
    """
    needed = []
    for (table,) in await connection.fetch(TABLES):
        rows = await connection.fetchval(f"SELECT json_agg(t)::text FROM {table} AS t")
        if rows is None:
            needed.append(f"CASE WHEN EXISTS (SELECT FROM {table}) THEN 'DELETE FROM {table}' END")
            continue
        values = await connection.fetchval("SELECT quote_literal($1::text)", rows)
        kept = f"json_populate_recordset(NULL::{table}, {values})"
        fill = f"DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {kept}"
        again = await connection.fetchval("SELECT quote_literal($1::text)", fill)
        is_other = f"(SELECT json_agg(t)::text FROM {table} AS t) IS DISTINCT FROM {values}"
        needed.append(f"CASE WHEN {is_other} THEN {again} END")
    for sequence, start in await connection.fetch(SEQUENCES):
        is_used = f"pg_sequence_last_value('{sequence}'::regclass) IS NOT NULL"
        needed.append(f"CASE WHEN {is_used} THEN $$SELECT setval('{sequence}', {start}, false)$$ END")
    return f"SELECT array_remove(ARRAY[{', '.join(needed)}], NULL)"
