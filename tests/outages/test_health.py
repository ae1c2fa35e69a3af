"""Every screen says the same of a store, names the cause, and does not alternate: also on a server without load."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import pytest
from redis import asyncio as aioredis
from structlog.testing import capture_logs

from bench.chaos.freezing import frozen
from server import embedded
from server.services.packets import mirror_health
from server.services.runtime.store_health import StoreHealth
from storage.errors import StoreUnavailable
from storage.postgres import health_probe, write_probe
from storage.postgres.database import Database
from storage.redis import single
from storage.redis.engine import PROBE_S
from tests.clusters import data_folder
from tests.conftest import StartServer
from tests.ops.test_http import get
from tests.outages.screens import all_say_up, disagreeing, screens
from tests.services.conftest import until
from tests.sim.loop import SimLoop

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Ask = Callable[..., Awaitable[Any]]
STEADY_S = 2.5
LOOKS = 5  # in that time: each takes a tenth of a second of processor time


class Sick(NamedTuple):
    """A store that was made sick: its name, and what every screen must say of the cause."""

    store: str
    cause: str


class World(NamedTuple):
    """The stores of the test."""

    redis: aioredis.Redis
    sql: Sql
    pids: Any


Sickness: TypeAlias = Callable[[World], AbstractAsyncContextManager[Sick]]


@asynccontextmanager
async def redis_is_full(world: World) -> AsyncIterator[Sick]:
    await world.redis.config_set("maxmemory", 1)
    try:
        yield Sick("redis", "command not allowed when used memory > 'maxmemory'")
    finally:
        await world.redis.config_set("maxmemory", 0)


@asynccontextmanager
async def redis_is_a_replica(world: World) -> AsyncIterator[Sick]:
    await world.redis.replicaof("127.0.0.1", 1)  # type: ignore[no-untyped-call]
    try:
        yield Sick("redis", "read only replica")
    finally:
        await world.redis.replicaof("NO", "ONE")  # type: ignore[no-untyped-call]


@asynccontextmanager
async def redis_cannot_save(world: World) -> AsyncIterator[Sick]:
    """MISCONF: the last snapshot failed, because its folder takes no file; the log goes on."""
    folder = (await world.redis.config_get("dir"))["dir"]
    await world.redis.config_set("save", "3600 1")
    os.chmod(folder, 0o500)
    await world.redis.bgsave()  # type: ignore[no-untyped-call]
    try:
        yield Sick("redis", "MISCONF")
    finally:
        os.chmod(folder, 0o700)
        await world.redis.config_set("save", "")


@asynccontextmanager
async def redis_is_frozen(world: World) -> AsyncIterator[Sick]:
    os.kill(world.pids["valkey"], signal.SIGSTOP)
    try:
        yield Sick("redis", "Timeout")
    finally:
        os.kill(world.pids["valkey"], signal.SIGCONT)


@asynccontextmanager
async def postgres_is_read_only(world: World) -> AsyncIterator[Sick]:
    name = await world.sql.fetchval("SELECT current_database()")
    end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> $2"
    await world.sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await world.sql.fetch(end_others, name, world.sql.get_server_pid())
    try:
        yield Sick("postgres", "read only")
    finally:
        await world.sql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await world.sql.fetch(end_others, name, world.sql.get_server_pid())


@asynccontextmanager
async def postgres_is_frozen(world: World) -> AsyncIterator[Sick]:
    with frozen(world.pids["postgres"]):
        yield Sick("postgres", "no answer")


SICKNESSES = [
    postgres_is_frozen,
    redis_is_full,
    redis_is_a_replica,
    redis_cannot_save,
    redis_is_frozen,
    postgres_is_read_only,
]


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes wait longer: a store that gets no turn on a busy machine must not look like a frozen one.

    Still shorter than a statement and a request for the status wait. How soon an outage is known is tested in
    virtual time below.
    """
    for module in (single, mirror_health):
        monkeypatch.setattr(module, "PROBE_S", 1.6)
    monkeypatch.setattr(health_probe, "PROBE_S", 1.2)
    monkeypatch.setattr(write_probe, "WRITE_S", 1.8)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("durability", ["postgres", pytest.param("redis", marks=pytest.mark.long)])
