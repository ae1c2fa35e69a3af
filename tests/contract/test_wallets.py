"""Wallets: keyed movements of money."""

from __future__ import annotations

import pytest

from storage.postgres.money.wallets import (
    EMPTY_ROW,
    BalanceRow,
    HoldingRow,
    KeyReused,
    NotEnoughMoney,
    TransferRow,
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


async def moved(stores: Stores, transfer: TransferRow, *, known_only: bool = False) -> tuple[int, int, bool]:
    """Move money into a wallet, or out of it: what is in it then, its version, and whether it was moved now."""
    user_id = transfer.credit_account or transfer.debit_account
    change_fen = transfer.amount_fen if transfer.credit_account else -transfer.amount_fen
    booked = await stores.wallets.move(transfer, user_id, change_fen, known_only=known_only)
    assert booked.transfer == transfer
    return *booked.balance, booked.moved_now


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
    assert await moved(both, top_up_of(ANNA, 500)) == (500, 1, True)
    assert await moved(both, top_up_of(ANNA, 70, "more")) == (570, 2, True)
    assert await balance(both, ANNA) == BalanceRow(570, 2)
    assert await balance(both, BEN) == EMPTY_ROW


async def test_move_of_a_withdrawal_takes_money(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    assert await moved(both, withdrawal_of(ANNA, 500)) == (0, 2, True)


async def test_move_with_the_same_key_moves_once(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await both.wallets.move(withdrawal_of(ANNA, 200), ANNA, -200)
    assert await moved(both, withdrawal_of(ANNA, 200, at_ms=LATER_MS)) == (300, 2, False)
    assert await balance(both, ANNA) == BalanceRow(300, 2)


async def test_move_with_the_same_key_after_the_money_is_spent_returns_the_present_balance(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    await both.wallets.move(withdrawal_of(ANNA, 500), ANNA, -500)
    assert await moved(both, top_up_of(ANNA, 500)) == (0, 2, False)
    assert await moved(both, withdrawal_of(ANNA, 500)) == (0, 2, False)


async def test_move_with_a_reused_key_changes_nothing(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    with pytest.raises(KeyReused):
        await both.wallets.move(top_up_of(ANNA, 501), ANNA, 501)
    assert await balance(both, ANNA) == BalanceRow(500, 1)


async def test_move_with_a_key_of_another_user_or_kind_moves(both: Stores) -> None:
    await pay_in(both, ANNA, 500)
    assert await moved(both, top_up_of(BEN, 70)) == (70, 1, True)
    assert await moved(both, withdrawal_of(ANNA, 80, "pay")) == (420, 2, True)


async def test_move_for_known_users_only_refuses_another_one_and_leaves_the_key_unused(both: Stores) -> None:
    top_up = top_up_of(ANNA, 500)
    with pytest.raises(UnknownUser):
        await both.wallets.move(top_up, ANNA, 500, known_only=True)
    assert await balance(both, ANNA) == EMPTY_ROW
    assert (await both.wallets.move(top_up, ANNA, 500)).moved_now
    more = top_up_of(ANNA, 70, "more")
    assert await moved(both, more, known_only=True) == (570, 2, True)


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
    assert (await moved(both, withdrawal_of(user_id, 1)))[2]


async def test_find_outcome_returns_transfers_that_were_made_with_the_present_balance(both: Stores) -> None:
    top_up = await both.wallets.move(top_up_of(ANNA, 500), ANNA, 500)
    withdrawal = await both.wallets.move(withdrawal_of(ANNA, 200), ANNA, -200)
    assert await both.wallets.find_outcome([withdrawal, top_up]) == [
        withdrawal,
        top_up._replace(balance=BalanceRow(300, 2)),
    ]


async def test_find_outcome_of_transfers_that_were_not_made_returns_none(both: Stores) -> None:
    made = await both.wallets.move(top_up_of(ANNA, 500), ANNA, 500)
    again = await both.wallets.move(top_up_of(ANNA, 500), ANNA, 500)
    asked = [
        made._replace(transfer=top_up_of(BEN, 500)),
        made._replace(transfer=top_up_of(ANNA, 500, "other")),
        made._replace(transfer=top_up_of(ANNA, 500, at_ms=LATER_MS)),
        made._replace(xid=(made.xid or 0) + 1),  # of another request, in the same millisecond
        again,
        made,
    ]
    assert await both.wallets.find_outcome(asked) == [None, None, None, None, None, made]
