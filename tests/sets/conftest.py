"""A server with two sets: the users 1 to 9 were known before the second one was added, later users are in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.client import Client
from server import embedded
from server.core.ids import BACKEND
from server.embedded.stores import POSTGRES
from server.services.money.audit_sets import audit_sets_at
from tests.clusters import data_folder
from tests.conftest import SEED_KEYS, Connect, Server, StartServer
from tests.databases import Databases

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
OLD = 1  # the first user of set 0
NEW = 1_001  # the first user of set 1
EACH_FEN = 100_000


@pytest.fixture
def other_dsn(databases: Databases) -> Iterator[str]:
    """An empty, migrated database beside that of the test."""
    name = databases.take()
    yield databases.dsn_of(name)
    databases.give_back(name)


@pytest.fixture
def third_dsn(databases: Databases) -> Iterator[str]:
    """One more."""
    name = databases.take()
    yield databases.dsn_of(name)
    databases.give_back(name)


@pytest.fixture
def other_postgres(cluster: Path) -> Iterator[embedded.StoreAddresses]:
    """A PostgreSQL of its own for set 1; its keeper starts it again when it is killed."""
    with data_folder(cluster) as data, embedded.start(data, (POSTGRES,)) as running:
        yield running


@pytest.fixture
async def other_sql(other_dsn: str) -> AsyncIterator[Sql]:
    """The test's own view of set 1."""
    connection = await asyncpg.connect(other_dsn)
    yield connection
    await connection.close()


StartPair = Callable[..., Awaitable[Server]]


@pytest.fixture
def start_pair(other_dsn: str, start_server: StartServer) -> StartPair:
    """Starts a server on both databases."""

    async def start(**overrides: Any) -> Server:
        return await start_server(**{"stores__postgres_sets": (other_dsn,), **overrides})

    return start


class Crowd(NamedTuple):
    """Users of both sets in one group, each with EACH_FEN."""

    server: Server
    group: int
    old: list[Client]  # in set 0
    new: list[Client]  # in set 1


MakeCrowd = Callable[..., Awaitable[Crowd]]


@pytest.fixture
def crowd(start_pair: StartPair, start_server: StartServer, connect: Connect) -> MakeCrowd:
    """`await crowd(old, new)`: a server with one set knows the first users, then a second set is added."""

    async def make(old: int, new: int, **overrides: Any) -> Crowd:
        alone = await start_server()
        for user_id in range(OLD, OLD + old):
            await (await connect(alone, BACKEND)).top_up(user_id, EACH_FEN)
        await alone.stop()
        server = await start_pair(**overrides)
        backend = await connect(server, BACKEND)
        users = [*range(OLD, OLD + old), *range(NEW, NEW + new)]
        for user_id in users[old:]:
            await backend.top_up(user_id, EACH_FEN)
        group = await backend.put_group("crowd", "crowd")
        await backend.sync_members(group, 1, users)
        clients = await asyncio.gather(*(connect(server, user_id) for user_id in users))
        return Crowd(server, group, clients[:old], clients[old:])

    return make


FindDiscrepancies = Callable[[], Awaitable[list[str]]]


@pytest.fixture
def discrepancies(postgres_dsn: str, other_dsn: str) -> FindDiscrepancies:
    """What the audit of both sets finds."""

    async def find() -> list[str]:
        report = await audit_sets_at([postgres_dsn, other_dsn], 10, SEED_KEYS)
        return [line for finding in report.findings for line in finding.discrepancies]

    return find


WAITING = """
SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM set_outbox)
"""


async def is_settled(sql: Sql, other_sql: Sql) -> bool:
    """Nothing waits in either set: no claim, no post, nothing for the other set."""
    return not await sql.fetchval(WAITING) and not await other_sql.fetchval(WAITING)
