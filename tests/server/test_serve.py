"""`hongbao serve` during its start: exclusive on its folder, ignores SIGHUP, ends at once on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from server.instance import LOCK, SERVER_FILE, STATUS_SOCKET
from storage.postgres.migrate import _LOCK as MIGRATION_LOCK
from tests.server.log import wait_for
from tests.server.serving import PATIENCE_S, Serve, ended

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def migrating(sql: Sql) -> None:
    """Another connection holds the lock of migrations, so that a server stays in its start."""
    await sql.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)


async def waits_for_the_lock(sql: Sql) -> None:
    """Wait until a server waits for it."""
    async with asyncio.timeout(PATIENCE_S):
        while not await sql.fetchval(WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("migrating")
async def test_serve_while_another_server_starts_on_the_folder_is_refused(
    serve: Serve, sql: Sql, tmp_path: Path
) -> None:
    """Also with stores in another place, and before the first server has an address."""
    first = serve(tmp_path)
    await waits_for_the_lock(sql)
    second = ended(serve(tmp_path))
    assert (second.code, second.stdout) == (1, "")
    assert f"a server already runs on {tmp_path}: it is still starting, process {first.pid}" in second.stderr
    assert (tmp_path / STATUS_SOCKET).is_socket()
    await sql.execute("SELECT pg_advisory_unlock_all()")
    wait_for(lambda: (tmp_path / SERVER_FILE).exists())
    first.send_signal(signal.SIGTERM)
    assert ended(first).code == 0


@pytest.mark.usefixtures("migrating")
async def test_sigterm_during_the_start_ends_it_at_once(serve: Serve, sql: Sql, tmp_path: Path) -> None:
    process = serve(tmp_path)
    await waits_for_the_lock(sql)
    process.send_signal(signal.SIGTERM)
    assert ended(process).code == 0
    assert set(os.listdir(tmp_path)) == {LOCK, "keys.toml", "seed-keys.toml"}


async def test_sighup_during_the_start_does_not_end_it(serve: Serve, tmp_path: Path) -> None:
    process = serve(tmp_path)
    wait_for((tmp_path / LOCK).exists)
    process.send_signal(signal.SIGHUP)  # no handler is installed yet
    wait_for(lambda: process.poll() is not None or (tmp_path / SERVER_FILE).exists())
    process.send_signal(signal.SIGTERM)
    assert ended(process).code == 0


async def test_serve_with_a_used_status_socket_is_refused(serve: Serve, tmp_path: Path) -> None:
    shared = tmp_path / "shared.sock"
    first = serve(tmp_path / "one", HONGBAO_OPS__SOCKET=str(shared))
    wait_for((tmp_path / "one" / SERVER_FILE).exists)
    second = ended(serve(tmp_path / "two", HONGBAO_OPS__SOCKET=str(shared)))
    assert second.code == 1
    assert f"hongbao: cannot listen on {shared}: another server listens there" in second.stderr
    assert shared.is_socket()
    first.send_signal(signal.SIGTERM)
    assert ended(first).code == 0
    assert not shared.exists()


async def test_first_line_of_serve_names_the_dashboard_or_why_there_is_none(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        for address, expected in (
            ("127.0.0.1:0", ", dashboard http://127.0.0.1:"),
            (f"127.0.0.1:{taken}", f", no dashboard: port {taken} is taken;"),
            ("", ", durability postgres;"),
        ):
            process = serve(tmp_path, HONGBAO_OPS__HTTP=address)  # one folder: its seed key is that of the database
            wait_for((tmp_path / SERVER_FILE).exists)
            process.send_signal(signal.SIGTERM)
            done = ended(process)
            assert (done.code, done.stdout.count("\n")) == (0, 1)
            assert expected in done.stdout
