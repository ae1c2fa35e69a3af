"""A standby is promoted while sessions to the old primary live: all are left, and nothing final is said from it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from client_sim.sdk.errors import ClientError, Refusal
from server.services.money.audit import audit_at
from server.services.runtime.store_health import UNPROBED_S_MAX
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.sessions import Sessions
from storage.postgres.write_probe import LOOK_PRIMARY_S
from tests.clusters import data_folder
from tests.conftest import PATIENCE_S, SEED_KEYS, StartServer
from tests.outages.crowd import Crowd, compare_with_books, start_crowd, until_more_claims
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


async def talk(crowd: Crowd, stop: asyncio.Event) -> list[int]:
    """Say texts until stopped; the numbers that the server told."""
    numbers: list[int] = []
    while not stop.is_set():
        try:
            numbers.append(await crowd.clients[1].say(crowd.group, "still here"))
        except ClientError as error:
            if not error.temporary:
                raise
        await asyncio.sleep(0.02)
    return numbers


@pytest.mark.parametrize("is_fenced", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_users_who_open_packets_during_a_promotion_lose_nothing_that_they_were_told(
    pair: Replicas, start_server: StartServer, is_fenced: bool
) -> None:
    """A claim that was told is recorded at the new primary, no number of a message comes twice."""
    server = await start_server(stores__postgres=pair.dsn)
    async with start_crowd(server.url, seed=13) as crowd:
        stop = asyncio.Event()
        playing, talking = asyncio.create_task(crowd.until_stopped(stop)), asyncio.create_task(talk(crowd, stop))
        await until_more_claims(crowd)
        if is_fenced:
            await pair.on_primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await pair.on_primary.execute("SELECT pg_reload_conf()")
        await pair.promote()
        pair.turn_to(pair.standby)
        for _ in range(
            2
        ):  # some were told before the first new connection, so the second ones are of the new primary
            await until_more_claims(crowd)
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await playing
            numbers = await talking

        async def is_left() -> bool:
            return bool(await pair.on_primary.fetchval(OURS) == 0)

        await until(is_left)  # a process of PostgreSQL notices a closed connection when it next looks
        assert numbers == sorted(set(numbers))
        said = await pair.on_standby.fetch("SELECT message FROM messages WHERE text IS NOT NULL")
        assert set(numbers) <= {row["message"] for row in said}
        await compare_with_books(pair.dsn, SEED_KEYS, crowd)
    async with opened(pair.dsn) as database, database.reading() as connection:
        assert await connection.fetchval("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)") > "00000001"


@pytest.mark.long
@pytest.mark.parametrize("dsn", ["one address that moved", "several hosts"])
async def test_idle_server_leaves_an_old_primary_that_was_not_fenced(
    cluster: Path, start_server: StartServer, party: MakeParty, dsn: str
) -> None:
    """Nothing fails on it: it takes writes and waits for no standby. No user does anything meanwhile."""
    async with replicas(cluster, waits=False) as pair:
        server = await start_server(stores__postgres=pair.dsn if dsn.startswith("one") else pair.both_hosts)
        room = await party(server, 2)
        await pair.promote()
        pair.turn_to(pair.standby)

        async def all_left() -> bool:
            return bool(await pair.on_primary.fetchval(OURS) == 0)

        await until(all_left)
        packet = await sent(room, "after")
        assert {one.answer for one in await room.all_open(packet)} == {"won"}
        assert await pair.on_standby.fetchval("SELECT count(*) FROM claims") == 2
        await server.stop()
        assert (await audit_at(pair.dsn, 10, SEED_KEYS)).ok


async def timeline_after_look(database: Database) -> str:
    """The timeline of the primary that is known once the write probe has looked for another one."""
    probe, sessions = database._write_probe, database._sessions
    probe._look, probe._primary_due_s = None, 0.0
    with suppress(StoreUnavailable):  # the probe itself succeeds on an old primary, unless the look was faster
        await database.probe_write()
    assert probe._look is not None
    await probe._look
    assert sessions._primary is not None
    return sessions._primary.timeline


async def test_probe_that_succeeds_on_an_old_primary_looks_for_another_one(cluster: Path) -> None:
    async with replicas(cluster, waits=False) as pair, opened(pair.dsn) as database:
        before = await timeline_after_look(database)
        await pair.promote()
        pair.turn_to(pair.standby)
        assert await timeline_after_look(database) > before


def test_another_primary_is_looked_for_within_six_seconds_also_by_a_busy_server() -> None:
    assert UNPROBED_S_MAX + LOOK_PRIMARY_S < 6


async def test_host_that_is_silent_does_not_use_up_the_time_of_each_attempt(postgres_dsn: str) -> None:
    with data_folder() as folder, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / ".s.PGSQL.5432"))
        silent.listen()
        dsn = postgres_dsn.replace("host=", f"host={folder},").replace("port=5432", "port=5432,5432")
        sessions = Sessions(dsn, timeout_s=1.0)
        with pytest.raises(TimeoutError):
            await sessions.connect()
        (await sessions.connect()).terminate()


async def test_copy_that_was_started_alone_takes_over_from_no_primary(pair: Replicas) -> None:
    """It is no standby and takes writes, but it was never promoted: both would go on under one timeline."""
    async with opened(pair.both_hosts) as database:
        sessions = database._sessions
        await migrate(database)
        known = sessions._primary
        assert known is not None
        for other in (known._replace(cluster=known.cluster + 1, timeline="00000009"), known):
            facts = {**other._asdict(), "started_at": other.started_at + timedelta(1)}
            assert not sessions._may_take_over(sessions._hosts.to_look_at[0], facts)  # type: ignore[arg-type]
        promoted = known._replace(timeline="00000002")._asdict()
        assert sessions._may_take_over(sessions._hosts.to_look_at[0], promoted)  # type: ignore[arg-type]


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
