"""The sessions and the loop of tests: what serves a second test is as new, and what a test leaves open fails it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from storage.postgres.database import Database
from tests.kept_sessions import KeptSession
from tests.strict_loop import Loops

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Open: TypeAlias = Callable[[], Awaitable[Session]]


@pytest.fixture
def connected(postgres_dsn: str, kept_sessions: None) -> Open:
    """Opens a session with the database of the test."""
    return lambda: asyncpg.connect(postgres_dsn)


async def handed_on(session: Session, connected: Open) -> Session:
    """End a session; the next one, which is the same to PostgreSQL."""
    pid = session.get_server_pid()
    session.terminate()
    assert session.is_closed()
    following = await connected()
    assert (following.get_server_pid(), following is session) == (pid, False)
    return following


async def test_session_that_is_handed_on_has_nothing_of_its_last_owner(connected: Open, sql: Session) -> None:
    fresh = await connected()
    query = "SELECT array_agg((name, setting) ORDER BY name) FROM pg_settings"
    settings = await fresh.fetchval(query)
    heard: list[object] = []
    await fresh.add_listener("news", lambda *told: heard.append(told))
    await fresh.execute("SELECT pg_advisory_lock(7); SET lock_timeout = 5; SET ROLE pg_monitor")
    await fresh.execute("RESET ROLE; CREATE TEMP TABLE own (x int); SET SESSION AUTHORIZATION pg_monitor")
    following = await handed_on(fresh, connected)
    assert await following.fetchval(query) == settings
    assert await following.fetchval("SELECT session_user::text || current_user") == "postgrespostgres"
    assert await following.fetchval("SELECT to_regclass('own') IS NULL")
    assert await following.fetchval("SELECT count(*) FROM pg_listening_channels()") == 0
    assert await sql.fetchval("SELECT pg_try_advisory_lock(7)")
    await sql.execute("NOTIFY news")
    await following.fetchval("SELECT 1")
    assert heard == []
    await following.close()


async def test_statement_is_prepared_once_for_all_owners(connected: Open) -> None:
    first = await connected()
    await first.fetchval("SELECT $1::int", 3)
    following = await handed_on(first, connected)
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::int'"
    assert await following.fetchval("SELECT $1::int", 4) == 4
    assert await following.fetchval(prepared) == 1
    await following.close()


async def test_last_owner_can_do_nothing_with_it(connected: Open) -> None:
    first = await connected()
    ended: list[object] = []
    first.add_termination_listener(ended.append)
    following = await handed_on(first, connected)
    assert ended == [first]
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await first.fetchval("SELECT 1")
    first.terminate()  # once more
    assert await following.fetchval("SELECT 1") == 1
    await following.close()


async def test_session_in_a_transaction_is_ended(connected: Open) -> None:
    session = await connected()
    pid = session.get_server_pid()
    await session.execute("BEGIN; SELECT pg_advisory_xact_lock(7)")
    session.terminate()
    following = await connected()
    assert following.get_server_pid() != pid
    await following.execute("SELECT pg_advisory_xact_lock(7)")
    await following.close()


async def test_session_with_a_statement_under_way_is_ended(connected: Open) -> None:
    session = await connected()
    pid = session.get_server_pid()
    sleeping = asyncio.create_task(session.fetchval("SELECT pg_sleep(3600)"))
    await asyncio.sleep(0)
    session.terminate()
    with pytest.raises(asyncpg.PostgresConnectionError):
        await sleeping
    following = await connected()
    assert following.get_server_pid() != pid
    await following.close()


async def test_session_that_postgresql_has_ended_is_not_handed_on(connected: Open, sql: Session) -> None:
    session = await connected()
    pid = session.get_server_pid()
    session.terminate()
    assert await sql.fetchval("SELECT pg_terminate_backend($1, 3000)", pid)
    following = await connected()
    assert following.get_server_pid() != pid
    assert await following.fetchval("SELECT 1") == 1
    await following.close()


async def test_pool_and_writers_hand_on_their_sessions(postgres_dsn: str, kept_sessions: None) -> None:
    pids = []
    for _ in range(2):
        database = Database(postgres_dsn, pool_max=1, timeout_s=10)
        await database.open()
        writer = database.writer()
        async with database.reading() as pooled, writer.alone() as own:
            assert isinstance(own, KeptSession)
            pids.append({pooled.get_server_pid(), own.get_server_pid()})
        await database.close()
    assert pids[0] == pids[1]


@pytest.mark.new_sessions
async def test_test_with_new_sessions_hands_none_on(connected: Open) -> None:
    first = await connected()
    pid = first.get_server_pid()
    await first.close()
    second = await connected()
    assert (type(second), second.get_server_pid() == pid) == (asyncpg.Connection, False)
    await second.close()


# --- the loop ---------------------------------------------------------------------------------------------------


async def nothing() -> None:
    pass


def test_loop_that_is_left_clean_serves_again() -> None:
    loops = Loops()
    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(nothing())
        first = runner.get_loop()
    with asyncio.Runner(loop_factory=loops) as runner:
        assert runner.get_loop() is first
        runner.run(asyncio.to_thread(int))
    loops.close()
    assert first.is_closed()


def test_timer_that_a_test_leaves_ends_with_it() -> None:
    loops = Loops()
    with asyncio.Runner(loop_factory=loops) as runner:
        first = runner.get_loop()
        timers = [first.call_later(3_600, int), first.call_at(first.time() + 3_600, int)]
        assert [one.cancelled() for one in timers] == [False, False]
    assert [one.cancelled() for one in timers] == [True, True]
    with asyncio.Runner(loop_factory=loops) as runner:
        assert runner.get_loop() is first
    loops.close()


def test_loop_in_use_is_not_given_twice() -> None:
    loops = Loops()
    with asyncio.Runner(loop_factory=loops) as runner, asyncio.Runner(loop_factory=loops) as other:
        assert runner.get_loop() is not other.get_loop()
    loops.close()


def test_socket_that_is_left_open_fails_its_test_and_the_next_one_gets_a_new_loop() -> None:
    loops = Loops()

    async def leave_open() -> None:
        await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)

    runner = asyncio.Runner(loop_factory=loops)
    runner.run(leave_open())
    loop = runner.get_loop()
    with pytest.raises(ResourceWarning, match="left open"):
        runner.close()
    assert loop.is_closed()
    with asyncio.Runner(loop_factory=loops) as runner:
        assert runner.get_loop() is not loop
    loops.close()


def test_loop_that_a_test_has_changed_is_its_last_one() -> None:
    loops = Loops()

    async def change() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, int)

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(change())
        loop = runner.get_loop()
    assert loop.is_closed()


def test_task_that_is_left_does_not_go_on_in_the_next_test() -> None:
    loops = Loops()
    left, right = socket.socketpair()
    with left, right, asyncio.Runner(loop_factory=loops) as runner:
        left.setblocking(False)

        async def leave() -> asyncio.Task[bytes]:
            return asyncio.create_task(asyncio.get_running_loop().sock_recv(left, 1))

        task = runner.run(leave())
    assert task.cancelled()
    loops.close()
