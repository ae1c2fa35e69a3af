"""Migrations: in order, once, all or nothing, also with several servers; a mismatch is refused in one line."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from server.embedded import StoreAddresses
from storage.errors import StoreRefused
from storage.postgres import migrate as module
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from tests.services.conftest import until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SHORT_TIMEOUT_S = 1.0
LONGER = "SELECT pg_sleep(1.5);"


@pytest.fixture
async def dsn(stores: StoreAddresses) -> AsyncIterator[str]:
    """An empty database."""
    admin = await asyncpg.connect(stores.postgres_dsn)
    await admin.execute("DROP DATABASE IF EXISTS test_migrate WITH (FORCE)")
    await admin.execute("CREATE DATABASE test_migrate")
    yield stores.postgres_dsn.replace("/hongbao?", "/test_migrate?")
    await admin.execute("DROP DATABASE test_migrate WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of the test to it."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two migrations instead of the real ones."""
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (n integer); INSERT INTO one VALUES (1);")
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (n integer); INSERT INTO one VALUES (2);")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


@asynccontextmanager
async def opened(dsn: str, timeout_s: float = 10) -> AsyncIterator[Database]:
    """The database as a server reaches it."""
    database = Database(dsn, pool_max=1, timeout_s=timeout_s)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with opened(dsn) as one:
        yield one


async def ones(sql: Sql) -> list[int]:
    return [row["n"] for row in await sql.fetch("SELECT n FROM one ORDER BY n")]


async def test_each_migration_is_applied_once_and_in_order(folder: Path, database: Database, sql: Sql) -> None:
    assert await migrate(database) == ["0001_one", "0002_two"]
    assert await migrate(database) == []
    (folder / "0003_three.sql").write_text("INSERT INTO one SELECT n + 10 FROM one;")
    assert await migrate(database) == ["0003_three"]
    assert await ones(sql) == [1, 2, 11, 12]


async def test_servers_that_start_together_wait_for_each_other(folder: Path, dsn: str, sql: Sql) -> None:
    """The migration takes longer than the timeout of other statements."""
    (folder / "0003_long.sql").write_text(LONGER)
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(opened(dsn, SHORT_TIMEOUT_S)) for _ in range(3)]
        applied = await asyncio.gather(*map(migrate, servers))
    assert sorted(map(len, applied)) == [0, 0, 3]
    assert await ones(sql) == [1, 2]


async def test_failed_migration_changes_nothing(folder: Path, database: Database, sql: Sql) -> None:
    await migrate(database)
    (folder / "0003_three.sql").write_text("CREATE TABLE three (n integer);")
    bad = folder / "0004_four.sql"
    bad.write_text("INSERT INTO one VALUES (4); INSERT INTO nowhere VALUES (4);")
    with pytest.raises(StoreRefused, match=r"migration 0004_four failed, nothing was changed: .*nowhere"):
        await migrate(database)
    assert await ones(sql) == [1, 2]
    assert await sql.fetchval("SELECT to_regclass('three')") is None
    assert await sql.fetchval("SELECT max(number) FROM migrations") == 2
    bad.write_text("INSERT INTO one VALUES (4);")
    assert await migrate(database) == ["0003_three", "0004_four"]


async def test_server_killed_during_a_migration_changes_nothing(folder: Path, dsn: str, sql: Sql) -> None:
    (folder / "0003_long.sql").write_text("INSERT INTO one VALUES (3);" + LONGER)
    async with opened(dsn) as database:
        killed = asyncio.create_task(migrate(database))
        await until(lambda: sql.fetchval("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        killed.cancel()
        await asyncio.wait({killed})
    assert await sql.fetchval("SELECT to_regclass('migrations')") is None
    async with opened(dsn) as database:
        assert len(await migrate(database)) == 3


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("0004_four.sql", r"without a gap, found \[1, 2, 4\]"),
        ("0002_again.sql", r"without a gap, found \[1, 2, 2\]"),
    ],
)
async def test_file_numbers_with_a_gap_or_a_repeat_are_refused(
    folder: Path, database: Database, sql: Sql, file: str, message: str
) -> None:
    (folder / file).write_text("CREATE TABLE other ();")
    with pytest.raises(StoreRefused, match=message):
        await migrate(database)
    assert await sql.fetchval("SELECT to_regclass('one')") is None


async def test_an_installation_without_migrations_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(StoreRefused, match=r"without a gap, found \[\]"):
        await migrate(database)


async def test_a_database_with_a_gap_is_refused(folder: Path, database: Database, sql: Sql) -> None:
    await migrate(database)
    await sql.execute("UPDATE migrations SET number = 3 WHERE number = 2")
    with pytest.raises(StoreRefused, match="0002_two differs"):
        await migrate(database)


async def test_changed_file_is_refused(folder: Path, database: Database) -> None:
    await migrate(database)
    (folder / "0001_one.sql").write_text("CREATE TABLE one (n bigint);")
    with pytest.raises(StoreRefused, match="migration 0001_one differs from the one that was applied"):
        await migrate(database)


async def test_a_newer_database_is_refused(folder: Path, database: Database, sql: Sql) -> None:
    await migrate(database)
    (folder / "0002_two.sql").unlink()
    with pytest.raises(StoreRefused, match="made by a newer version"):
        await migrate(database)
    assert await ones(sql) == [1, 2]


async def test_server_on_a_newer_database_prints_one_line(
    stores: StoreAddresses, dsn: str, sql: Sql, tmp_path: Path
) -> None:
    async with opened(dsn) as database:
        await migrate(database)
    await sql.execute("INSERT INTO migrations VALUES (9999, 'of tomorrow', '')")
    words = ("serve", "--port", "0", "--postgres", dsn, "--redis", stores.redis_url, "--data", str(tmp_path))
    command = (sys.executable, "-m", "server.cli", *words)
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    last = ended.stderr.splitlines()[-1]
    assert (ended.returncode, ended.stdout) == (1, "")
    assert last == "hongbao: the database was made by a newer version of this server"
    assert "Traceback" not in ended.stderr
