"""Records: concurrent writers lock rows in one order, so there is no deadlock and no lost update."""

from __future__ import annotations

import asyncio
import random
from typing import TypeAlias

import asyncpg

from server.core.kinds import WITH_BEST_LUCK
from storage.postgres.database import Database
from storage.postgres.money.settlement import SettlementQueue
from storage.postgres.packets.sends import SendStore, Sent
from tests.seeds import SeedsInPlain
from tests.services.books import ALL, NEW_YEAR_MS, NOW_MS, Books, Right, lucks, transfer
from tests.services.conftest import until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SEED = 20260217
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_settlement_locks_no_year_while_it_waits_for_a_wallet(books: Books, sql: Sql) -> None:
    for _ in range(2):  # the second time every row exists already
        packet = await books.sent(NEW_YEAR_MS, 900, 3)
        await books.open(packet, [2, 5, 9], NEW_YEAR_MS)
        async with sql.transaction():
            await sql.execute("SELECT FROM wallets WHERE user_id = 9 FOR UPDATE")
            settling = asyncio.create_task(books.settlement.settle(ALL, NOW_MS))

            async def it_waits() -> bool:
                async with books.database.reading() as connection:
                    return await connection.fetchval(WAITING) == 1

            await until(it_waits)
            await sql.execute("SELECT FROM years FOR UPDATE NOWAIT")
            attempt = sql.transaction()
            await attempt.start()
            await sql.execute(
                "SET LOCAL lock_timeout = 1000"
            )  # if the settlement had inserted this row already, this would wait
            await sql.execute("INSERT INTO best_lucks VALUES ($1, 9)", packet.packet_id)
            await attempt.rollback()
        await settling
    assert sum((await lucks(sql)).values()) == 2


async def test_concurrent_settlements_of_a_packet_count_one_best_luck(
    books: Books, sql: Sql, records_are_right: Right
) -> None:
    others = [SettlementQueue(books.database, WITH_BEST_LUCK) for _ in range(3)]
    expected: dict[int, int] = {}
    for number in range(10):
        packet = await books.sent(NEW_YEAR_MS + number, 4_000, 8)
        await books.open(packet, range(2, 10), NEW_YEAR_MS + 100)
        best = packet.rules.best_luck()
        assert best is not None
        expected[best.user_id] = expected.get(best.user_id, 0) + 1
        await asyncio.gather(*(one.settle(3, NOW_MS) for one in others))
    assert await sql.fetchval("SELECT count(*) FROM settlement_queue") == 0
    assert await lucks(sql) == expected
    await records_are_right()


async def test_concurrent_sends_settlements_and_top_ups_keep_exact_totals(
    books: Books, sql: Sql, database: Database, books_balance: Right
) -> None:
    """No deadlock (it would be raised as StoreUnavailable), and every total is exact."""
    rng = random.Random(SEED)
    print("seed", SEED)
    users = range(1, 10)

    async def send_and_open(sends: SendStore) -> None:
        for _ in range(8):
            drafts = [
                books.draft(NEW_YEAR_MS + rng.randrange(-5, 5), rng.randrange(50, 500), 5, sender=user)
                for user in rng.sample(users, 6)
            ]
            rows = [one.row for one in drafts]
            sent = await sends.record(rows, transfer, lambda row: (), SeedsInPlain)
            assert all(isinstance(one, Sent) for one in sent)
            for one in drafts:
                for part in (rng.sample(users, 9)[:5],) if rng.random() < 0.8 else (rng.sample(users, 3),):
                    await books.open(one, part, one.row.created_at_ms + rng.randrange(10))

    async def top_up(name: str) -> None:
        for number in range(25):
            await books.top_up(rng.choice(users), 7, f"{name} {number}")

    async def settle(queue: SettlementQueue) -> None:
        while working or await sql_count() > 0:
            await queue.settle(rng.randrange(1, 40), NOW_MS)
            await asyncio.sleep(0)

    async def sql_count() -> int:
        async with database.reading() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM settlement_queue"))

    working = True
    settlers = [asyncio.create_task(settle(SettlementQueue(database, WITH_BEST_LUCK))) for _ in range(3)]
    await asyncio.gather(*(send_and_open(SendStore(database)) for _ in range(3)), *map(top_up, "abc"))
    working = False
    await asyncio.gather(*settlers)
    assert await sql.fetchval("SELECT sum(sent_count) FROM years") == 3 * 8 * 6
    assert await sql.fetchval("SELECT sum(received_count) FROM years") == await sql.fetchval(
        "SELECT count(*) FROM claims"
    )
    assert await sql.fetchval("SELECT sum(received_fen) FROM years") == await sql.fetchval(
        "SELECT sum(amount_fen) FROM claims"
    )
    assert await sql.fetchval("SELECT sum(best_lucks) FROM years") == await sql.fetchval(
        "SELECT count(*) FROM packets WHERE version = shares"
    )
    await sql.execute("UPDATE wallets SET next_seed = 0")  # each of these packets holds its own seed
    await books_balance()
