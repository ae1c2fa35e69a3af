"""Which database is which set: a wrong address is refused before anything is written."""

from __future__ import annotations

import pytest

from storage.errors import StoreRefused, StoreUnavailable
from tests.conftest import BACKEND, Connect, StartServer
from tests.sets.conftest import MakeCrowd, Sql, StartPair


async def test_record_of_two_sets_is_not_opened_as_one(start_pair: StartPair, start_server: StartServer) -> None:
    await (await start_pair()).stop()
    with pytest.raises(StoreRefused, match="has 2 sets, and the config names 1"):
        await start_server()


async def test_start_without_set_0_ends_with_its_reason(other_dsn: str, start_server: StartServer) -> None:
    """The further sets were not connected to yet, and are closed all the same."""
    nowhere = "postgresql://me@/hongbao?host=/nowhere"
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await start_server(stores__postgres=nowhere, stores__postgres_sets=(other_dsn,))


async def test_further_set_is_not_opened_as_set_0(
    start_pair: StartPair, start_server: StartServer, other_dsn: str
) -> None:
    await (await start_pair()).stop()
    with pytest.raises(StoreRefused, match="is set 1 of a record with several sets, not set 0"):
        await start_server(stores__postgres=other_dsn)


async def test_database_with_books_does_not_become_a_set(start_pair: StartPair, other_sql: Sql) -> None:
    await other_sql.execute("INSERT INTO users (user_id) VALUES (5)")
    with pytest.raises(StoreRefused, match="has books of its own"):
        await start_pair()


async def test_set_of_another_record_is_refused(
    third_dsn: str, start_pair: StartPair, start_server: StartServer, other_dsn: str
) -> None:
    await (await start_pair()).stop()
    with pytest.raises(StoreRefused, match="is set 1 of a record"):
        await start_server(stores__postgres=third_dsn, stores__postgres_sets=(other_dsn,))


async def test_set_is_not_added_while_another_server_runs(start_pair: StartPair, start_server: StartServer) -> None:
    alone = await start_server()
    with pytest.raises(StoreRefused, match="a set is added while other servers run"):
        await start_pair()
    await alone.stop()
    await start_pair()


async def test_breaks_and_corrections_of_a_further_set_go_on_with_numbers_of_it(
    start_pair: StartPair, sql: Sql, other_sql: Sql
) -> None:
    await (await start_pair()).stop()
    numbers = "SELECT nextval('payment_breaks_break_id_seq'), nextval('corrections_correction_id_seq')"
    assert tuple(await other_sql.fetchrow(numbers) or ()) == (10**9, 10**9)
    await (await start_pair()).stop()
    assert tuple(await other_sql.fetchrow(numbers) or ()) == (10**9 + 1, 10**9 + 1)
    assert tuple(await sql.fetchrow(numbers) or ()) == (1, 1)


async def test_third_set_gets_the_new_users_that_the_config_sends_there(
    third_dsn: str, crowd: MakeCrowd, start_pair: StartPair, other_dsn: str, connect: Connect, sql: Sql
) -> None:
    await (await crowd(1, 1)).server.stop()
    sets = (other_dsn, third_dsn)
    server = await start_pair(stores__postgres_sets=sets, stores__postgres_new_users=(2,))
    await (await connect(server, BACKEND)).top_up(2_001, 100)
    assert await sql.fetchval("SELECT set_number FROM user_sets WHERE user_id = 2001") == 2