@pytest.mark.parametrize("sickness", SICKNESSES)
async def test_idle_server_says_on_every_screen_which_store_is_sick_and_why(
    start_server: StartServer,
    redis: aioredis.Redis,
    sql: Sql,
    stores: embedded.StoreAddresses,
    sickness: Sickness,
    durability: str,
) -> None:
    server = await start_server(ops__http="127.0.0.1:0", stores__durability=durability)
    at = server.app._data, server.app.operations.http_port
    with capture_logs() as events:
        async with sickness(World(redis, sql, stores.pids)) as sick:
            is_needed = sick.store in ("postgres", durability)

            async def is_known() -> bool:
                return not disagreeing((await screens(*at))[sick.store], sick.cause, is_needed=is_needed)

            await until(is_known)
            other = "postgres" if sick.store == "redis" else "redis"
            for _ in range(LOOKS):  # it does not alternate
                await asyncio.sleep(STEADY_S / LOOKS)
                said = await screens(*at)
                assert disagreeing(said[sick.store], sick.cause, is_needed=is_needed) == [], said
                assert said[other].pop("status --healthy") is not False
                assert all_say_up(said[other]), said
            ready = (await get(server.app.operations.http_port, "/readyz")).status
            assert ready == (503 if is_needed else 200)

        async def is_over() -> bool:
            return all(map(all_say_up, (await screens(*at)).values()))

        await until(is_over)
    told = [event for event in events if event["event"].startswith(sick.store)]
    *away, back = [event["event"] for event in told]
    assert (set(away), back) == ({f"{sick.store}_is_away"}, f"{sick.store}_is_back")
    causes = [event["why"] for event in told[:-1]]  # the first one may be a connection that broke for the cause
    assert any(sick.cause in why for why in causes), causes
    assert len(set(causes)) == len(causes)


async def test_standby_is_refused_as_one_that_takes_no_writes(cluster: Any) -> None:
    """PostgreSQL in recovery, as after a failover of the wrong kind: it answers every read."""
    with data_folder(cluster) as data:
        embedded.start(data).stop()
        (data / "postgres" / "standby.signal").touch(mode=0o644)
        with embedded.start(data) as running:
            with pytest.raises(StoreUnavailable, match="standby"):
                await Database(running.postgres_dsn, pool_max=1, timeout_s=2.0).open()
            database = Database(running.postgres_dsn, pool_max=1, timeout_s=2.0, writes=False)
            await database.open()
            with pytest.raises(StoreUnavailable, match="standby"):
                await database.probe_write()
            await database.close()


async def test_read_only_database_is_known_by_the_probe_alone(
    postgres_dsn: str, redis: aioredis.Redis, sql: Sql
) -> None:
    async with postgres_is_read_only(World(redis, sql, None)):
        database = Database(postgres_dsn, pool_max=1, timeout_s=10.0, writes=False)
        await database.open()
        with pytest.raises(StoreUnavailable, match="is read only"):
            await database.probe_write()
        await database.close()


TEMPORARY = """
SELECT (SELECT pg_stat_clear_snapshot()), temp_bytes FROM pg_stat_database WHERE datname = current_database()
"""


async def test_probe_needs_room_on_the_disk_and_leaves_nothing_there(database: Database, sql: Sql) -> None:
    """Its commit alone needs none; test_disk_full.py fills a real disk, where tests may make one."""
    before = (await sql.fetchrow(TEMPORARY))["temp_bytes"]  # type: ignore[index]
    await database.probe_write()
    async with database._writers[0].alone() as prober:
        await prober.execute("SELECT pg_stat_force_next_flush()")

    async def is_counted() -> bool:
        return bool((await sql.fetchrow(TEMPORARY))["temp_bytes"] >= before + 100_000)  # type: ignore[index]

    await until(is_counted, 10)
    assert await sql.fetchval("SELECT count(*) FROM pg_ls_tmpdir()") == 0


async def test_role_that_may_make_no_temporary_files_is_no_full_disk(database: Database, sql: Sql) -> None:
    name = await sql.fetchval("SELECT current_database()")
    await sql.execute(f"ALTER DATABASE {name} SET temp_file_limit = '64kB'")
    await database.probe_write()


