"""Double entry: what kinds of movement there are, between what accounts, and that they only ever move money."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.core.ids import USER_ID_MAX, IdMaker
from server.core.ledger import DIRECTIONS, OUTSIDE, Account, TransferKind, sort_of

ACCOUNTS = {Account.OUTSIDE: OUTSIDE, Account.WALLET: 42, Account.PACKET: IdMaker().next(1_800_000_000_000)}


def test_every_kind_has_its_direction() -> None:
    assert DIRECTIONS.keys() == set(TransferKind)
    assert all(direction.debit is not direction.credit for direction in DIRECTIONS.values())


def test_the_numbers_of_the_kinds_stand_in_the_records_and_stay() -> None:
    assert {kind.name: kind.value for kind in TransferKind} == {
        "TOP_UP": 1,
        "WITHDRAW": 2,
        "SEND": 3,
        "CLAIM": 4,
        "REFUND": 5,
    }


def test_money_enters_and_leaves_through_wallets_only() -> None:
    """A packet is filled from a wallet and emptied into wallets: nothing goes from a packet to the outside."""
    for direction in DIRECTIONS.values():
        assert Account.WALLET in direction


def test_an_account_tells_its_sort() -> None:
    for sort, account in ACCOUNTS.items():
        assert sort_of(account) is sort
    assert sort_of(1) is Account.WALLET
    assert sort_of(USER_ID_MAX) is Account.WALLET
    assert sort_of(USER_ID_MAX + 1) is Account.PACKET


@given(movements=st.lists(st.tuples(st.sampled_from(TransferKind), st.integers(1, 2_000_000))))
def test_wallets_and_packets_hold_what_came_in_less_what_went_out(
    movements: list[tuple[TransferKind, int]],
) -> None:
    """I9, from the directions alone: each transfer takes from one account what it gives to another."""
    balances: Counter[Account] = Counter()
    for kind, amount_fen in movements:
        debit, credit = DIRECTIONS[kind]
        balances[debit] -= amount_fen
        balances[credit] += amount_fen
    came_in = sum(amount_fen for kind, amount_fen in movements if kind is TransferKind.TOP_UP)
    went_out = sum(amount_fen for kind, amount_fen in movements if kind is TransferKind.WITHDRAW)
    assert balances[Account.WALLET] + balances[Account.PACKET] == came_in - went_out == -balances[Account.OUTSIDE]
