"""Transfers between users and pays to the outside: once per key, with a text, in the statement of both."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk import (
    BadAmount,
    Forbidden,
    KeyReused,
    NoSuchUser,
    NotEnoughMoney,
    Refusal,
    StoreUnavailable,
)
from protocol import messages
from storage import errors
from tests.cards.conftest import AuditBooks, MakeStreet, Street
from tests.conftest import PATIENCE_S


async def balances(street: Street) -> list[int]:
    rows = await street.sql.fetch("SELECT balance_fen FROM wallets ORDER BY user_id")
    return [row[0] for row in rows]


async def test_transfer_moves_money_and_tells_both_users(street: Street, discrepancies: AuditBooks) -> None:
    await street.backend.put_users({1: "Ann", 2: "Ben"})
    done = await street.sender.transfer(2, 1_200, "午饭")
    assert (done.user_id, done.amount_fen) == (2, 1_200)
    assert await balances(street) == [48_800, 51_200, 50_000]
    line = (await street.sender.statement()).lines[0]
    assert (line.reason, line.change_fen, line.balance_fen, line.other_id, line.other_name, line.text) == (
        "transfer",
        -1_200,
        48_800,
        2,
        "Ben",
        "午饭",
    )
    other = (await street.ben.statement()).lines[0]
    assert (other.reason, other.change_fen, other.other_id, other.other_name, other.text) == (
        "transfer",
        1_200,
        1,
        "Ann",
        "午饭",
    )
    for client, change_fen in ((street.sender, -1_200), (street.ben, 1_200)):
        async with asyncio.timeout(PATIENCE_S):
            async for push in client.pushes():
                if isinstance(push, messages.BalanceChanged) and push.reason == "transfer":
                    assert push.change_fen == change_fen
                    break
    assert await discrepancies() == []


async def test_transfer_to_a_known_user_without_a_wallet_makes_one(
    street: Street, discrepancies: AuditBooks
) -> None:
    await street.backend.put_users({9: "Nina"})
    await street.sender.transfer(9, 70)
    assert await street.sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 9") == 70
    assert await discrepancies() == []


async def test_transfer_with_a_used_key_moves_nothing_and_another_content_is_refused(street: Street) -> None:
    first = await street.sender.transfer(2, 100, "a", key="k")
    assert (await street.sender.transfer(2, 100, "a", key="k")).at_ms == first.at_ms
    for other in (
        street.sender.transfer(2, 101, "a", key="k"),
        street.sender.transfer(3, 100, "a", key="k"),
        street.sender.transfer(2, 100, "b", key="k"),
    ):
        with pytest.raises(KeyReused):
            await other
    await street.ben.transfer(1, 100, "a", key="k")  # a key belongs to its user
    assert await balances(street) == [50_000, 50_000, 50_000]


async def test_transfers_with_one_key_at_once_move_once(street: Street, discrepancies: AuditBooks) -> None:
    await asyncio.gather(*(street.sender.transfer(2, 100, key="k") for _ in range(10)))
    assert await balances(street) == [49_900, 50_100, 50_000]
    assert await discrepancies() == []


async def test_transfers_both_ways_at_once_do_not_wait_for_each_other(
    street: Street, discrepancies: AuditBooks
) -> None:
    await asyncio.gather(
        *(street.sender.transfer(2, 1) for _ in range(10)), *(street.ben.transfer(1, 1) for _ in range(10))
    )
    assert await balances(street) == [50_000, 50_000, 50_000]
    assert await discrepancies() == []


async def test_transfer_that_may_not_be_is_refused_and_records_nothing(street: Street) -> None:
    refused: list[tuple[Any, type[Exception], str]] = [
        (street.sender.transfer(1, 100), Refusal, "bad_target"),
        (street.sender.transfer(77, 100), NoSuchUser, ""),
        (street.sender.transfer(2, 50_001), NotEnoughMoney, ""),
        (street.sender.transfer(2, 0), BadAmount, ""),
        (street.sender.transfer(2, -1), BadAmount, ""),
        (street.sender.transfer(2, 1, "x" * 129), Refusal, "bad_text"),
        (street.sender.transfer(2, 1, "a\u202eb"), Refusal, "bad_text"),
        (street.sender.transfer(2, 1, key=""), Refusal, "bad_key"),
        (street.sender.pay(1, 1), Forbidden, ""),
    ]
    for asked, kind, text in refused:
        with pytest.raises(kind, match=text or "."):
            await asked
    await street.backend.ban_user(3)
    with pytest.raises(NoSuchUser):
        await street.sender.transfer(3, 100)
    assert await street.sql.fetchval("SELECT count(*) FROM wallet_orders") == 0
    assert await balances(street) == [50_000, 50_000, 50_000]


async def test_transfer_of_a_banned_user_over_http_is_refused(street: Street) -> None:
    await street.backend.ban_user(1)
    with pytest.raises(Exception, match="banned"):
        await street.server.app.services.orders.transfer(1, 2, 100, "k", "", None)


async def test_pay_leaves_to_the_outside_with_its_text(street: Street, discrepancies: AuditBooks) -> None:
    paid = await street.backend.pay(1, 300, "会员一年", key="k")
    assert (paid.user_id, paid.amount_fen) == (1, 300)
    await street.backend.pay(1, 300, "会员一年", key="k")
    with pytest.raises(KeyReused):
        await street.backend.pay(1, 300, "会员两年", key="k")
    with pytest.raises(NotEnoughMoney):
        await street.backend.pay(1, 50_000)
    line = (await street.sender.statement()).lines[0]
    assert (line.reason, line.change_fen, line.other_id, line.text) == ("pay", -300, 0, "会员一年")
    assert await balances(street) == [49_700, 50_000, 50_000]
    assert await discrepancies() == []


async def test_order_that_stands_is_not_changed(street: Street) -> None:
    await street.sender.transfer(2, 100)
    for change in ("UPDATE wallet_orders SET text = 'x'", "DELETE FROM wallet_orders"):
        with pytest.raises(asyncpg.RaiseError):
            await street.sql.execute(change)


async def test_transfer_whose_commit_gets_no_reply_is_pushed_when_it_is_found(
    make_street: MakeStreet, postgres_proxy: tuple[Proxy, str], discrepancies: AuditBooks
) -> None:
    street = await make_street()
    store = street.server.app.services.orders._store
    move = store.move

    async def lost(*asked: Any) -> Any:
        ordered = await move(*asked)
        raise errors.Unanswered(errors.StoreUnavailable("the reply was lost"), [ordered])

    store.move = lost  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await street.sender.transfer(2, 100, key="k")
    store.move = move  # type: ignore[method-assign]
    for client in (street.sender, street.ben):
        async with asyncio.timeout(PATIENCE_S):
            async for push in client.pushes():
                if isinstance(push, messages.BalanceChanged) and push.reason == "transfer":
                    break
    await street.sender.transfer(2, 100, key="k")
    assert await balances(street) == [49_900, 50_100, 50_000]
    assert await discrepancies() == []
