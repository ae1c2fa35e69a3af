"""The rival on PostgreSQL: every share is won once, its books agree, and it reports its rate."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from bench.compare.rivals import sql_lock
from bench.compare.rivals.result import InvalidRun
from tests.bench.rivals.conftest import FIGURES, PERCENTILES, Program

Sql = asyncpg.Connection


@pytest.fixture
async def envelope(sql: Sql) -> AsyncIterator[int]:
    """The id of an envelope with 10.00 yuan for three of the users 1 to 4."""
    await sql.execute(sql_lock.TABLES.read_text())
    await sql.execute("INSERT INTO rival.wallets SELECT generate_series(1, 4), 0")
    await sql.execute("INSERT INTO rival.envelopes VALUES (7, 9, 1000, 3, 1000, 3)")
    yield 7
    await sql.execute("DROP SCHEMA rival CASCADE")


async def test_every_share_of_many_envelopes_is_won_once(postgres_dsn: str, sql: Sql) -> None:
    found = await sql_lock.run(postgres_dsn, hot=False, callers=30, claims=190)
    assert (found.connections, found.claims, found.answers) == (40, 200, {"won": 200})
    assert found.extra == {"load": "many", "pool": 16, "synchronous_commit": "on"}
    assert await sql.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'rival'") == 0


async def test_every_share_of_a_hot_envelope_is_won_once(postgres_dsn: str) -> None:
    found = await sql_lock.run(postgres_dsn, hot=True, callers=1, claims=1)
    assert (found.connections, found.claims, found.answers) == (500, 500, {"won": 500})
    assert found.extra == {"load": "hot", "pool": 4, "synchronous_commit": "on"}


async def test_each_user_wins_one_share_until_none_is_left(envelope: int, sql: Sql) -> None:
    won = [await sql_lock.open_share(sql, envelope, user_id) for user_id in (1, 2)]
    assert await sql_lock.open_share(sql, envelope, 1) == "claimed"
    won.append(await sql_lock.open_share(sql, envelope, 3))
    assert await sql_lock.open_share(sql, envelope, 4) == "gone"
    assert sum(won) == 1_000
    balances = await sql.fetch("SELECT balance_fen FROM rival.wallets ORDER BY user_id")
    assert [row["balance_fen"] for row in balances] == [*won, 0]
    orders = await sql.fetch("SELECT user_id, amount_fen FROM rival.orders ORDER BY order_id")
    assert [tuple(row) for row in orders] == list(zip((1, 2, 3), won, strict=True))


def test_every_share_has_at_least_one_fen() -> None:
    for left_fen in range(10, 1_000):
        assert 1 <= sql_lock.draw(left_fen, 10) <= left_fen - 9
    assert sql_lock.draw(123, 1) == 123


async def test_postgresql_without_synchronous_commit_is_refused(postgres_dsn: str) -> None:
    with pytest.raises(InvalidRun, match="synchronous_commit = on"):
        await sql_lock.run(f"{postgres_dsn}&synchronous_commit=off", hot=False, callers=20, claims=20)


async def test_program_prints_its_figures(postgres_dsn: str, program: Program) -> None:
    code, out, err = await program(
        "sql_lock", "--dsn", postgres_dsn, "--callers", "20", "--claims", "40", "--pool", "2"
    )
    assert (code, err) == (0, "")
    figures = json.loads(out)
    assert set(figures) == FIGURES
    assert list(figures["latency_ms"]) == PERCENTILES
    assert (figures["rival"], figures["claims"], figures["extra"]["pool"]) == ("sql-lock", 40, 2)
