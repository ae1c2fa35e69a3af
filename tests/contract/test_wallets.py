"""Wallets: keyed movements of money."""

from __future__ import annotations

import pytest

from storage.postgres.money.wallets import (
    EMPTY_ROW,
    BalanceRow,
    Booked,
    HoldingRow,
    KeyReused,
    Moved,
    NotEnoughMoney,
    UnknownUser,
)
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    CARLA,
    LATER_MS,
    balance,
    open_packet,
    packet,
    pay_in,
    send,
    top_up_of,
    withdrawal_of,
)


async def test_holdings_have_the_claims_that_are_recorded_and_not_credited(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    await open_packet(both, 1, 0, (ANNA, 300), (BEN, 250))
    await open_packet(both, 2, 0, (ANNA, 100))
    await both.settlement.settle(1, 3_000)  # the largest, which is Anna's
    assert await both.wallets.holdings([CARLA, BEN, ANNA]) == {
        ANNA: HoldingRow(BalanceRow(300, 1), 100),
        BEN: HoldingRow(EMPTY_ROW, 250),
        CARLA: HoldingRow(EMPTY_ROW, 0),
    }


async def test_balance_of_a_user_without_a_wallet_is_empty(both: Stores) -> None:
    assert await balance(both, ANNA) == EMPTY_ROW


async def test_move_of_a_top_up_adds_money(both: Stores) -> None:
    assert await both.wallets.move(top_up_of(ANNA, 500), ANNA, 500) == Moved(BalanceRow(500, 1), moved_now=True)
    assert await both.wallets.move(top_up_of(ANNA, 70, "more"), ANNA, 70) == Moved(BalanceRow(570, 2), True)
    assert await balance(both, ANNA) == BalanceRow(570, 2)
    assert await balance(both, BEN) == EMPTY_ROW


async def test_move_of_a_withdrawal_takes_money(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    assert await both.wallets.move(withdrawal_of(ANNA, 500), ANNA, -500) == Moved(BalanceRow(0, 2), True)


async def test_move_with_the_same_key_moves_once(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await both.wallets.move(withdrawal_of(ANNA, 200), ANNA, -200)
    again = await both.wallets.move(withdrawal_of(ANNA, 200, at_ms=LATER_MS), ANNA, -200)
    assert again == Moved(BalanceRow(300, 2), moved_now=False)
    assert await balance(both, ANNA) == BalanceRow(300, 2)


async def test_move_with_the_same_key_after_the_money_is_spent_returns_the_present_balance(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await both.wallets.move(withdrawal_of(ANNA, 500), ANNA, -500)
    assert await both.wallets.move(top_up_of(ANNA, 500), ANNA, 500) == Moved(BalanceRow(0, 2), moved_now=False)
    assert await both.wallets.move(withdrawal_of(ANNA, 500), ANNA, -500) == Moved(BalanceRow(0, 2), False)


async def test_move_with_a_reused_key_changes_nothing(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    with pytest.raises(KeyReused):
        await both.wallets.move(top_up_of(ANNA, 501), ANNA, 501)
    assert await balance(both, ANNA) == BalanceRow(500, 1)


async def test_move_with_a_key_of_another_user_or_kind_moves(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    assert await both.wallets.move(top_up_of(BEN, 70), BEN, 70) == Moved(BalanceRow(70, 1), moved_now=True)
    assert await both.wallets.move(withdrawal_of(ANNA, 80, "pay"), ANNA, -80) == Moved(BalanceRow(420, 2), True)


async def test_move_for_known_users_only_refuses_another_one_and_leaves_the_key_unused(both: Stores) -> None:
    top_up = top_up_of(ANNA, 500)
    with pytest.raises(UnknownUser):
        await both.wallets.move(top_up, ANNA, 500, known_only=True)
    assert await balance(both, ANNA) == EMPTY_ROW
    assert (await both.wallets.move(top_up, ANNA, 500)).moved_now
    more = top_up_of(ANNA, 70, "more")
    assert await both.wallets.move(more, ANNA, 70, known_only=True) == Moved(BalanceRow(570, 2), moved_now=True)


@pytest.mark.parametrize("user_id", [ANNA, BEN], ids=["too little in the wallet", "no wallet"])
async def test_move_without_enough_money_changes_nothing_and_leaves_the_key_unused(
    both: Stores, user_id: int
) -> None:
    await pay_in(both, ANNA, 500)
    before = await balance(both, user_id)
    with pytest.raises(NotEnoughMoney):
        await both.wallets.move(withdrawal_of(user_id, 501), user_id, -501)
    assert await balance(both, user_id) == before
    await both.wallets.move(top_up_of(user_id, 1, "more"), user_id, 1)
    moved = await both.wallets.move(withdrawal_of(user_id, 1), user_id, -1)
    assert moved.moved_now


async def test_find_outcome_returns_transfers_of_that_time_with_the_present_balance(both: Stores) -> None:
    top_up, withdrawal = top_up_of(ANNA, 500), withdrawal_of(ANNA, 200)
    await both.wallets.move(top_up, ANNA, 500)
    await both.wallets.move(withdrawal, ANNA, -200)
    later = withdrawal_of(ANNA, 200, at_ms=LATER_MS)
    assert await both.wallets.find_outcome([later, withdrawal, top_up_of(BEN, 500), top_up]) == [
        None,
        Booked(withdrawal, BalanceRow(300, 2)),
        None,
        Booked(top_up, BalanceRow(300, 2)),
    ]


async def test_find_outcome_looks_for_the_key_and_the_time_and_not_for_the_amount(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    assert await both.wallets.find_outcome([top_up_of(ANNA, 501), top_up_of(ANNA, 500, "other")]) == [
        Booked(top_up_of(ANNA, 501), BalanceRow(500, 1)),
        None,
    ]
