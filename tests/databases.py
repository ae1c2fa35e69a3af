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
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import asyncpg

from storage.postgres.database import Database
from storage.postgres.migrate import migrate

USES_MAX: Final = 100  # deleted rows stay in the files
KEPT_MOST: Final = 3  # databases
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
    AND pid <> ALL($1::int[])
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
        self._kept: list[
            str
        ] = []  # databases that are ready to be used again; a test with several sets uses several
        self._uses: Counter[str] = Counter()
        self._taken: set[str] = set()
        self.idle_sessions: Callable[[], Sequence[int]] = lambda: ()  # that no test has, and that may stay
        self.on_drop: Callable[[str], None] = lambda _: None  # gets the DSN
        self._inside: dict[str, asyncpg.Connection[asyncpg.Record]] = {}  # by database: the session that empties it
        self._migrated = self._loop.run_until_complete(self._make_template())

    def dsn_of(self, name: str) -> str:
        """The DSN of one database."""
        return self._dsn.replace("/hongbao?", f"/{name}?")

    def is_lent(self, dsn: str) -> bool:
        """Whether this is a database that a test has now."""
        return dsn in self._taken

    def take(self, fresh: bool = False) -> str:
        """The name of an empty, migrated database; `fresh`: one that nothing was ever written to."""
        if self._kept and not fresh:
            name = self._kept.pop()
        else:
            name = next(self._names)
            # copied as files: half the time, and its end is cheaper too
            self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY = FILE_COPY")
        self._taken.add(self.dsn_of(name))
        return name

    def give_back(self, name: str) -> None:
        """A test has ended: keep its database for the next one, or drop it."""
        self._uses[name] += 1
        self._taken.discard(self.dsn_of(name))
        has_room = len(self._kept) < KEPT_MOST and self._uses[name] < USES_MAX
        if has_room and self._loop.run_until_complete(self._emptied(name)):
            self._kept.append(name)
        else:
            self._leave(name)
            self._drop(name)

    def _drop(self, name: str) -> None:
        self.on_drop(self.dsn_of(name))
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop the databases that are kept, end the sessions."""
        for name in list(self._inside):
            self._leave(name)
        for name in self._kept:
            self._drop(name)
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
                if await connection.fetchval(OTHER_SESSIONS, list(self.idle_sessions())) is False:
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
        inside = self._inside.get(name)
        if inside is None or inside.is_closed():
            self._leave(name)
            # whatever the length of a statement is, it is planned once
            inside = await asyncpg.connect(self.dsn_of(name), max_cacheable_statement_size=0)
            self._inside[name] = inside
            await inside.execute("SET session_replication_role = replica")  # no triggers
        return inside

    def _leave(self, name: str) -> None:
        """End the session in a database, if there is one."""
        if name in self._inside:
            self._inside.pop(name).terminate()

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
        # a further set moves one on without using it
        is_other = f"(SELECT is_called OR last_value <> {start} FROM {sequence})"
        needed.append(f"CASE WHEN {is_other} THEN $$SELECT setval('{sequence}', {start}, false)$$ END")
    return f"SELECT array_remove(ARRAY[{', '.join(needed)}], NULL)"
