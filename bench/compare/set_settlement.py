"""What settlement over two sets of PostgreSQL costs: the same claims in one database and in two, in turns.

The databases are of one private PostgreSQL on one disk, so two of them can hardly be faster than one: what counts
is how little is lost, although each second claim is credited in the other set, in a transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import asyncpg

from server.core.ids import set_of
from server.core.kinds import WITH_BEST_LUCK
from server.embedded import temporary
from storage import statements
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.money.settlement import SettlementQueue
from storage.postgres.sets import opening
from storage.postgres.sets.places import Sets
from storage.postgres.sets.settlement import QueueOfSet

_SQL: Final = statements.load(__file__)
SHARES: Final = 100  # of each packet
USERS: Final = 2_000
BATCH: Final = 2_000  # as the server's default
FIRST_ID: Final = 1 << 62  # of set 0; the set is in bits 16 to 21
NOW_MS: Final = 1_767_196_900_000
TIMEOUT_S: Final = 60.0


async def claims_per_s(claims: int) -> tuple[float, float]:
    """Claims settled a second, in one set and in two. Raises RuntimeError if a fen is missing. Makes its stores."""
    with temporary() as stores:
        one = await _made(stores.postgres_dsn, ["alone"])
        two = await _made(stores.postgres_dsn, ["first", "second"])
        return await _measured(one, claims), await _measured(two, claims)


async def _made(dsn: str, names: Sequence[str]) -> Sets:
    """A record in these databases, which are made."""
    admin = await asyncpg.connect(dsn)
    try:
        for name in names:
            await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    sets = Sets([Database(dsn.replace("/hongbao?", f"/{name}?"), 4, TIMEOUT_S) for name in names], set_of)
    for database in sets.databases:
        await database.open()
        await migrate(database)
    await opening.begin(sets)
    return sets


async def _measured(sets: Sets, claims: int) -> float:
    """Fill the queues, empty them at the same time, count the money."""
    count = len(sets.databases)
    packets = claims // SHARES // count
    for number, database in enumerate(sets.databases):
        async with database.long_transaction() as connection:
            where = FIRST_ID + (number << 16), packets, SHARES
            await connection.execute(_SQL["packets"], *where)
            await connection.execute(_SQL["claims"], *where, USERS)
            await connection.execute(_SQL["queue"])
            if sets.several and number == 0:
                await connection.execute(_SQL["places"], USERS)
    queues: list[SettlementQueue] = [SettlementQueue(sets.home, WITH_BEST_LUCK)]
    if sets.several:
        queues = [QueueOfSet(sets, number, WITH_BEST_LUCK) for number in range(count)]
    began_s = perf_counter()
    await asyncio.gather(*(_emptied(queue) for queue in queues))
    took_s = perf_counter() - began_s
    held = 0
    for database in sets.databases:
        async with database.reading() as connection:
            held += await connection.fetchval(_SQL["money"])
        await database.close()
    if held != packets * SHARES * count:
        raise RuntimeError(f"{packets * SHARES * count} fen were claimed, {held} are in wallets")
    return held / took_s


async def _emptied(queue: SettlementQueue) -> None:
    while (await queue.settle(BATCH, NOW_MS))[0]:
        pass
