"""Numbered migrations, applied in order under a lock; a file that changed after it was applied is refused."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from storage import statements
from storage.errors import StoreRefused
from storage.postgres.chat.unique_names import give_unique_names, reserve_given_names
from storage.postgres.guards import unavailable_when_away
from storage.postgres.sessions import wait_for_locks

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

FOLDER = Path(__file__).with_name("migrations")
# A large table takes its time, and so does waiting for a server that migrates: longer than any everyday statement.
PATIENCE_S: Final = 86_400.0
# What a migration does after its statements, in its transaction: what SQL cannot say.
STEPS: Final = {"0007_people": give_unique_names, "0011_given_names": reserve_given_names}
_LOCK = 0x686F6E67  # "hong": any number that is not locked otherwise in this database
_SQL = statements.load(__file__)

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


NOT_VALID = """
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
ORDER BY oid
"""


class Migration(NamedTuple):
    """One file of FOLDER."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(database: Database) -> list[str]:
    """Bring the database up to date, all of it or nothing, then validate constraints; what was applied.

    Servers that start together wait for each other here. Raises StoreUnavailable; StoreRefused if a file is missing
    or was changed, if the database is newer than this server, or if a migration fails.
    """
    migrations = _migrations()
    async with database.transaction() as connection:
        await wait_for_locks(connection)
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=PATIENCE_S)
        known = await _applied(connection, migrations)
        _check(known, migrations)
        new = migrations[len(known) :]
        if new:
            await _prepare(connection, migrations, len(new))
        for migration in new:
            await _apply(connection, migration)
    await _validate(database)
    return [migration.name for migration in new]


async def _applied(connection: Connection, migrations: list[Migration]) -> dict[int, str]:
    if not await connection.fetchval(_SQL["is_migrated"]):
        return {}
    await _check_rights(connection, migrations)
    rows = await connection.fetch("SELECT number, checksum FROM migrations")
    return {row["number"]: row["checksum"] for row in rows}


async def _prepare(connection: Connection, migrations: list[Migration], count: int) -> None:
    """Make the table of migrations. Raises StoreRefused if the role may not make them."""
    missing = await connection.fetchval(_SQL["may_not"], ["migrations", *_tables(migrations)])
    if missing is not None:
        role = await connection.fetchval("SELECT quote_ident(current_user)")
        raise StoreRefused(
            f"the database needs {count} migrations, and the role {role} lacks {missing}; "
            "start hongbao serve once as the owner of the tables (see docs/operations.md)"
        )
    await connection.execute(_TABLE)


async def _check_rights(connection: Connection, migrations: list[Migration]) -> None:
    """Raises StoreRefused if the role of the server may not read and write every table."""
    lacks = await connection.fetchval(_SQL["lacks"], _tables(migrations))
    if lacks is not None:
        grantee = await connection.fetchval("SELECT format('%I TO %I', current_schema(), current_user)")
        raise StoreRefused(
            f"the role of the server lacks {lacks}; "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {grantee}"
        )


def _tables(migrations: list[Migration]) -> list[str]:
    """Every table that a migration makes; a later one may drop it."""
    return [name for migration in migrations for name in re.findall(r"CREATE TABLE (\w+)", migration.text)]


async def _validate(database: Database) -> None:
    """Check old rows against constraints that were added NOT VALID: beside writers, so after the commit.

    A server that is killed here leaves the rest to the next one that starts.
    """
    async with database.reading() as connection:
        for row in await connection.fetch(NOT_VALID):
            try:
                async with connection.transaction():
                    await wait_for_locks(connection)
                    await connection.execute(row[0], timeout=PATIENCE_S)
            except asyncpg.CheckViolationError as error:
                raise StoreRefused(f"the records break a rule: {error}") from error


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        with unavailable_when_away():
            await connection.execute(migration.text, timeout=PATIENCE_S)
            if migration.name in STEPS:
                await STEPS[migration.name](connection, PATIENCE_S)
    except asyncpg.PostgresError as error:
        raise StoreRefused(f"migration {migration.name} failed, nothing was changed: {error}") from error
    record = "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)"
    await connection.execute(record, migration.number, migration.name, migration.checksum)


def _migrations() -> list[Migration]:
    """What this server brings, in order. Raises StoreRefused on a gap, and if an installation left them out."""
    files = sorted(FOLDER.glob("[0-9]*.sql"))
    found = [Migration(int(file.stem.split("_")[0]), file.stem, file.read_text(encoding="utf-8")) for file in files]
    numbers = [migration.number for migration in found]
    if not found or numbers != list(range(1, len(found) + 1)):
        raise StoreRefused(f"migrations must be numbered without a gap, found {numbers}")
    return found


def _check(known: dict[int, str], migrations: list[Migration]) -> None:
    """`known`: the checksum of each migration that was applied, by number."""
    if len(known) > len(migrations):
        raise StoreRefused("the database was made by a newer version of this server")
    for migration in migrations[: len(known)]:
        if known.get(migration.number) != migration.checksum:
            raise StoreRefused(f"migration {migration.name} differs from the one that was applied")
