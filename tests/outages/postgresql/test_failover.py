"""A standby is promoted while sessions to the old primary live: all are left, and nothing final is said from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from client_sim.sdk.errors import Refusal
from server.services.money.audit import audit_at
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from tests.conftest import SEED_KEYS, StartServer
from tests.outages.postgresql.replicas import Replicas, replicas
from tests.outages.postgresql.roles import opened
from tests.services.conftest import MakeParty, Party, until

# A commit that waits for a standby is ended by nothing; its client is gone.
OURS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = 'hongbao' AND pid <> pg_backend_pid() AND wait_event IS DISTINCT FROM 'SyncRep'
"""


@pytest.fixture
async def pair(cluster: Path) -> AsyncIterator[Replicas]:
    async with replicas(cluster) as both:
        yield both


async def sent(room: Party, key: str) -> int:
    """Send until it succeeds, as the SDK advises; the packet. What is refused meanwhile is temporary."""
    async with asyncio.timeout(60):
        while True:
            try:
                return (await room.sender.send_packet("equal", room.group, 100, 2, key=key)).packet_id
            except Refusal as error:
                if not error.temporary:
                    raise
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("is_fenced", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_server_leaves_the_old_primary_when_a_standby_is_promoted(
    pair: Replicas, start_server: StartServer, party: MakeParty, is_fenced: bool
) -> None:
    """Not fenced, its commits wait for a standby that will not come."""
    server = await start_server(stores__postgres=pair.dsn)
    room = await party(server, 2)
    before = await sent(room, "before")
    if is_fenced:
        await pair.on_primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await pair.on_primary.execute("SELECT pg_reload_conf()")
    await pair.promote()
    pair.turn_to(pair.standby)
    during = await sent(room, "during")
    assert await sent(room, "during") == during
    for packet in (before, during):
        assert {one.answer for one in await room.all_open(packet)} == {"won"}

    async def all_left() -> bool:
        return bool(await pair.on_primary.fetchval(OURS) == 0)

    await until(all_left)

    async def is_current() -> bool:
        return server.app.services.changes.is_current

    await until(is_current)
    await server.stop()
    assert await pair.on_standby.fetchval("SELECT count(*) FROM packets") == 2
    assert (await audit_at(pair.dsn, 10, SEED_KEYS)).ok


async def test_sessions_follow_the_address_and_never_go_back(pair: Replicas) -> None:
    async with opened(pair.dsn) as database:
        await migrate(database)
        writer = database.writer()
        async with writer.alone() as connection:
            assert not await connection.fetchval("SELECT pg_is_in_recovery()")
        pair.turn_to(pair.standby)
        with pytest.raises(StoreUnavailable, match=r"this server is a standby; name the primary"):
            await database._sessions.connect()
        await pair.promote()
        await database._probe()  # any new connection

        async def all_left() -> bool:
            return bool(await pair.on_primary.fetchval(OURS) == 0)

        await until(all_left)
        async with database.reading() as one, writer.alone() as other:
            for connection in (one, other):
                assert (
                    await connection.fetchval("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)") > "00000001"
                )
        pair.turn_to(pair.primary)  # it lives, and would take writes
        with pytest.raises(StoreUnavailable, match="this server is an old primary"):
            await database._sessions.connect()


async def test_standby_is_refused_at_start_and_serves_an_audit(pair: Replicas) -> None:
    async with opened(pair.dsn) as database:
        await migrate(database)
    pair.turn_to(pair.standby)
    with pytest.raises(StoreUnavailable, match="this server is a standby"):
        await Database(pair.dsn, pool_max=1, timeout_s=10).open()
    assert (await audit_at(pair.dsn, 10, SEED_KEYS)).ok
