"""`hongbao audit` on stores that are frozen, without Redis, and beside servers, which show its result."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.freezing import frozen
from bench.chaos.proxy import Proxy
from protocol.money_unit import YUAN
from server import embedded
from server.cli.shared import resources
from server.ops.metrics import Metrics
from storage.errors import StoreUnavailable
from storage.postgres import database as database_module
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from tests.clusters import data_folder
from tests.conftest import Server
from tests.server.serving import here
from tests.server.test_cli import process
from tests.services.conftest import MakeParty


async def test_result_of_an_audit_from_the_command_line_is_shown_by_the_server(
    server: Server, party: MakeParty, postgres_dsn: str, sql: Any, tmp_path: Path
) -> None:
    room = await party(server, 2)
    await room.all_open(await room.lucky(1_000, 3))
    operations = server.app.operations

    async def audit() -> int:
        words = ("audit", "--data", tmp_path, "--postgres", postgres_dsn)
        code = (await asyncio.to_thread(process, *words)).code
        await operations._figures.query_once()
        return code

    assert operations.status()["audit"] is None
    assert await audit() == 0
    good = operations.status()["audit"]
    assert good is not None
    assert (good.discrepancies, " 1 packets, 2 claims, " in good.checked) == (0, True)
    await sql.execute("UPDATE wallets SET balance_fen = balance_fen + 1 WHERE user_id = 1")
    assert await audit() == 1
    bad = operations.status()["audit"]
    assert (bad.discrepancies > 0, bad.at_ms > good.at_ms) == (True, True)
    operations.sampler._samples.clear()
    metrics = Metrics(operations.sampler, "1", YUAN)
    assert f"hongbao_audit_discrepancies {bad.discrepancies}.0" in metrics.text().decode()


async def test_result_of_a_machine_whose_clock_is_behind_is_not_hidden_by_an_older_one(
    server: Server, party: MakeParty, postgres_dsn: str, sql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is that of the database, as that of the result of a server."""
    await party(server, 2)
    operations, right_ns = server.app.operations, time.time_ns
    operations._audits.start()
    await operations._audits._task
    good = operations.status()["audit"]
    await sql.execute("UPDATE wallets SET balance_fen = balance_fen + 1 WHERE user_id = 1")
    monkeypatch.setattr(time, "time_ns", lambda: right_ns() - 3_600_000_000_000)
    done = await asyncio.to_thread(here, "audit", "--data", tmp_path, "--postgres", postgres_dsn)
    monkeypatch.undo()
    assert done.code == 1
    await operations._figures.query_once()
    bad = operations.status()["audit"]
    assert (good.discrepancies, bad.discrepancies > 0) == (0, True)
    assert good.at_ms < bad.at_ms <= await sql.fetchval("SELECT extract(epoch FROM clock_timestamp()) * 1000")


async def test_audit_of_read_only_records_proves_them_and_says_that_no_server_shows_it(
    database: Database, postgres_dsn: str, sql: Any, tmp_path: Path
) -> None:
    name = await sql.fetchval("SELECT current_database()")
    await sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    done = await asyncio.to_thread(process, "audit", "--data", tmp_path, "--postgres", postgres_dsn)
    assert (done.code, "audit: ok" in done.stdout) == (0, True)
    assert done.stderr.startswith("hongbao: servers will not show this result, it cannot be stored: ")


async def test_audit_of_a_frozen_database_ends_with_one_line(
    postgres_proxy: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, dsn = postgres_proxy
    proxy.stall()
    done = await asyncio.to_thread(process, "audit", "--data", tmp_path, "--postgres", dsn)
    proxy.flow()
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("hongbao: PostgreSQL: no answer")
    assert len(done.stderr.splitlines()) == 1


async def test_snapshot_ends_when_the_database_freezes_in_the_middle(
    postgres_proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "SILENT_S", 1.0)
    monkeypatch.setattr(database_module, "LOOK_S", 0.1)
    proxy, dsn = postgres_proxy
    database = Database(dsn, pool_max=1, timeout_s=1.0)
    await database.open()

    async def read() -> None:
        async with database.snapshot() as connection:
            assert await connection.fetchval("SELECT 1") == 1
            proxy.stall()
            await connection.fetchval("SELECT 2")

    reading = asyncio.ensure_future(read())
    ended, _ = await asyncio.wait({reading}, timeout=10)  # to cancel it would wait for the database, too
    proxy.flow()
    assert ended
    with pytest.raises(StoreUnavailable, match="no answer for 1 s"):
        await reading
    await database.close()


async def test_snapshot_waits_for_a_long_statement_of_a_database_that_answers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "SILENT_S", 1.0)
    monkeypatch.setattr(database_module, "LOOK_S", 0.1)
    async with database.snapshot() as connection:
        assert await connection.fetchval("SELECT pg_sleep(2.5)::text || 'done'") == "done"


async def _migrate(dsn: str) -> None:
    database = Database(dsn, pool_max=1, timeout_s=10.0)
    await database.open()
    await migrate(database)
    await database.close()


def test_audit_of_embedded_stores_needs_postgres_only(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is frozen: the audit does not ask it. PostgreSQL is frozen: one line, and no wait of minutes."""
    monkeypatch.setattr(resources, "ATTACH_TIMEOUT_S", 3.0)
    with data_folder(cluster) as data, embedded.start(data) as stores:
        asyncio.run(_migrate(stores.postgres_dsn))
        with frozen(stores.pids["valkey"]):
            done = here("audit", "--data", data)
            assert (done.code, "audit: ok" in done.stdout, done.stderr) == (0, True, "")
            with frozen(stores.pids["postgres"]):
                done = here("audit", "--data", data)
            assert (done.code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
            assert done.stderr.endswith("but they do not answer\n")
