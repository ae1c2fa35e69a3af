"""Two servers on one database: each follows what the other changes, or does not call itself current."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.errors import StoreUnavailable
from server.services.runtime.change_feed import ChangeFeed
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import MakeParty, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
USER = 7


class Follower:
    """A server, and what it has in memory of the user: the version of the row, read as services read."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.version = 0
        self.follows = asyncio.Event()
        self.follows.set()
        self.changes.on_change("user", self._follow)
        self.changes.on_gap(self._read)

    @property
    def changes(self) -> ChangeFeed:
        return self.server.app.services.changes

    async def _follow(self, user_id: int, version: int) -> None:
        assert user_id == USER
        await self.follows.wait()
        await self._read()

    async def _read(self) -> None:
        async with self.server.app.stores.database.reading() as connection:
            self.version = await connection.fetchval("SELECT version FROM users WHERE user_id = $1", USER)

    async def change(self) -> int:
        """As a service does: commit, then wait; the new version."""
        async with self.server.app.stores.database.reading() as connection:
            version: int = await connection.fetchval(
                "UPDATE users SET version = version + 1 WHERE user_id = $1 RETURNING version", USER
            )
        await self.changes.wait_until_told("user", USER, version)
        return version

    async def is_current(self) -> bool:
        return self.changes.is_current

    async def has_no_lease(self) -> bool:
        return self.changes._lease_ends_s < time.monotonic()

    async def knows_of_another(self) -> bool:
        return self.changes.others == 1


@pytest.fixture
async def changer(start_server: StartServer, sql: Sql) -> Follower:
    """The first of two servers on one database; the user has version 1."""
    await sql.execute("INSERT INTO users (user_id, name) VALUES ($1, 'Anna')", USER)
    return Follower(await start_server())


@pytest.fixture
async def follower(
    changer: Follower, start_server: StartServer, postgres_proxy: tuple[Proxy, str]
) -> AsyncIterator[Follower]:
    """The second one, behind a proxy. Both know of each other."""
    one = Follower(await start_server(stores__postgres=postgres_proxy[1]))
    for server in (changer, one):
        await until(server.knows_of_another)
    yield one
    one.follows.set()


async def test_change_is_followed_by_the_other_server_when_the_wait_ends(
    changer: Follower, follower: Follower
) -> None:
    for one, other in ((changer, follower), (follower, changer)):
        version = await one.change()
        assert other.version == version


async def test_change_of_an_operator_is_followed_by_both_servers(
    changer: Follower, follower: Follower, sql: Sql
) -> None:
    await sql.execute("UPDATE users SET version = 9")

    async def followed() -> bool:
        return changer.version == follower.version == 9

    await until(followed)


async def test_server_that_is_cut_off_is_not_current_when_the_wait_ends_and_catches_up_later(
    changer: Follower, follower: Follower, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, _ = postgres_proxy
    await proxy.cut()
    version = await changer.change()
    assert not follower.changes.is_current
    await proxy.heal()
    await until(follower.is_current)
    assert follower.version == version


async def test_server_whose_connection_stalls_is_not_current_when_the_wait_ends(
    changer: Follower, follower: Follower, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, _ = postgres_proxy
    proxy.stall()
    version = await changer.change()
    assert not follower.changes.is_current
    proxy.flow()
    await until(follower.is_current)
    assert follower.version == version


async def test_connection_that_listens_and_is_ended_is_made_again_before_the_wait_ends(
    changer: Follower, follower: Follower, sql: Sql
) -> None:
    ended = await sql.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE '%hongbao_beats%' AND pid <> pg_backend_pid()"
    )
    assert ended == 2
    version = await changer.change()
    assert follower.version == version


async def test_server_that_stopped_is_not_waited_for(changer: Follower, follower: Follower, sql: Sql) -> None:
    await follower.server.stop()
    assert await sql.fetchval("SELECT count(*) FROM servers") == 1
    await changer.change()


async def test_server_that_was_killed_is_waited_for_until_its_lease_has_ended(
    changer: Follower, follower: Follower, sql: Sql
) -> None:
    await follower.server.kill()
    await changer.change()
    assert (
        await sql.fetchval("SELECT count(*) FROM servers WHERE alive_at > clock_timestamp() - interval '2 s'") == 1
    )


async def test_server_that_cannot_follow_is_not_current_when_the_wait_ends(
    changer: Follower, follower: Follower
) -> None:
    follower.follows.clear()
    version = await changer.change()
    assert not follower.changes.is_current
    follower.follows.set()
    await until(follower.is_current)
    assert follower.version == version


async def test_requests_of_users_are_refused_while_the_server_is_not_current(
    changer: Follower, follower: Follower, connect: Connect
) -> None:
    user = await connect(follower.server, USER)
    backend = await connect(follower.server, 0)
    follower.follows.clear()
    await changer.change()
    with pytest.raises(StoreUnavailable):
        await user.balance()
    await backend.top_up(USER, 100)
    follower.follows.set()
    await until(follower.is_current)
    assert await user.balance() == 100


async def test_server_alone_grants_tickets_while_the_database_is_away(
    start_server: StartServer, postgres_proxy: tuple[Proxy, str], party: MakeParty
) -> None:
    proxy, dsn = postgres_proxy
    alone = Follower(await start_server(stores__postgres=dsn))
    room = await party(alone.server, 1)
    packet_id = await room.lucky(100, 2)
    await proxy.cut()
    await until(alone.has_no_lease)
    assert (await room.guests[0].grab(packet_id)).ticket
