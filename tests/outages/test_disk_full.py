"""The disk of a store is truly full: temporary errors, nothing lost, and all goes on when there is room again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from tests.outages.crowd import Crowd, check_books, crowd
from tests.outages.disk import Disk, small_disk
from tests.outages.house import READY_WITHIN_S, House, house
from tests.services.conftest import until

POSTGRES_MIB, VALKEY_MIB = 160, 8
CLAIMS = 40  # so many more show that the play goes on
REFUSALS = 5
SEED = 9


@contextmanager
def disk_for(store: str, mebibytes: int) -> Iterator[tuple[Disk, Path]]:
    """A disk for the data of a store, and the store's log, which lies elsewhere: it tells of the full disk."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        log = Path(name, "log")
        mount = Path(name, "disk")
        mount.mkdir()
        Path(name).chmod(0o711)
        with small_disk(mount, mebibytes) as disk:
            (disk.folder / f"{store}.log").symlink_to(log)
            yield disk, log


@asynccontextmanager
async def playing(here: House) -> AsyncIterator[Crowd]:
    """A crowd that plays before, during and after; at the end everybody has an answer, and the books balance."""
    print(f"seed {SEED}")
    async with crowd(here.url, SEED) as people:
        stop = asyncio.Event()
        play = asyncio.create_task(people.until_stopped(stop))
        await more_claims(people)
        yield people
        await more_claims(people)
        stop.set()
        async with asyncio.timeout(READY_WITHIN_S):
            await play
        await check_books(here.dsn, people)


async def more_claims(people: Crowd) -> None:
    wanted = len(people.won) + CLAIMS

    async def holds() -> bool:
        return len(people.won) >= wanted

    await until(holds, READY_WITHIN_S)


async def more_refusals(people: Crowd) -> None:
    wanted = people.refused["store_unavailable"] + REFUSALS

    async def holds() -> bool:
        return people.refused["store_unavailable"] >= wanted

    await until(holds, READY_WITHIN_S)


async def said(log: Path, words: str) -> None:
    async def holds() -> bool:
        return words in await asyncio.to_thread(log.read_text, errors="replace")

    await until(holds, READY_WITHIN_S)


@pytest.mark.parametrize("tier", ["postgres", "redis"])
async def test_valkeys_disk_is_full(cluster: Path, tier: str) -> None:
    """With `appendfsync always` Valkey ends rather than promise what it cannot write, again and again."""
    with disk_for("valkey", VALKEY_MIB) as (disk, log):
        async with house(cluster, tier, valkey=disk.folder) as here, playing(here) as people:
            disk.fill()
            await said(log, "AOF write error")
            await (more_claims if tier == "postgres" else more_refusals)(people)
            disk.free()


async def test_postgres_disk_is_full(cluster: Path) -> None:
    """First no table can grow, which fails statements; then neither can the log, which ends PostgreSQL."""
    with disk_for("postgres", POSTGRES_MIB) as (disk, log):
        async with house(cluster, postgres=disk.folder) as here, playing(here) as people:
            disk.fill()
            await more_refusals(people)
            await said(log, "No space left on device")
            await need_another_segment(here.dsn)
            await said(log, "PANIC")
            await more_refusals(people)
            disk.free()


async def need_another_segment(dsn: str) -> None:
    """Until there is none in stock any more, and PostgreSQL ends over it."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            while True:
                await connection.execute("SELECT pg_logical_emit_message(true, '', ''); SELECT pg_switch_wal()")
        finally:
            connection.terminate()
