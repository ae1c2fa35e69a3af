"""A party: a group of users who are connected to a server, and packets for them to open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import asyncpg
import pytest

from client_sim.sdk.client import Client
from protocol import messages
from protocol.messages import Opened
from server.core.limits import Limits
from server.services.chat.names import NameService
from server.services.money.audit import ARGUMENTS, audit
from server.services.money.records import RecordService
from storage.postgres.chat.users import UserStore
from storage.postgres.database import Database
from storage.postgres.money import records as record_store
from storage.postgres.money.audit import snapshot
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server
from tests.services.books import NOW_MS, Books, Right

SENDER = 1


class Party:
    """The sender is user 1, the guests are 2, 3, …; all are members of one group."""

    def __init__(self, server: Server, group: int, guests: list[Client], sender: Client) -> None:
        self.server = server
        self.group = group
        self.sender = sender
        self.guests = guests

    async def lucky(self, total_fen: int, shares: int) -> int:
        """A lucky packet; its id."""
        return (await self.sender.send_packet("lucky", self.group, total_fen, shares)).packet_id

    async def all_open(self, packet_id: int, guests: Iterable[Client] | None = None) -> list[Opened]:
        """All guests (or only these) open concurrently."""
        return await asyncio.gather(*(one.open(packet_id) for one in guests or self.guests))


MakeParty = Callable[..., Awaitable[Party]]


@pytest.fixture
def party(connect: Connect) -> MakeParty:
    """`await party(server, guests)`: the sender has 1,000.00 yuan."""

    async def make(server: Server, guests: int, **options: Any) -> Party:
        await (await connect(server, 0)).top_up(SENDER, 100_000)
        sender = await connect(server, SENDER, **options)
        group = await sender.create_group("party")
        users = await asyncio.gather(*(connect(server, SENDER + 1 + n, **options) for n in range(guests)))
        invite = await sender.invite(group)
        for user in users:
            await user.join_group(group, invite)
        return Party(server, group, users, sender)

    return make


Record = Callable[[int], Awaitable[list[tuple[int, int, int]]]]


@pytest.fixture
def record(sql: asyncpg.Connection[asyncpg.Record]) -> Record:
    """Read the claims of a packet from the record: (index, user, amount) of each, by index."""

    async def read(packet_id: int) -> list[tuple[int, int, int]]:
        rows = await sql.fetch(
            "SELECT index, user_id, amount_fen FROM claims WHERE packet_id = $1 ORDER BY index", packet_id
        )
        return [tuple(row) for row in rows]

    return read


@pytest.fixture
def books_balance(database: Database) -> Callable[[], Awaitable[None]]:
    """Run the audit; the test fails with its discrepancies."""

    async def check() -> None:
        found = await audit(database, SEED_KEYS)
        assert [line for finding in found.findings for line in finding.discrepancies] == []

    return check


@pytest.fixture
async def books(database: Database) -> Books:
    """Users 1 to 9 are in a group and have 10,000.00 yuan each."""
    made = Books(database)
    await made.populate(range(1, 10), 1_000_000)
    return made


@pytest.fixture
async def records(database: Database) -> AsyncIterator[RecordService]:
    """The record service, a day after New Year."""
    names = NameService(UserStore(database), Limits())
    reading = asyncio.create_task(names.batcher.run())
    yield RecordService(record_store.RecordStore(database), names, lambda: NOW_MS)
    reading.cancel()


@pytest.fixture
async def records_are_right(database: Database) -> Right:
    """Run the audit's check of the records; the test fails with its discrepancies."""

    async def check() -> None:
        async with snapshot(database) as view:
            assert await view.discrepancies("records", *ARGUMENTS["records"]) == []

    return check


async def caught_up(client: Client) -> None:
    """Wait until a client has received all that the server sent to it so far: a connection keeps its order."""
    await client._ask(messages.Ping(0), messages.Pong)
    await asyncio.sleep(0.01)  # for the tasks of this loop that wait for it


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
async def lock_view(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A second connection to the database, for a test whose `sql` is in a transaction."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def waiting(lock_view: asyncpg.Connection[asyncpg.Record], statements: int) -> bool:
    """Whether exactly this number of statements waits for a lock."""
    return bool(await lock_view.fetchval(WAITING) == statements)


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fail if it does not hold in time."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110  the condition is in a store, which sets no event
            await asyncio.sleep(0.01)
