"""Defaults of a role change nothing: sessions set what matters. A server that becomes read only is left at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bench.chaos.strikes import read_only
from server.embedded import StoreAddresses
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.sessions import SETTINGS
from tests.outages.postgresql.roles import OwnDatabase, opened, own_database
from tests.services.conftest import until

# A default of the role, and what a session of ours has.
DEFAULTS = {
    "default_transaction_isolation": ("serializable", "read committed"),
    "default_transaction_deferrable": ("on", "off"),
    "default_transaction_read_only": ("on", "off"),
    "statement_timeout": ("1min", "0"),
    "lock_timeout": ("1min", "1s"),
    "transaction_timeout": ("1min", "0"),
    "idle_session_timeout": ("1min", "0"),
    "idle_in_transaction_session_timeout": ("1min", "5s"),
    "client_connection_check_interval": ("0", "1s"),
    "TimeZone": ("Asia/Shanghai", "UTC"),
    "standard_conforming_strings": ("off", "on"),
    "transform_null_equals": ("on", "off"),
    "plan_cache_mode": ("force_generic_plan", "auto"),
    "search_path": ("pg_catalog", "public"),
    "synchronous_commit": ("off", "on"),
}


@pytest.fixture
async def own(stores: StoreAddresses) -> AsyncIterator[OwnDatabase]:
    async with own_database(stores.postgres_dsn, owner=True) as made:
        yield made


@pytest.fixture
async def database(own: OwnDatabase) -> AsyncIterator[Database]:
    async with opened(own.dsn) as one:
        await migrate(one)
        yield one


async def shown(database: Database, by: str, setting: str) -> str:
    if by == "snapshot":
        async with database.snapshot() as connection:
            return str(await connection.fetchval(f"SHOW {setting}"))
    async with database.reading() if by == "pool" else database.writer().alone() as connection:
        return str(await connection.fetchval(f"SHOW {setting}"))


def test_each_setting_of_a_session_is_tried_with_another_default() -> None:
    assert {setting.name for setting in SETTINGS} <= set(DEFAULTS)


@pytest.mark.parametrize("by", ["pool", "writer", "snapshot"])
async def test_default_of_the_role_that_changes_at_run_time_does_not_reach_new_sessions(
    own: OwnDatabase, database: Database, by: str
) -> None:
    for setting, (default, _) in DEFAULTS.items():
        await own.admin.execute(f"ALTER ROLE {own.role} SET {setting} = '{default}'")
    await database._pool.expire_connections()
    found = {setting: await shown(database, by, setting) for setting in DEFAULTS}
    assert found == {setting: ours for setting, (_, ours) in DEFAULTS.items()}


async def test_stricter_commit_of_the_role_stays(own: OwnDatabase) -> None:
    await own.admin.execute(f"ALTER ROLE {own.role} SET synchronous_commit = 'remote_apply'")
    async with opened(own.dsn) as database:
        assert await shown(database, "pool", "synchronous_commit") == "remote_apply"


async def test_schema_with_quotes_in_its_name_is_found(own: OwnDatabase) -> None:
    await own.admin.execute(f'CREATE SCHEMA "it\'s" AUTHORIZATION {own.role}')
    await own.admin.execute(f"ALTER ROLE {own.role} SET search_path = 'it''s'")
    async with opened(own.dsn) as database:
        assert await migrate(database)
        assert await shown(database, "writer", "search_path") == '"it\'s"'


async def test_records_outside_of_the_search_path_are_refused_and_not_begun_again(
    own: OwnDatabase, database: Database
) -> None:
    await own.admin.execute(f"CREATE SCHEMA empty AUTHORIZATION {own.role}")
    await own.admin.execute(f"ALTER ROLE {own.role} SET search_path = empty")
    with pytest.raises(StoreRefused, match="the records are in the schema public, which is not in the search path"):
        async with opened(own.dsn):
            pass
    async with opened(f"{own.dsn}&search_path=empty") as chosen:  # a second set of records, on purpose
        assert await shown(chosen, "pool", "search_path") == "empty"


# --- read only -------------------------------------------------------------------------------------------------


async def pids(database: Database) -> list[int]:
    """Of one session of the pool and one of a writer."""
    writer = database._writers[0] if database._writers else database.writer()
    async with database.reading() as one, writer.alone() as other:
        return [await connection.fetchval("SELECT pg_backend_pid()") for connection in (one, other)]


@pytest.mark.parametrize("by", ["pool", "writer"])
async def test_answer_of_a_server_that_has_become_read_only_is_not_passed_on(
    own: OwnDatabase, database: Database, by: str
) -> None:
    before = await pids(database)
    async with read_only(own.admin):
        with pytest.raises(StoreUnavailable, match="read only"):
            async with database.reading() if by == "pool" else database._writers[0].alone() as connection:
                assert await connection.fetchval("SELECT 1") == 1

        async def all_ended() -> bool:
            left = await own.admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)", before)
            return bool(left == 0)

        await until(all_ended)
        with pytest.raises(StoreUnavailable, match=r"this server is read only.*target_session_attrs=read-write"):
            await database._sessions.connect()

    async def serves() -> bool:
        try:
            return not set(before) & set(await pids(database))
        except StoreUnavailable:
            return False

    await until(serves)


async def test_read_only_error_ends_every_session(own: OwnDatabase, database: Database) -> None:
    before = await pids(database)

    async def write_read_only() -> None:
        async with database.reading() as connection, connection.transaction(readonly=True):
            await connection.execute("UPDATE facts SET value = value")

    with pytest.raises(StoreUnavailable):
        await write_read_only()
    assert not set(before) & set(await pids(database))


async def test_statement_of_a_session_that_was_ended_names_the_reason_and_not_the_broken_connection(
    database: Database,
) -> None:
    waits = asyncio.Event()

    async def wait() -> None:
        async with database.reading() as connection:
            waits.set()
            await connection.execute("SELECT pg_sleep(60)")

    async def write_read_only() -> None:
        async with database.reading() as connection, connection.transaction(readonly=True):
            await connection.execute("UPDATE facts SET value = value")

    waiting = asyncio.create_task(wait())
    await waits.wait()
    with pytest.raises(StoreUnavailable):
        await write_read_only()
    with pytest.raises(StoreUnavailable, match="has become read only"):
        await waiting


@pytest.mark.usefixtures("database")
async def test_session_of_a_command_that_reads_may_be_read_only(own: OwnDatabase) -> None:
    async with read_only(own.admin):
        async with opened(own.dsn, writes=False) as reader, reader.reading() as connection:
            assert await connection.fetchval("SELECT count(*) FROM facts") > 0
        with pytest.raises(StoreUnavailable, match="this server is read only"):
            async with opened(own.dsn):
                pass


async def test_old_primary_is_refused_after_a_promotion_was_seen(own: OwnDatabase, database: Database) -> None:
    seen = database._sessions._primary
    assert seen is not None
    database._sessions._primary = seen._replace(timeline="000000FF")
    with pytest.raises(StoreUnavailable, match="old primary"):
        await database._sessions.connect()


async def test_answer_is_not_passed_on_after_another_server_was_seen(own: OwnDatabase, database: Database) -> None:
    seen = database._sessions._primary
    assert seen is not None

    async def ask_while_a_standby_is_promoted() -> int:
        async with database.reading() as connection:
            answer = int(await connection.fetchval("SELECT 1"))
            database._sessions._primary = seen._replace(timeline="00000000")
            await database._probe()
            return answer

    with pytest.raises(StoreUnavailable, match="another server has taken over"):
        await ask_while_a_standby_is_promoted()
