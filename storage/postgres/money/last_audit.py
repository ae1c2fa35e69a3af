"""The result of the newest audit, kept in the records that it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from storage.postgres.database import Database

_KEEP = """
INSERT INTO last_audit (at_ms, took_s, discrepancies, first, checked) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (only_row) DO UPDATE SET
    at_ms = EXCLUDED.at_ms, took_s = EXCLUDED.took_s, discrepancies = EXCLUDED.discrepancies,
    first = EXCLUDED.first, checked = EXCLUDED.checked
WHERE last_audit.at_ms <= EXCLUDED.at_ms
"""
_READ = "SELECT at_ms, took_s, discrepancies, first, checked FROM last_audit"


class AuditRow(NamedTuple):
    """One result. `at_ms`: its end (ms since 1970)."""

    at_ms: int
    took_s: float
    discrepancies: int
    first: tuple[str, ...]
    checked: str


async def keep(database: Database, row: AuditRow) -> None:
    """Store a result, unless a newer one is stored. Raises StoreUnavailable, also if the records are read only."""
    try:
        async with database.reading() as connection:
            await connection.execute(_KEEP, *row)
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError) as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error


async def newest(database: Database) -> AuditRow | None:
    """The newest result; None if no audit has completed. Raises StoreUnavailable."""
    async with database.reading() as connection:
        row = await connection.fetchrow(_READ)
    return None if row is None else AuditRow(*row)._replace(first=tuple(row["first"]))
