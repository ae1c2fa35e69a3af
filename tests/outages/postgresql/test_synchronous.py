"""The synchronous standby stands still: what it lacks is not shown, and few sessions wait for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from server.embedded.stores import POSTGRES
from storage.errors import StoreUnavailable
from storage.postgres import write_probe
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.money.wallets import TransferRow, WalletStore
from tests.outages.postgresql.replicas import Replicas, replicas
from tests.services.conftest import until

SHORT_S = 0.5  # of a statement: the time that is to pass
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
NOTE = "INSERT INTO notes VALUES (1)"
NOTES = "SELECT count(*) FROM notes"
TOP_UP = TransferRow(0, 7, 1, "k", 500, 1_700_000_000_000)


@pytest.fixture(autouse=True)
def patient_probes() -> None:
    """A primary that answers is not away."""


@pytest.fixture
async def pair(cluster: Path) -> AsyncIterator[Replicas]:
    async with replicas(cluster) as both:
        yield both


@pytest.fixture
async def database(pair: Replicas) -> AsyncIterator[Database]:
    await pair.on_primary.execute("CREATE TABLE notes (number integer)")
    opened = Database(pair.dsn, 2, SHORT_S)
    await opened.open()
    yield opened
    await opened.close()


@contextmanager
def standing_still(sockets: Path) -> Iterator[None]:
    """A server takes no step, and confirms nothing."""
    first = int((sockets.parent / POSTGRES.name / "postmaster.pid").read_text().split()[0])
    pids = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def commits_wait(pair: Replicas, number: int) -> None:
    async def do_wait() -> bool:
        return bool(await pair.on_primary.fetchval(WAITING) == number)

    await until(do_wait)


def ways_of(database: Database) -> dict[str, AbstractAsyncContextManager[Any]]:
    """All ways to a statement that commits."""
    writer = database.writer()
    return {
        "pooled transaction": database.transaction(),
        "pooled statement": database.reading(),
        "transaction": writer.transaction(),
        "statement": writer.alone(),
    }


@pytest.mark.parametrize("way", ["pooled transaction", "pooled statement", "transaction", "statement"])
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_commit_that_is_given_up_is_not_shown_before_the_standby_has_it(
    pair: Replicas, database: Database, way: str, is_cancelled: bool
) -> None:
    async def write() -> None:
        async with ways_of(database)[way] as connection:
            await connection.execute(NOTE)

    with standing_still(pair.standby):
        writing = asyncio.create_task(write())
        await commits_wait(pair, 1)
        if is_cancelled:
            writing.cancel()
        with pytest.raises(asyncio.CancelledError if is_cancelled else StoreUnavailable):
            await writing
        async with database.reading() as connection:  # what PostgreSQL was asked before has its answer by now
            assert await connection.fetchval(NOTES) == 0
        await asyncio.sleep(0.2)  # a request to cancel comes over a connection of its own
        assert await pair.on_primary.fetchval(NOTES) == 0
        assert await pair.on_primary.fetchval(WAITING) == 1

    async def is_shown() -> bool:
        return bool(await pair.on_primary.fetchval(NOTES) == 1)

    await until(is_shown)


async def test_statement_that_is_cancelled_in_a_transaction_is_cancelled_and_rolled_back(
    pair: Replicas, database: Database
) -> None:
    async def write() -> None:
        async with database.transaction() as connection:
            await connection.execute(NOTE)
            await connection.execute("SELECT pg_sleep(60)")

    async def sleeps(number: int) -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        return bool(await pair.on_primary.fetchval(sql) == number)

    writing = asyncio.create_task(write())
    await until(lambda: sleeps(1))
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await until(lambda: sleeps(0))
    assert await pair.on_primary.fetchval(NOTES) == 0


async def test_statement_that_takes_too_long_in_a_transaction_is_named_so(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="no answer in time"):
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_sleep(60)")


async def test_top_up_that_the_standby_lacks_is_neither_told_nor_made_twice(pair: Replicas) -> None:
    database = Database(pair.dsn, 2, SHORT_S)
    await database.open()
    await migrate(database)
    wallets = WalletStore(database)
    with standing_still(pair.standby):
        for _ in range(2):  # again with its key
            with pytest.raises(StoreUnavailable):
                await wallets.move(TOP_UP, 7, 500)
        assert await wallets.entries(7, 0) == []

    async def is_there() -> bool:
        return [entry.balance_fen for entry in await wallets.entries(7, 0)] == [500]

    await until(is_there)
    assert (await wallets.move(TOP_UP, 7, 500)).balance == (500, 1)
    await database.close()


async def test_probes_of_a_standby_that_stands_still_wait_in_one_session(
    pair: Replicas, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_probe, "WRITE_S", 0.1)
    with standing_still(pair.standby):
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match="no answer in time to a commit"):
                await database.probe_write()
        assert await pair.on_primary.fetchval(WAITING) == 1

    async def is_well() -> bool:
        with suppress(StoreUnavailable):
            await database.probe_write()
            return True
        return False

    await until(is_well)


async def test_no_commit_begins_while_one_does_not_end_and_reads_go_on(
    pair: Replicas, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_probe, "WRITE_S", 0.1)
    with standing_still(pair.standby):
        with pytest.raises(StoreUnavailable):
            await database.probe_write()
        await until(lambda: asyncio.sleep(0, database.commits_wait))
        for way in ("pooled transaction", "transaction", "statement"):
            with pytest.raises(StoreUnavailable, match="no answer in time to a commit"):
                async with ways_of(database)[way] as connection:
                    await connection.execute(NOTE)
        assert await pair.on_primary.fetchval(WAITING) == 1
        async with database.reading() as connection:
            assert await connection.fetchval(NOTES) == 0
        async with database.writer(reads=True).alone() as connection:
            assert await connection.fetchval(NOTES) == 0

    async def goes_on() -> bool:
        with suppress(StoreUnavailable):
            async with database.transaction() as connection:
                await connection.execute(NOTE)
                return True
        return False

    await until(goes_on)
    assert await pair.on_primary.fetchval(NOTES) == 1
