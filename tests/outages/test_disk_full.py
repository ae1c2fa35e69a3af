"""The disk of a store is full: temporary errors, no loss, and normal service when there is room again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from tests.outages.cluster import READY_TIMEOUT_S, ProcessCluster, start_cluster
from tests.outages.crowd import Crowd, check_books, start_crowd, until_more_claims
from tests.outages.disk import Disk, small_disk
from tests.services.conftest import until

POSTGRES_MIB, VALKEY_MIB = 160, 8
REFUSALS = 5
SEED = 9


@contextmanager
def disk_for(store: str, mebibytes: int) -> Iterator[tuple[Disk, Path]]:
    """A disk for the data of a store, and the store's log on another disk, because it reports the full disk."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        log = Path(name, "log")
        mount = Path(name, "disk")
        mount.mkdir()
        Path(name).chmod(0o711)
        with small_disk(mount, mebibytes) as disk:
            (disk.folder / f"{store}.log").symlink_to(log)
            yield disk, log


@asynccontextmanager
async def playing(cluster: ProcessCluster) -> AsyncIterator[Crowd]:
    """A crowd is active before, during and after; at the end every request is answered and the books balance."""
    print(f"seed {SEED}")
    async with start_crowd(cluster.url, SEED) as crowd:
        stop = asyncio.Event()
        play = asyncio.create_task(crowd.until_stopped(stop))
        await until_more_claims(crowd)
        yield crowd
        await until_more_claims(crowd)
        stop.set()
        async with asyncio.timeout(READY_TIMEOUT_S):
            await play
        await check_books(cluster.dsn, cluster.data, crowd)


async def until_more_refusals(crowd: Crowd) -> None:
    wanted = crowd.refused["store_unavailable"] + REFUSALS

    async def holds() -> bool:
        return crowd.refused["store_unavailable"] >= wanted

    await until(holds, READY_TIMEOUT_S)


async def until_logged(log: Path, text: str) -> None:
    async def holds() -> bool:
        return text in await asyncio.to_thread(log.read_text, errors="replace")

    await until(holds, READY_TIMEOUT_S)


@pytest.mark.parametrize("durability", [pytest.param("postgres", marks=pytest.mark.long), "redis"])
async def test_full_disk_of_valkey_gives_temporary_errors(durability: str) -> None:
    """With `appendfsync always` Valkey ends when it cannot write, after every start."""
    with disk_for("valkey", VALKEY_MIB) as (disk, log):
        async with start_cluster(durability, valkey=disk.folder) as cluster, playing(cluster) as crowd:
            disk.fill()
            await until_logged(log, "AOF write error")
            await (until_more_claims if durability == "postgres" else until_more_refusals)(crowd)
            disk.free()


@pytest.mark.long
async def test_full_disk_of_postgres_gives_temporary_errors() -> None:
    """First tables cannot grow, which fails statements; then the log cannot grow, which ends PostgreSQL."""
    with disk_for("postgres", POSTGRES_MIB) as (disk, log):
        async with start_cluster(postgres=disk.folder) as cluster, playing(cluster) as crowd:
            disk.fill()
            await until_more_refusals(crowd)
            await until_logged(log, "No space left on device")
            await use_up_segments(cluster.dsn)
            await until_logged(log, "PANIC")
            await until_more_refusals(crowd)
            disk.free()


@pytest.mark.long
async def test_full_disk_of_postgres_is_known_to_an_idle_server_and_does_not_alternate() -> None:
    """No user writes: the probe alone meets it, because it needs room for a temporary file."""
    with disk_for("postgres", POSTGRES_MIB) as (disk, _):
        async with start_cluster(postgres=disk.folder) as cluster:
            await until_reported(cluster.data, "")
            disk.fill()
            await until_reported(cluster.data, "No space left on device")
            for _ in range(11):  # longer than a refusal is remembered
                await asyncio.sleep(1.0)
                assert "No space left on device" in await reported(cluster.data)
            disk.free()
            await until_reported(cluster.data, "")


async def reported(data: Path) -> str:
    """Why PostgreSQL is away, by `hongbao status`; empty: it is not."""
    answer = await ask(data / STATUS_SOCKET, "status")
    stores = answer["stores"]
    assert isinstance(stores, dict)
    return str(stores["postgres"]).removeprefix("up")


async def until_reported(data: Path, why: str) -> None:
    async def holds() -> bool:
        found = await reported(data)
        return why in found if why else not found

    await until(holds, READY_TIMEOUT_S)


async def use_up_segments(dsn: str) -> None:
    """Use up the spare segments, until PostgreSQL ends."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            while True:
                await connection.execute("SELECT pg_logical_emit_message(true, '', ''); SELECT pg_switch_wal()")
        finally:
            connection.terminate()
