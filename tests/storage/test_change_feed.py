"""The change feed on PostgreSQL: what triggers notify of, lost connections, other notifications."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import asyncpg
import pytest

from storage.errors import StoreUnavailable
from storage.postgres.change_feed import Change, ChangeFeedStore, FeedMessage, Topic
from storage.postgres.database import Database
from tests.conftest import PATIENCE_S

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
GROUP = 9_007_199_254_741_500
MARK = FeedMessage(Topic.BEAT, Change("beat", 0, 1), 101)


class Feed:
    """A store that listens."""

    def __init__(self, database: Database) -> None:
        self.store = ChangeFeedStore(database)
        self.lost = asyncio.Event()
        self._messages: asyncio.Queue[FeedMessage] = asyncio.Queue()

    async def listen(self) -> None:
        await self.store.listen(self._messages.put_nowait, self.lost.set)

    async def messages(self) -> list[FeedMessage]:
        """All that came before a beat of now."""
        await self.store.beat(101, 1, 60.0, "")
        found: list[FeedMessage] = []
        async with asyncio.timeout(PATIENCE_S):
            while (message := await self._messages.get()) != MARK:
                found.append(message)
        return found


@pytest.fixture
async def feed(database: Database) -> Feed:
    """Listens on an empty database with one group and one user."""
    feed = Feed(database)
    async with database.reading() as connection:
        await connection.execute("INSERT INTO groups VALUES ($1, 'friends', 1, 1000)", GROUP)
        await connection.execute("INSERT INTO users (user_id, name) VALUES (7, 'Anna')")
    await feed.listen()
    return feed


@pytest.mark.parametrize(
    ("statement", "change"),
    [
        (f"UPDATE groups SET members_version = 5 WHERE group_id = {GROUP}", Change("group", GROUP, 5)),
        (
            "INSERT INTO groups (group_id, name, owner_id, created_at_ms, members_version)"
            f" VALUES ({GROUP + 1}, 'others', 1, 1000, 2)",
            Change("group", GROUP + 1, 2),
        ),
        ("UPDATE users SET version = version + 1 WHERE user_id = 7", Change("user", 7, 2)),
        ("INSERT INTO users (user_id, name) VALUES (8, 'Ben')", Change("user", 8, 1)),
    ],
)
async def test_change_of_a_version_is_told_to_those_who_listen(
    feed: Feed, sql: Sql, statement: str, change: Change
) -> None:
    await sql.execute(statement)
    assert await feed.messages() == [FeedMessage(Topic.CHANGE, change)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE groups SET name = 'enemies', members_version = members_version",
        "UPDATE users SET name = 'Hanna'",
        f"INSERT INTO groups (group_id, name, owner_id, created_at_ms) VALUES ({GROUP + 1}, 'empty', 1, 1000)",
    ],
)
async def test_statement_that_changes_no_version_tells_nothing(feed: Feed, sql: Sql, statement: str) -> None:
    await sql.execute(statement)
    assert await feed.messages() == []


async def test_change_is_told_after_its_commit_and_never_if_it_is_rolled_back(feed: Feed, sql: Sql) -> None:
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("UPDATE users SET version = 2")
    assert await feed.messages() == []
    await transaction.commit()
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("UPDATE users SET version = 3")
    await transaction.rollback()
    assert await feed.messages() == [FeedMessage(Topic.CHANGE, Change("user", 7, 2))]


async def test_notifications_that_are_not_ours_are_ignored(feed: Feed, sql: Sql) -> None:
    for payload in ("", "rubbish", "group", "group:1", "group:one:2", "group:1:2:three"):
        await sql.execute("SELECT pg_notify('hongbao_changes', $1)", payload)
    assert await feed.messages() == []


async def test_loss_of_the_connection_is_told_and_statements_on_it_fail(feed: Feed, sql: Sql) -> None:
    await sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'DELETE FROM servers%'"
    )
    async with asyncio.timeout(PATIENCE_S):
        await feed.lost.wait()
    with pytest.raises(StoreUnavailable):
        await feed.store.beat(101, 1, 60.0, "")
    await feed.listen()
    assert await feed.messages() == []


async def test_leases_that_were_left_behind_are_removed(feed: Feed, sql: Sql) -> None:
    await sql.execute("INSERT INTO servers VALUES (1, now() - interval '61 minutes'), (2, now())")
    await feed.listen()
    assert await sql.fetch("SELECT server_id FROM servers") == [(2,)]
