"""The views for Metabase and Grafana: they say what the records say, to a role that may read nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from storage.postgres.database import Database
from tests.services.books import FIRST_ID, LIFETIME_MS, NOW_MS, Books

DOCUMENT = Path(__file__).parents[2] / "docs/analysis.md"
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
VIEWS = (
    "user_info",
    "user_wallet",
    "red_send",
    "red_receive",
    "sent_by_minute",
    "opened_by_minute",
    "sent_by_day",
    "shakes_by_hour",
    "sponsor_costs",
    "payments_by_day",
    "payment_differences",
    "risk_hits_by_day",
)
OF_THE_SERVER = {"known_payments"}  # what the match of a statement reads; it is granted to no role of analysts
SECRET = ("packets", "users", "seed_trees", "cards", "payments", "claims", "transfers", "webhook_endpoints")


@pytest.fixture
async def played(database: Database) -> Books:
    """User 1 sent two packets: one is opened by 2, 3 and 4 after 1, 2 and 3 s, one by 2 alone."""
    books = Books(database)
    await books.populate(range(1, 6), 1_000_000)
    whole = await books.sent(NOW_MS, 900, 3)
    for second, user in enumerate((2, 3, 4), 1):
        await books.open(whole, [user], NOW_MS + 1_000 * second)
    part = await books.sent(NOW_MS + 60_000, 700, 5)
    await books.open(part, [2], NOW_MS + 61_500)
    return books


async def test_red_send_says_what_became_of_each_packet(played: Books, sql: Sql) -> None:
    rows = await sql.fetch("SELECT * FROM red_send ORDER BY sent_at")
    whole, part = rows
    assert (whole["packet_id"], whole["sender_id"], whole["shares"], whole["amount_fen"]) == (
        FIRST_ID + 1,
        1,
        3,
        900,
    )
    assert (whole["opened_shares"], whole["opened_fen"], whole["unopened_fen"]) == (3, 900, 0)
    assert whole["emptied_in_s"] == 3
    assert whole["sent_at"].timestamp() * 1000 == NOW_MS
    assert (whole["expires_at"].timestamp() - whole["sent_at"].timestamp()) * 1000 == LIFETIME_MS
    assert (part["opened_shares"], part["emptied_in_s"], part["best_luck"]) == (1, None, None)
    assert part["opened_fen"] + part["unopened_fen"] == 700


async def test_red_send_names_the_best_luck_and_its_amount(played: Books, sql: Sql) -> None:
    claims = await sql.fetch("SELECT user_id, amount_fen FROM claims WHERE packet_id = $1", FIRST_ID + 1)
    luckiest, amount_fen = max(map(tuple, claims), key=lambda claim: claim[1])
    await played.settlement.settle(100, NOW_MS)
    row = await sql.fetchrow("SELECT best_luck, best_luck_fen FROM red_send WHERE packet_id = $1", FIRST_ID + 1)
    assert tuple(row or ()) == (luckiest, amount_fen)
    shown = await sql.fetchval("SELECT receiver_id FROM red_receive WHERE is_best_luck")
    assert shown == luckiest


async def test_red_receive_counts_turns_from_one_and_seconds_from_the_send(played: Books, sql: Sql) -> None:
    rows = await sql.fetch("SELECT receiver_id, turn, after_s FROM red_receive WHERE packet_id = $1", FIRST_ID + 1)
    assert sorted(tuple(row) for row in rows) == [(2, 1, 1), (3, 2, 2), (4, 3, 3)]


async def test_user_info_lists_packets_sent_and_users_who_sent_none(played: Books, sql: Sql) -> None:
    rows = await sql.fetch("SELECT user_id, packet_id, shares, amount_fen FROM user_info ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [
        (1, FIRST_ID + 1, 3, 900),
        (1, FIRST_ID + 2, 5, 700),
        *((user, None, None, None) for user in (2, 3, 4, 5)),
    ]


async def test_user_wallet_has_the_balance_and_what_is_arriving(played: Books, sql: Sql) -> None:
    claimed = dict(await sql.fetch("SELECT user_id, sum(amount_fen) FROM claims GROUP BY 1"))
    rows = {row[0]: tuple(row)[1:] for row in await sql.fetch("SELECT * FROM user_wallet")}
    assert rows[1][:2] == (1_000_000 - 1_600, 0)
    assert {user: row[1] for user, row in rows.items() if row[1]} == claimed
    assert all(row[3] == [] for row in rows.values())


async def test_curves_and_days_add_up_to_the_records(played: Books, sql: Sql) -> None:
    total = await sql.fetchrow("SELECT count(*), sum(total_fen) FROM packets")
    assert await sql.fetchrow("SELECT sum(packets), sum(amount_fen) FROM sent_by_minute") == total
    claims = await sql.fetchrow("SELECT count(*), sum(amount_fen) FROM claims")
    assert await sql.fetchrow("SELECT sum(shares), sum(amount_fen) FROM opened_by_minute") == claims
    days = await sql.fetch("SELECT sent_fen, opened_fen + refunded_fen + unopened_fen, emptied FROM sent_by_day")
    assert [tuple(row) for row in days] == [(1_600, 1_600, 1)]


async def test_role_of_the_recipe_reads_the_views_and_no_table(postgres_dsn: str, sql: Sql, played: Books) -> None:
    role = f"hongbao_reader_{os.getpid()}"
    await sql.execute(f"""
        CREATE ROLE {role} LOGIN;
        GRANT USAGE ON SCHEMA public TO {role};
        GRANT SELECT ON {", ".join(VIEWS)} TO {role};
        ALTER ROLE {role} SET default_transaction_read_only = on;
    """)
    parts = urlsplit(postgres_dsn)
    reader = await asyncpg.connect(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl())
    try:
        for view in VIEWS:
            await reader.fetch(f"SELECT * FROM {view}")
        for table in SECRET:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetch(f"SELECT * FROM {table}")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("CREATE TEMPORARY TABLE mine (n integer)")
    finally:
        await reader.close()
        await sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_views_are_those_of_the_documents(sql: Sql) -> None:
    found = await sql.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'public'")
    assert {row[0] for row in found} - OF_THE_SERVER == set(VIEWS)
    text = DOCUMENT.read_text("utf-8")
    assert [view for view in VIEWS if f"`{view}`" not in text] == []
