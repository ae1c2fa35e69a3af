"""Transfers between users of two sets, and pays: each once, whichever commit a server is killed behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from storage.errors import StoreUnavailable
from storage.postgres.sets.between import carrying
from storage.postgres.sets.between.carrying import MoneyCarrier
from tests.conftest import BACKEND, Connect
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, Crowd, FindDiscrepancies, MakeCrowd, Sql, StartPair

IN_FLIGHT = "SELECT count(*) FROM orders_between_sets"


async def has(user: Client, fen: int) -> bool:
    """Whether a user has this balance."""
    return await user.balance() == fen


def pair_of(one: Crowd, number: int) -> tuple[Client, Client, int]:
    """A sender of a set, a receiver of the other one, and the receiver's id."""
    return ((one.old[0], one.new[0], NEW), (one.new[0], one.old[0], OLD))[number]


@pytest.mark.parametrize("number", [0, 1])
async def test_transfer_to_a_user_of_the_other_set_arrives_once(
    crowd: MakeCrowd, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(1, 1)
    sender, receiver, receiver_id = pair_of(one, number)
    for _ in range(2):
        assert (await sender.transfer(receiver_id, 300, "lunch", key="once")).amount_fen == 300
    assert await sender.balance() == EACH_FEN - 300
    await until(lambda: has(receiver, EACH_FEN + 300))
    sent, came = (await sender.statement()).lines[0], (await receiver.statement()).lines[0]
    assert (sent.reason, sent.change_fen, sent.text) == ("transfer", -300, "lunch")
    assert (came.reason, came.change_fen, came.text) == ("transfer", 300, "lunch")
    assert (sent.other_id, came.other_id) == (receiver_id, OLD + NEW - receiver_id)
    assert await discrepancies() == []


async def test_same_key_of_two_senders_brings_both_transfers(
    crowd: MakeCrowd, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(2, 1)
    await asyncio.gather(*(user.transfer(NEW, 300, key="once") for user in one.old))
    await until(lambda: has(one.new[0], EACH_FEN + 600))
    assert await discrepancies() == []


async def test_transfer_within_a_further_set_and_a_pay_are_one_transaction(
    crowd: MakeCrowd, connect: Connect, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(1, 2)
    backend = await connect(one.server, BACKEND)
    await one.new[0].transfer(NEW + 1, 300)
    assert [await user.balance() for user in one.new] == [EACH_FEN - 300, EACH_FEN + 300]
    await backend.pay(NEW, 200, key="tea")
    assert await one.new[0].balance() == EACH_FEN - 500
    assert await other_sql.fetchval("SELECT count(*) FROM transfers WHERE kind IN (23, 24)") == 0
    assert await discrepancies() == []


async def test_transfer_that_is_not_covered_or_goes_to_a_stranger_is_refused(
    crowd: MakeCrowd, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(1, 1)
    for ask, why in (
        (one.new[0].transfer(OLD, EACH_FEN + 1), "not_enough_money"),
        (one.new[0].transfer(77, 100), "no_such_user"),
    ):
        with pytest.raises(Refusal) as refused:
            await ask
        assert refused.value.name == why
    assert await one.new[0].balance() == EACH_FEN
    assert await discrepancies() == []


async def test_transfer_killed_between_the_two_sets_arrives_once(
    crowd: MakeCrowd,
    start_pair: StartPair,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has arrived, and the set of its sender does not know: the order is brought a second time."""
    one = await crowd(1, 1)
    arrive, killed = carrying._arrive, list[int]()

    async def kill_behind(*words: Any) -> Any:
        await arrive(*words)
        killed.append(1)
        raise StoreUnavailable("killed between the commits")

    monkeypatch.setattr(carrying, "_arrive", kill_behind)
    await one.new[0].transfer(OLD, 300, key="once")

    async def was_killed() -> bool:
        return bool(killed)

    await until(was_killed)
    await one.server.kill()
    assert await other_sql.fetchval(IN_FLIGHT) == 1
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", OLD) == EACH_FEN + 300
    assert await discrepancies() == []  # what is between its two commits is no discrepancy
    monkeypatch.setattr(carrying, "_arrive", arrive)
    await start_pair()

    async def all_is_brought() -> bool:
        return await other_sql.fetchval(IN_FLIGHT) == 0

    await until(all_is_brought)
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", OLD) == EACH_FEN + 300
    assert await discrepancies() == []


async def test_wallet_that_is_locked_holds_up_its_own_transfers_only(
    crowd: MakeCrowd, sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(2, 1)
    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = $1 FOR UPDATE", OLD)
        await one.new[0].transfer(OLD, 100)
        await one.new[0].transfer(OLD + 1, 200)
        await until(lambda: has(one.old[1], EACH_FEN + 200))
        assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", OLD) == EACH_FEN
    await until(lambda: has(one.old[0], EACH_FEN + 100))
    assert await discrepancies() == []


async def test_transfer_that_left_its_set_and_never_arrived_is_named(
    crowd: MakeCrowd, other_sql: Sql, discrepancies: FindDiscrepancies, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bring_nothing(self: MoneyCarrier, most: int) -> Any:
        return 0, []

    monkeypatch.setattr(MoneyCarrier, "bring", bring_nothing)
    one = await crowd(1, 1)
    await one.new[0].transfer(OLD, 300, key="once")
    assert await discrepancies() == []  # it is in flight
    await other_sql.execute("UPDATE orders_between_sets SET made_at = now() - interval '2 minutes'")
    assert any("waits for 12" in line for line in await discrepancies())
    await other_sql.execute("DELETE FROM orders_between_sets")
    (line,) = await discrepancies()
    assert line == (
        f"transfer {NEW}:once in set 1: 300 fen for user {OLD} was sent to set 0, there it is not recorded"
    )


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        ("UPDATE transfers SET amount_fen = 301 WHERE kind = 24", "came from set 1, there it is 300 fen"),
        ("UPDATE wallet_orders SET other_id = 5", "there it is 300 fen for user 1"),
        ("DELETE FROM transfers WHERE kind = 24", "there it is not recorded"),
        ("DELETE FROM wallet_orders", "for user None"),
    ],
)
async def test_difference_between_both_records_of_a_transfer_is_named(
    crowd: MakeCrowd, sql: Sql, discrepancies: FindDiscrepancies, plant: str, words: str
) -> None:
    one = await crowd(1, 1)
    await one.new[0].transfer(OLD, 300, key="once")
    await until(lambda: has(one.old[0], EACH_FEN + 300))
    await one.server.stop()
    assert await discrepancies() == []
    await sql.execute("SET session_replication_role = replica")
    await sql.execute(plant)
    assert any(words in line and f"{NEW}:once" in line for line in await discrepancies())
