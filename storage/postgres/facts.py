"""What a database knows of itself: single numbers by name, written by its migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.postgres.database import Database


async def first_id(database: Database) -> int:
    """The first id that has a set in it; smaller ones are of older servers. Raises StoreUnavailable."""
    async with database.reading() as connection:
        return int(await connection.fetchval("SELECT value FROM facts WHERE name = 'first_id'"))
