"""A statement that is interrupted between two of its steps because PostgreSQL is away: an outage, not a defect."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from tests.services.conftest import until


@pytest.mark.parametrize("by", ["pool", "writer"])
async def test_statement_interrupted_after_prepare_is_an_outage(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    database = Database(postgres_dsn, pool_max=2, timeout_s=2.0)
    await database.open()
    prepare = asyncpg.Connection._get_statement

    async def prepare_and_freeze(self: Any, *words: Any, **more: Any) -> Any:
        prepared = await prepare(self, *words, **more)
        database._health._is_away("PostgreSQL: no answer")
        return prepared

    monkeypatch.setattr(asyncpg.Connection, "_get_statement", prepare_and_freeze)
    with pytest.raises(Exception) as raised:  # noqa: PT011  its type is checked below
        async with database.reading() if by == "pool" else database.writer().alone() as connection:
            await connection.fetchval("SELECT 1 + $1", 1)
    assert raised.type is StoreUnavailable
    await database.close()


async def test_connection_that_was_lost_a_moment_before_does_not_end_the_probe(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an overload: its statement has not failed yet, and the pool has it back. Others are broken off."""
    database = Database(postgres_dsn, pool_max=2, timeout_s=2.0)
    await database.open()
    health = database._health

    async def no_answer() -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(health, "_probe", no_answer)
    watching = list[asyncio.Task[None]]()

    async def ask_beside_a_lost_one() -> None:
        async with database.reading() as lost, database.reading() as other:
            cast("Any", lost)._con.terminate()
            health._answered_s = float("-inf")
            health._suspect()
            assert health._task is not None
            watching.append(health._task)
            await other.fetchval("SELECT pg_sleep(60)")

    with pytest.raises(StoreUnavailable):
        await ask_beside_a_lost_one()
    assert health.away == "no answer"
    monkeypatch.undo()

    async def is_back() -> bool:
        return not health.away

    await until(is_back)
    assert watching == [health._task]  # it went on to ask
    await database.close()


async def test_error_of_the_code_is_not_an_outage(postgres_dsn: str) -> None:
    database = Database(postgres_dsn, pool_max=2, timeout_s=2.0)
    await database.open()
    with pytest.raises(AttributeError):
        async with database.reading():
            raise AttributeError("a typing mistake")
    await database.close()


async def test_transaction_has_an_idle_timeout_that_releases_its_locks(postgres_dsn: str) -> None:
    database = Database(postgres_dsn, pool_max=2, timeout_s=2.0)
    await database.open()
    async with database.transaction() as connection:
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"
    await database.close()
