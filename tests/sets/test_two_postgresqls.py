"""Two sets in two PostgreSQLs: one of them is killed, and two servers work on both."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import asyncpg
import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import StoreUnavailable
from server import embedded
from server.services.money.audit_sets import audit_sets_at
from tests.conftest import SEED_KEYS, Connect
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, MakeCrowd, Sql, StartPair, is_settled

Check = Callable[[], Awaitable[None]]


@pytest.fixture
def all_is_right(postgres_dsn: str, sql: Sql, other_postgres: embedded.StoreAddresses) -> Check:
    """Wait until nothing waits, then audit."""

    async def settled() -> bool:
        try:
            other = await asyncpg.connect(other_postgres.postgres_dsn)
        except (OSError, asyncpg.PostgresError):  # it is being started again
            return False
        try:
            return await is_settled(sql, other)
        finally:
            await other.close()

    async def check() -> None:
        await until(settled)
        report = await audit_sets_at([postgres_dsn, other_postgres.postgres_dsn], 10, SEED_KEYS)
        assert [line for finding in report.findings for line in finding.discrepancies] == []

    return check


async def test_postgresql_of_a_further_set_that_is_killed_loses_no_claim(
    other_postgres: embedded.StoreAddresses, crowd: MakeCrowd, all_is_right: Check
) -> None:
    one = await crowd(3, 3, stores__postgres_sets=(other_postgres.postgres_dsn,))
    packets = [
        (await sender.send_packet("lucky", one.group, 3_000, 6)).packet_id for sender in (one.old[0], one.new[0])
    ]
    users = [*one.old, *one.new]
    opens = [asyncio.create_task(user.open(packet_id, patience_s=60.0)) for user in users for packet_id in packets]
    await asyncio.wait(opens, return_when=asyncio.FIRST_COMPLETED)
    os.kill(other_postgres.pids["postgres"], signal.SIGKILL)
    opened = await asyncio.gather(*opens)
    assert {reply.answer for reply in opened} <= {"won", "claimed"}
    assert sum(reply.amount_fen for reply in opened) == 6_000
    await all_is_right()
    await until(partial(_have_all, users))


async def _have_all(users: list[Client]) -> bool:
    with suppress(StoreUnavailable):  # the server has not noticed yet that the set is back
        return sum([await user.balance() for user in users]) == 6 * EACH_FEN
    return False


async def test_users_at_two_servers_open_packets_of_both_sets(
    other_postgres: embedded.StoreAddresses,
    crowd: MakeCrowd,
    start_pair: StartPair,
    connect: Connect,
    all_is_right: Check,
) -> None:
    sets = {"stores__postgres_pool_max": 2, "stores__postgres_sets": (other_postgres.postgres_dsn,)}
    one = await crowd(2, 2, **sets)
    other = await start_pair(**sets)
    old, new = await connect(other, OLD + 1), await connect(other, NEW + 1)
    packets = [
        (await sender.send_packet("lucky", one.group, 1_000, 2)).packet_id
        for sender in (one.old[0], new, one.new[0], old)
    ]
    opened = await asyncio.gather(*(user.open(packet_id) for packet_id in packets for user in (old, one.new[0])))
    assert [reply.answer for reply in opened] == ["won"] * 8
    await all_is_right()
    assert sum([await user.balance() for user in (one.old[0], one.new[0], old, new)]) == 4 * EACH_FEN