async def test_statement_that_meets_a_full_disk_makes_the_store_unhealthy(database: Database, sql: Sql) -> None:
    """It may be one that the probe does not meet: a tablespace of its own, a quota."""
    await sql.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$"
    )
    await sql.execute("CREATE TRIGGER full_disk BEFORE INSERT ON claims EXECUTE FUNCTION full_disk()")
    await database.probe_write()
    with pytest.raises(StoreUnavailable):
        async with database.reading() as connection:
            await connection.execute(
                "INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms) VALUES (1, 0, 1, 1, 1)"
            )
    with pytest.raises(StoreUnavailable, match="no space left on device"):
        await database.probe_write()


class Scripted:
    """A store whose writes fail, hang or succeed as a test says."""

    def __init__(self) -> None:
        self.fails = False
        self.takes_s = 0.01

    async def write(self) -> None:
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise StoreUnavailable("OOM")


def test_refused_writes_of_an_idle_store_are_known_within_two_seconds() -> None:
    """In virtual time: the pause between two probes, a probe, and a second until the next sample."""

    async def scenario() -> None:
        store = Scripted()
        health = StoreHealth("redis", store.write, PROBE_S)
        running = asyncio.ensure_future(health.run())
        await asyncio.sleep(5.0)
        assert health.is_up
        store.fails, store.takes_s = True, 0.7
        await asyncio.sleep(1.02)
        assert health.why == "OOM"
        running.cancel()

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(scenario())


def test_busy_server_probes_less_often_and_knows_of_an_outage_as_soon() -> None:
    """In virtual time: writes every 10 ms for nine seconds, then the store refuses."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        probed_s: list[float] = []
        store = Scripted()

        async def probe() -> None:
            probed_s.append(loop.time())
            await store.write()

        health = StoreHealth("redis", probe, PROBE_S)
        running = asyncio.ensure_future(health.run())
        for _ in range(900):
            health.wrote()
            await asyncio.sleep(0.01)
        assert [round(after - before, 1) for before, after in pairwise(probed_s)] == [0.9] * 9
        store.fails = True
        await asyncio.sleep(0.31)
        assert health.why == "OOM"
        probed_s.clear()
        for _ in range(19):
            health.wrote()
            await asyncio.sleep(0.05)
        assert len(probed_s) == 3  # while it is away, no write replaces a probe
        running.cancel()

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(scenario())


def test_log_names_each_cause_of_an_outage_once() -> None:
    async def scenario() -> None:
        health = StoreHealth("redis", Scripted().write, PROBE_S)
        with capture_logs() as events:
            for why in ("the connection broke", "OOM", "the connection broke", "OOM"):
                health.lost(StoreUnavailable(why))
            await health.probe_once()
            health.lost(StoreUnavailable("OOM"))
        assert [(event["event"], event.get("why")) for event in events] == [
            ("redis_is_away", "the connection broke"),
            ("redis_is_away", "OOM"),
            ("redis_is_back", None),
            ("redis_is_away", "OOM"),
        ]

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(scenario())


def test_probe_that_fails_because_the_process_stood_still_is_no_outage() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)

        async def stalled() -> None:
            loop.now_s += 3.0  # our own code has blocked the loop, so the timeout is over at once
            raise StoreUnavailable("Timeout reading")

        health = StoreHealth("redis", stalled, PROBE_S)
        await health.probe_once()
        assert health.is_up
        await health.probe_once()  # twice in a row: no chance
        assert not health.is_up

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(scenario())


def test_store_at_its_limit_does_not_alternate_between_up_and_away() -> None:
    """Every second write fails: away, until three in a row succeed."""

    async def scenario() -> None:
        store = Scripted()
        health = StoreHealth("redis", store.write, PROBE_S)
        store.fails = True
        await health.probe_once()
        seen = []
        for number in range(12):
            store.fails = number % 2 == 1
            await health.probe_once()
            seen.append(health.is_up)
        assert seen == [False] * 12
        store.fails = False
        for _ in range(3):
            await health.probe_once()
        assert health.is_up

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(scenario())
