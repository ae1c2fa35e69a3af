"""After a restore of sets whose backups are of different moments: what is lost in another set goes there again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.sets.audit import SetSnapshot, chunks

if TYPE_CHECKING:
    from storage.postgres.database import Database

SQL: Final = statements.load(__file__)


async def queue_again(databases: Sequence[Database]) -> int:
    """Queue the claims that were handed over to a set which has no credit of them; how many.

    While no server runs, as the owner of the tables. Raises StoreUnavailable.
    """
    queued = 0
    for number, database in enumerate(databases):
        async with database.snapshot() as connection:
            rows = await SetSnapshot(number, connection).handed_over()
        lost: list[tuple[int, int]] = []
        for to_set in {row.to_set for row in rows}:
            pairs = [(row.packet_id, row.user_id) for row in rows if row.to_set == to_set]
            async with databases[to_set].snapshot() as connection:
                credits = await SetSnapshot(to_set, connection).credits_of(pairs)
            lost += [pair for pair in pairs if pair not in credits]
        if lost:
            await _queue(database, lost)
        queued += len(lost)
    return queued


async def bring_again(databases: Sequence[Database]) -> int:
    """Queue the transfers and corrections for users of other sets that have not arrived there; how many.

    Raises StoreUnavailable.
    """
    queued = 0
    for number, database in enumerate(databases):
        async with database.snapshot() as connection:
            rows = await SetSnapshot(number, connection).orders_sent()
        for to_set in {row.other_set for row in rows}:
            keys = [row.key for row in rows if row.other_set == to_set]
            async with databases[to_set].snapshot() as connection:
                come = await SetSnapshot(to_set, connection).orders_of("come_of", number, keys)
            lost = [key for key in keys if key not in come]
            async with database.long_transaction() as writing:
                for some in chunks(lost):
                    await writing.execute(SQL["bring_again"], some)
                    await writing.execute(SQL["bring_corrections_again"], some)
            queued += len(lost)
    return queued


async def _queue(database: Database, pairs: Sequence[tuple[int, int]]) -> None:
    async with database.long_transaction() as connection:
        await connection.execute(SQL["leave_unguarded"])
        for some in chunks(pairs):
            await connection.execute(SQL["queue_again"], [one for one, _ in some], [other for _, other in some])
        await connection.execute(SQL["guard_again"])
