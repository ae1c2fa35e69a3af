"""The result of the newest audit, kept in the records that it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from storage.postgres.database import Database

# The time is that of the database, which all programs share. The last one to be stored is the newest, also after
# the clock of the database was set back.
_KEEP = """
INSERT INTO last_audit (at_ms, took_s, discrepancies, first, checked)
VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint, $1, $2, $3, $4)
ON CONFLICT (only_row) DO UPDATE SET
    at_ms = EXCLUDED.at_ms, took_s = EXCLUDED.took_s, discrepancies = EXCLUDED.discrepancies,
    first = EXCLUDED.first, checked = EXCLUDED.checked
RETURNING at_ms
"""
_READ = "SELECT at_ms, took_s, discrepancies, first, checked FROM last_audit"


class AuditRow(NamedTuple):
    """One result. `at_ms`: its end (ms since 1970), by the clock of the database."""

    at_ms: int
    took_s: float
    discrepancies: int
    first: tuple[str, ...]
    checked: str


async def keep(database: Database, row: AuditRow) -> AuditRow:
    """Store a result that has just been found; it comes back with its time.

    Raises StoreUnavailable, also if the records are read only.
    """
    try:
        async with database.reading() as connection:
            return row._replace(at_ms=await connection.fetchval(_KEEP, *row[1:]))
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError) as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error


async def newest(database: Database) -> AuditRow | None:
    """The newest result; None if no audit has completed. Raises StoreUnavailable."""
    async with database.reading() as connection:
        row = await connection.fetchrow(_READ)
    return None if row is None else AuditRow(*row)._replace(first=tuple(row["first"]))
