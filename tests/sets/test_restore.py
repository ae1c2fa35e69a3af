"""After a restore the copies of two sets are of different moments: what the older one lacks arrives again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from client_sim.sdk.client import Client
from storage.postgres.database import Database
from storage.postgres.sets.restoring import bring_again, queue_again
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, Crowd, FindDiscrepancies, MakeCrowd, Sql, StartPair, is_settled
from tests.sets.test_corrections import WALLET, approved, break_id, pair, users
from tests.sets.test_orders import has

__all__ = ["break_id", "pair", "users"]

# The copy of set 0 is older than the credit of the packet $1 to the user $2, who had EACH_FEN then.
OLDER = (
    "DELETE FROM transfers WHERE kind = 4 AND debit_account = $1 AND credit_account = $2",
    "DELETE FROM entries WHERE kind = 4 AND account = $1 AND user_id = $2",
    "DELETE FROM received WHERE packet_id = $1 AND user_id = $2",
    "UPDATE wallets SET balance_fen = 100000, version = 1 WHERE $1::bigint > 0 AND user_id = $2",
    "DELETE FROM years WHERE $1::bigint > 0 AND user_id = $2",
)


async def twice(again: Callable[[list[Database]], Awaitable[int]], *dsns: str) -> list[int]:
    """What a repair has found in the databases the first time, and the second time."""
    databases = [Database(dsn, pool_max=1, timeout_s=10) for dsn in dsns]
    for database in databases:
        await database.open()
    found = [await again(databases), await again(databases)]
    for database in databases:
        await database.close()
    return found


async def lose_what_came(sql: Sql, kind: int, record: str) -> None:
    """The copy of set 0 is older than the money of this kind that came from the other set, and its record."""
    async with sql.transaction():
        await sql.execute("SET LOCAL session_replication_role = replica")
        for statement in (
            f"DELETE FROM transfers WHERE kind IN ({kind}, 24)",
            f"DELETE FROM {record}",
            f"DELETE FROM entries WHERE kind = {kind}",
            "UPDATE wallets SET balance_fen = 100000, version = 1 WHERE user_id = 1",
        ):
            await sql.execute(statement)


async def test_claim_whose_credit_is_lost_is_credited_again_once(
    crowd: MakeCrowd,
    start_pair: StartPair,
    postgres_dsn: str,
    other_dsn: str,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    one = await crowd(1, 1)
    packet_id = (await one.new[0].send_packet("equal", one.group, 700, 2)).packet_id
    for user in (one.old[0], one.new[0]):
        await user.open(packet_id)
    await until(lambda: is_settled(sql, other_sql))
    await one.server.stop()
    async with sql.transaction():
        await sql.execute("SET LOCAL session_replication_role = replica")
        for statement in OLDER:
            await sql.execute(statement, packet_id, OLD)
    assert any("were handed over" in line for line in await discrepancies())
    assert await twice(queue_again, postgres_dsn, other_dsn) == [1, 0]
    assert [line for line in await discrepancies() if "told" not in line] == []
    await start_pair()
    await until(lambda: is_settled(sql, other_sql))
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", OLD) == EACH_FEN + 700
    assert await discrepancies() == []


async def test_transfer_that_is_lost_in_the_other_set_is_brought_again_once(
    crowd: MakeCrowd,
    start_pair: StartPair,
    postgres_dsn: str,
    other_dsn: str,
    sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    one = await crowd(1, 1)
    await one.new[0].transfer(OLD, 700, key="once")

    async def has_arrived() -> bool:
        return await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", OLD) == EACH_FEN + 700

    await until(has_arrived)
    await one.server.stop()
    await lose_what_came(sql, kind=13, record="wallet_orders")
    assert any("there it is not recorded" in line for line in await discrepancies())
    assert await twice(bring_again, postgres_dsn, other_dsn) == [1, 0]
    assert await discrepancies() == []
    await start_pair()
    await until(has_arrived)
    assert await discrepancies() == []


async def test_correction_that_is_lost_in_the_other_set_is_brought_again_once(
    users: tuple[Client, Client, Any],
    break_id: int,
    pair: Crowd,
    start_pair: StartPair,
    postgres_dsn: str,
    other_dsn: str,
    sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    await approved(users[2], break_id, NEW, OLD)
    await until(lambda: has(users[0], EACH_FEN + 300))
    await pair.server.stop()
    await lose_what_came(sql, kind=15, record="corrections_of_sets")
    assert any("there it is not recorded" in line for line in await discrepancies())
    assert await twice(bring_again, postgres_dsn, other_dsn) == [1, 0]
    assert await discrepancies() == []
    await start_pair()

    async def has_arrived() -> bool:
        return bool(await sql.fetchval(WALLET, OLD) == EACH_FEN + 300)

    await until(has_arrived)
    assert await discrepancies() == []
