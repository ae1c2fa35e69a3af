"""The databases of tests themselves: a test finds nothing of the test before it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import asyncpg
import pytest

from server import embedded
from tests.databases import CATALOGUE, TABLES, Databases

NUMBERS = itertools.count(1)


@pytest.fixture
def databases(stores: embedded.StoreAddresses) -> Iterator[Databases]:
    """A maker of its own: what it keeps is known."""
    made = Databases(stores.postgres_dsn, f"own_{next(NUMBERS)}")
    yield made
    made.close()


def run(dsn: str, *statements: str) -> list[object]:
    """The first value of each statement."""

    async def work() -> list[object]:
        connection = await asyncpg.connect(dsn)
        try:
            return [await connection.fetchval(one) for one in statements]
        finally:
            await connection.close()

    return asyncio.run(work())


def contents(dsn: str) -> dict[str, object]:
    """All rows of all tables, and what the catalogue is."""

    async def work() -> dict[str, object]:
        connection = await asyncpg.connect(dsn)
        try:
            tables = [row[0] for row in await connection.fetch(TABLES)]
            rows = {one: await connection.fetchval(f"SELECT json_agg(t) FROM {one} AS t") for one in tables}
            return {**rows, "catalogue": await connection.fetchval(CATALOGUE)}
        finally:
            await connection.close()

    return asyncio.run(work())


BREAK = """
INSERT INTO payment_breaks (gateway, class, subject, detail, at_ms) VALUES ('bank', 'amount', '1', '', 1)
RETURNING break_id
"""
CORRECTION = """
INSERT INTO corrections (break_id, debit_account, credit_account, amount_fen, proposed_uid, proposed_at_ms)
SELECT break_id, 0, 1, 1, 1, 1 FROM payment_breaks
"""


def test_database_that_is_used_again_is_as_a_new_one(databases: Databases) -> None:
    name = databases.take()
    dsn = databases.dsn_of(name)
    new = contents(dsn)
    run(
        dsn,
        "INSERT INTO wallets (user_id, balance_fen, version) VALUES (1, 5, 1)",
        "INSERT INTO transfers VALUES (0, 1, 1, 'k', 5, 1)",  # its trigger refuses to delete it
        "DELETE FROM migrations WHERE number = 19",
        "UPDATE facts SET value = 0",
        BREAK,
        CORRECTION,
    )
    changed = {table for table, rows in contents(dsn).items() if rows != new[table]}
    assert changed == {"wallets", "transfers", "migrations", "facts", "payment_breaks", "corrections"}
    databases.give_back(name)
    assert databases.take() == name
    assert contents(dsn) == new
    assert run(dsn, BREAK) == [1]
    databases.give_back(name)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (x int)",
        "ALTER TABLE wallets ADD x int",
        "ALTER TABLE wallets ALTER version SET DEFAULT 7",
        "ALTER TABLE transfers DISABLE TRIGGER transfers_stay",
        "ALTER TABLE transfers DROP CONSTRAINT transfers_accounts",
        "DROP INDEX packets_open",
        "REVOKE INSERT ON wallets FROM CURRENT_USER",
        "CREATE OR REPLACE FUNCTION is_user(number bigint) RETURNS boolean LANGUAGE sql RETURN true",
        "CREATE SCHEMA other",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 1', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 3', current_database()); END $$",
    ],
)
def test_database_with_another_catalogue_is_not_used_again(databases: Databases, change: str) -> None:
    name = databases.take()
    run(databases.dsn_of(name), change)
    databases.give_back(name)
    following = databases.take()
    assert following != name
    databases.give_back(following)


def test_sessions_that_a_test_left_are_ended_with_their_locks(databases: Databases) -> None:
    name = databases.take()

    async def leave_a_lock() -> asyncpg.Connection[asyncpg.Record]:
        connection = await asyncpg.connect(databases.dsn_of(name))
        await connection.execute("BEGIN; LOCK TABLE wallets; SELECT pg_advisory_lock(1)")
        return connection

    with asyncio.Runner() as runner:
        left = runner.run(leave_a_lock())
        databases.give_back(name)
        assert databases.take() == name
        runner.run(asyncio.sleep(0))
        left.terminate()
    assert run(databases.dsn_of(name), "SELECT pg_try_advisory_lock(1)") == [True]
    databases.give_back(name)


def test_sequence_that_was_moved_on_without_being_used_is_as_a_new_one(databases: Databases) -> None:
    name = databases.take()
    dsn = databases.dsn_of(name)
    run(dsn, "SELECT setval('payment_breaks_break_id_seq', 1000000000, false)")
    databases.give_back(name)
    assert databases.take() == name
    assert run(dsn, BREAK) == [1]
    databases.give_back(name)


def test_several_databases_are_kept_and_sessions_without_an_owner_stay(databases: Databases) -> None:
    names = {databases.take(), databases.take()}
    assert all(map(databases.is_lent, map(databases.dsn_of, names)))
    with asyncio.Runner() as runner:
        idle = runner.run(asyncpg.connect(databases.dsn_of(min(names))))
        databases.idle_sessions = lambda: [idle.get_server_pid()]
        for name in names:
            databases.give_back(name)
        assert not any(map(databases.is_lent, map(databases.dsn_of, names)))
        assert {databases.take(), databases.take()} == names
        assert runner.run(idle.fetchval("SELECT 1")) == 1
        runner.run(idle.close())
    dropped: list[str] = []
    databases.on_drop = dropped.append
    run(databases.dsn_of(min(names)), "CREATE TABLE more (x int)")
    for name in names:
        databases.give_back(name)
    assert dropped == [databases.dsn_of(min(names))]


def test_fresh_database_is_a_new_one(databases: Databases) -> None:
    name = databases.take()
    databases.give_back(name)
    fresh = databases.take(fresh=True)
    assert fresh != name
    assert databases.take() == name
    databases.give_back(name)
    databases.give_back(fresh)
