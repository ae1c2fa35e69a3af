"""What a database knows of itself: single numbers by name, written by its migrations and by simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

SQL: Final = statements.load(__file__)
_MINUTE_IDS: Final = 60_000 << 22  # ids have milliseconds above 22 bits
_MINUTES_MAX: Final = 10_000  # a week


async def first_id(database: Database) -> int:
    """The first id that has a set in it; smaller ones are of older servers. Raises StoreUnavailable."""
    async with database.reading() as connection:
        return int(await connection.fetchval("SELECT value FROM facts WHERE name = 'first_id'"))


async def ids_after(database: Database, number: int) -> list[tuple[int, int]]:
    """The first and the last id of each minute that has ids behind this one. Raises StoreUnavailable."""
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.fetch(SQL["ids_after"], number, _MINUTE_IDS, _MINUTES_MAX)]


async def claim_for_simulation(database: Database) -> bool:
    """Whether the books are those of a simulation. Books without users and money become such. Raises
    StoreUnavailable.
    """
    async with database.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO facts (name, value)
            SELECT 'simulated', 1
            WHERE NOT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM transfers)
            ON CONFLICT DO NOTHING
            """
        )
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM facts WHERE name = 'simulated')"))
