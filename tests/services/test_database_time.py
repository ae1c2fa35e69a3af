"""The server's time is its database's: clocks that are set, on either machine, change nothing that expires."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
import structlog

from server.core.ids import EPOCH_MS
from server.ops.health import health
from server.services.runtime import database_time
from storage.postgres import database_time as database_time_store
from tests.conftest import Connect, Server, StartServer, TurnedClock
from tests.services.conftest import MakeParty, until

HOURS_25_MS = 25 * 3_600_000
SetDatabaseClock = Callable[[int], Awaitable[None]]


@pytest.fixture(autouse=True)
def probe_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_time, "PROBE_S", 0.02)


@pytest.fixture
async def set_database_clock(
    sql: asyncpg.Connection[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> SetDatabaseClock:
    """Sets the clock that servers read from the database."""
    await sql.execute(
        """
        CREATE TABLE clock AS SELECT 0::bigint AS ahead_ms;
        CREATE FUNCTION set_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS
            'SELECT clock_timestamp() + ahead_ms * interval ''1 millisecond'' FROM public.clock';
        """
    )
    monkeypatch.setattr(database_time_store, "NOW", database_time_store.NOW.replace("clock_timestamp", "set_clock"))

    async def set_ahead(ms: int) -> None:
        await sql.execute("UPDATE clock SET ahead_ms = $1", ms)

    return set_ahead


def faults(server: Server) -> list[str]:
    """What the health of the server says is degraded."""
    return health(server.app.operations.sampler.now(), 60).degraded


async def true_ms(sql: asyncpg.Connection[asyncpg.Record]) -> float:
    return float(await sql.fetchval("SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8 * 1000"))


async def test_database_clock_that_jumps_25_hours_ahead_refunds_no_open_packet(
    set_database_clock: SetDatabaseClock, start_server: StartServer, party: MakeParty
) -> None:
    server = await start_server(refunds__interval_s=0.01)
    guests = await party(server, 2)
    packet = await guests.lucky(1_000, 2)
    with structlog.testing.capture_logs() as logged:
        await set_database_clock(HOURS_25_MS)

        async def is_held() -> bool:
            return server.app.services.time.jump_s > 24 * 3_600

        await until(is_held)
        assert await server.app.services.refunds.refund_once() == 0
        assert "the clock of the database has jumped" in faults(server)[0]
        assert (await guests.guests[0].grab(packet)).answer == "ticket"
        await set_database_clock(0)

        async def is_over() -> bool:
            return server.app.services.time.jump_s == 0.0

        await until(is_over)
    assert faults(server) == []
    assert [one["event"] for one in logged if "clock" in one["event"]] == [
        "database_clock_jumped",
        "clock_is_right_again",
    ]
    await guests.all_open(packet)
    assert server.app.services.refunds.refunded_packets == 0


async def test_clock_of_the_machine_that_is_set_changes_no_time_of_the_server(
    start_server: StartServer, party: MakeParty, server_clock: TurnedClock, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    server = await start_server(refunds__interval_s=0.01)
    guests = await party(server, 2)
    packet = await guests.lucky(1_000, 2)
    server_clock.local_ahead_ms_set = HOURS_25_MS

    async def is_noticed() -> bool:
        return bool(faults(server))

    await until(is_noticed)
    assert "the clock of this machine differs" in faults(server)[0]
    assert await server.app.services.refunds.refund_once() == 0
    assert abs(server_clock.now_ms() - await true_ms(sql)) < 500
    later = await guests.lucky(1_000, 2)
    assert later >> 22 < (packet >> 22) + 60_000
    await guests.all_open(packet)


async def test_server_whose_machine_is_25_hours_ahead_has_the_time_of_the_database(
    start_server: StartServer, server_clock: TurnedClock, sql: asyncpg.Connection[asyncpg.Record], connect: Connect
) -> None:
    server_clock.local_ahead_ms_set = HOURS_25_MS
    server = await start_server()
    assert abs(server_clock.now_ms() - await true_ms(sql)) < 500
    sample = server.app.operations.sampler.now()
    assert abs(sample.started_at_ms - sample.at_ms) < 60_000
    await connect(server, 1)  # its token has not expired


async def test_nothing_is_refunded_by_a_time_that_was_wrong_at_the_start_until_both_clocks_agree(
    set_database_clock: SetDatabaseClock, start_server: StartServer, party: MakeParty, server_clock: TurnedClock
) -> None:
    first = await start_server()
    guests = await party(first, 2)
    await guests.lucky(1_000, 2)
    await first.stop()
    await set_database_clock(HOURS_25_MS)
    server_clock.restart()
    second = await start_server(refunds__interval_s=0.01)
    assert not second.app.services.time.is_confirmed
    assert faults(second)
    await asyncio.sleep(1.0)  # a hundred rounds of refunds
    await set_database_clock(0)

    async def is_confirmed() -> bool:
        return second.app.services.time.is_confirmed

    await until(is_confirmed)
    assert await second.app.services.refunds.refund_once() == 0
    assert second.app.services.refunds.refunded_packets == 0


async def test_ids_come_back_after_a_database_that_was_25_hours_ahead_and_are_not_made_again_after_a_restart(
    set_database_clock: SetDatabaseClock,
    start_server: StartServer,
    party: MakeParty,
    server_clock: TurnedClock,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    """The clock of the database was ahead before the server began, so the server took its time."""
    await set_database_clock(HOURS_25_MS)
    first = await start_server(limits__login_timeout_s=60)
    room = await party(first, 1)
    ahead = [room.group, *[await room.lucky(1_000, 2) for _ in range(3)]]
    now_ms = await true_ms(sql)
    assert all(time_of(one) > now_ms + HOURS_25_MS - 60_000 for one in ahead)
    await set_database_clock(0)

    async def is_right() -> bool:
        return first.app.services.time.is_confirmed

    await until(is_right)
    after = [await room.lucky(1_000, 2) for _ in range(3)]
    await first.stop()
    server_clock.restart()
    second = await start_server()
    room = await party(second, 1)
    after += [room.group, *[await room.lucky(1_000, 2) for _ in range(3)]]
    assert after == sorted(set(after))
    assert all(abs(time_of(one) - now_ms) < 60_000 for one in after)
    ids = second.app.services._ids
    a_day_later = [ids.next(time_of(one)) for one in ahead for _ in range(100)]
    assert a_day_later == sorted(set(a_day_later))
    assert not {*ahead, *after} & set(a_day_later)
    assert time_of(a_day_later[-1]) < time_of(ahead[-1]) + 60_000


def time_of(number: int) -> int:
    """Milliseconds since 1970, when an id was made."""
    return (number >> 22) + EPOCH_MS


async def test_lease_that_lies_ahead_after_the_clock_was_set_back_delays_no_change(
    server: Server, connect: Connect, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Of a server that crashed before: no living server has it."""
    backend = await connect(server, 0)
    await sql.execute("INSERT INTO servers VALUES (12345, clock_timestamp() + interval '1 hour')")
    await backend.ban_user(77)
