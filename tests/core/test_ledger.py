"""Double entry: the kinds of transfers and their accounts; transfers move money and never create it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.core.ledger import DIRECTIONS, MOVES_NOTHING, OPENING, Account, TransferKind, reason_of


def test_every_kind_has_a_debit_and_a_different_credit_account() -> None:
    assert DIRECTIONS.keys() == set(TransferKind)
    same = {kind for kind, pairs in DIRECTIONS.items() for pair in pairs if pair.debit is pair.credit}
    assert same == {TransferKind.TRANSFER, TransferKind.CORRECTION}
    assert {pair for pair in DIRECTIONS[TransferKind.CORRECTION] if pair.debit is pair.credit} == {
        (Account.WALLET, Account.WALLET)
    }


def test_number_of_each_kind_never_changes() -> None:
    assert {kind.name: kind.value for kind in TransferKind} == {
        "TOP_UP": 1,
        "WITHDRAW": 2,
        "SEND": 3,
        "CLAIM": 4,
        "REFUND": 5,
        "PENDING": 6,
        "POSTED": 7,
        "VOIDED": 8,
        "CHARGE": 9,
        "PAYOUT": 10,
        "PAID_OUT": 11,
        "PAYOUT_RETURNED": 12,
        "TRANSFER": 13,
        "PAY": 14,
        "CORRECTION": 15,
        "CARD_REFUND": 16,
        "CARD_REFUND_RETURNED": 17,
        "CAMPAIGN": 18,
        "LEASE": 19,
        "LEASE_RETURNED": 20,
        "CAMPAIGN_RETURNED": 21,
        "HANDED_OVER": 22,
        "SENT_TO_SET": 23,
        "CAME_FROM_SET": 24,
    }
    assert OPENING not in set(TransferKind)


def test_pending_posted_and_voided_transfers_have_the_same_direction() -> None:
    assert DIRECTIONS[TransferKind.PENDING] == DIRECTIONS[TransferKind.POSTED] == DIRECTIONS[TransferKind.VOIDED]
    assert TransferKind.POSTED not in MOVES_NOTHING


def test_reason_of_a_kind_is_its_word_on_the_wire() -> None:
    assert [reason_of(kind) for kind in (0, 1, 5)] == ["opening", "top_up", "refund"]


def test_money_enters_and_leaves_through_wallets_only() -> None:
    """Packets get money from wallets and give it to wallets: no transfer goes from a packet to the outside.

    Only what is in transit, and came from a wallet, arrives outside by itself. Corrections move what two users of
    the system have approved, and nothing of packets and sponsors.
    """
    by_itself = [pairs for kind, pairs in DIRECTIONS.items() if kind is not TransferKind.CORRECTION]
    without = {pair for pairs in by_itself for pair in pairs if Account.WALLET not in pair}
    leased = {(Account.POOL, Account.PACKET), (Account.PACKET, Account.POOL)}  # inside of a campaign
    handed_over = (Account.PACKET, Account.IN_TRANSIT)  # to the wallet of a winner in another set
    assert without == {(Account.IN_TRANSIT, Account.OUTSIDE), handed_over, *leased}
    corrected = {account for pair in DIRECTIONS[TransferKind.CORRECTION] for account in pair}
    assert corrected == set(Account) - {Account.PACKET, Account.POOL, Account.SPONSOR}


@given(movements=st.lists(st.tuples(st.sampled_from(TransferKind), st.integers(1, 2_000_000))))
def test_wallets_and_packets_hold_top_ups_less_withdrawals(
    movements: list[tuple[TransferKind, int]],
) -> None:
    """I9, from the directions alone: each transfer takes from one account what it gives to another."""
    balances: Counter[Account] = Counter()
    for kind, amount_fen in movements:
        if kind in MOVES_NOTHING:
            continue
        debit, credit = DIRECTIONS[kind][0]
        balances[debit] -= amount_fen
        balances[credit] += amount_fen
    into = (TransferKind.TOP_UP, TransferKind.CHARGE)
    came_in = sum(amount_fen for kind, amount_fen in movements if kind in into)
    out = (TransferKind.WITHDRAW, TransferKind.POSTED, TransferKind.PAID_OUT, TransferKind.PAY)
    went_out = sum(amount_fen for kind, amount_fen in movements if kind in out)
    inside = sum(balances[one] for one in (Account.WALLET, Account.PACKET, Account.POOL, Account.IN_TRANSIT))
    assert inside == came_in - went_out == -balances[Account.OUTSIDE]
