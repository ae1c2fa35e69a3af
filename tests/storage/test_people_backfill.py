"""Users of a database that is older than migration 0007: who is known, and whose name is unique."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from server.embedded import StoreAddresses
from storage.postgres import migrate
from storage.postgres.chat.users import NameTaken, UserStore
from storage.postgres.database import Database

GROUP = 9_007_199_254_740_993
NAMES = {9: "lin", 5: "Lin", 7: "ＬＩＮ", 3: "Weiß", 4: "WEISS", 8: "\u200d", 6: "Ann"}


@pytest.fixture
async def old(stores: StoreAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database at migration 0006, with users in it."""
    admin = await asyncpg.connect(stores.postgres_dsn)
    await admin.execute("DROP DATABASE IF EXISTS test_people WITH (FORCE)")
    await admin.execute("CREATE DATABASE test_people")
    database = Database(stores.postgres_dsn.replace("/hongbao?", "/test_people?"), pool_max=2, timeout_s=10)
    try:
        await database.open()
        for file in migrate.FOLDER.glob("000[1-6]_*.sql"):
            shutil.copy(file, tmp_path)
        with monkeypatch.context() as first:
            first.setattr(migrate, "FOLDER", tmp_path)
            assert len(await migrate.migrate(database)) == 6
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO wallets VALUES (1, 100), (2, 0)")
            await connection.execute("INSERT INTO groups VALUES ($1, 'all', 2, 0)", GROUP)
            await connection.execute("INSERT INTO memberships VALUES ($1, 2, 0, NULL), ($1, 10, 0, 5)", GROUP)
            await connection.executemany("INSERT INTO users VALUES ($1, $2)", list(NAMES.items()))
        await migrate.migrate(database)
        yield database
    finally:
        await database.close()
        await admin.execute("DROP DATABASE test_people WITH (FORCE)")
        await admin.close()


async def test_migration_makes_users_with_a_wallet_a_name_or_a_membership_known(old: Database) -> None:
    async with old.reading() as connection:
        rows = await connection.fetch("SELECT * FROM users ORDER BY user_id")
    assert [row["user_id"] for row in rows] == [*range(1, 11)]
    assert {(row["banned_at_ms"], row["tokens_from_s"], row["version"]) for row in rows} == {(None, 0, 1)}
    assert {row["user_id"]: row["name"] for row in rows if row["name"]} == NAMES


async def test_migration_gives_each_name_to_the_lowest_user_id_alone(old: Database) -> None:
    users = UserStore(old)
    for name in ("LIN", "weiss", "ann"):
        with pytest.raises(NameTaken):
            await users.choose_name(1, name)
    await users.choose_name(5, "LIN")  # its own
    await users.choose_name(3, "")
    await users.choose_name(4, "weiss")
    await users.choose_name(9, "other")
    with pytest.raises(NameTaken):
        await users.choose_name(9, "lin")
    assert await users.names([3, 4, 5, 7]) == {4: "weiss", 5: "LIN", 7: NAMES[7]}


async def test_migration_reserves_names_that_were_not_chosen_and_takes_none(old: Database) -> None:
    """Which of them the backend gave was not recorded."""
    async with old.reading() as connection:
        given = await connection.fetch("SELECT user_id, unique_form FROM given_names ORDER BY 1")
    assert [tuple(row) for row in given] == [(4, "weiss"), (7, "lin"), (9, "lin")]
    users = UserStore(old)
    assert await users.names(list(NAMES)) == NAMES
    await users.choose_name(5, "")
    with pytest.raises(NameTaken):
        await users.choose_name(1, "lin")  # 7 and 9 are called so


async def test_migration_leaves_a_table_with_its_usual_names(old: Database) -> None:
    async with old.reading() as connection:
        found = await connection.fetch("SELECT conname FROM pg_constraint WHERE conrelid = 'users'::regclass")
    expected = {"users_pkey", "users_user_id_check"}
    assert {row["conname"] for row in found if "not_null" not in row["conname"]} == expected
