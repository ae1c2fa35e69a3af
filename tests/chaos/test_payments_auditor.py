"""The auditor of payments names every planted contradiction between requests, replies and both books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from bench.chaos.auditor import Findings
from bench.chaos.payments import auditor, books, report
from bench.chaos.payments import history as log
from bench.chaos.payments.auditor import CHARGE, PAID_OUT, PAY, PAYOUT, REFUND, SEND, TOP_UP, TRANSFER
from bench.chaos.payments.books import (
    BankBooks,
    BankOrder,
    BookedPacket,
    BookedPayment,
    BookedTransfer,
    OurBooks,
    Posting,
    StatementRow,
)
from bench.chaos.payments.history import PaymentHistory, PaymentOp

PAID, TOPPED, OUT, DECLINED, BACK = 2**60, 2**60 + 1, 2**60 + 2, 2**60 + 3, 2**60 + 4  # numbers of payments
PACKET = 2**60 + 9
CARD = "card:62"


class Case(NamedTuple):
    """What users were told, and both books."""

    history: PaymentHistory
    ours: OurBooks
    bank: BankBooks


def agreeing() -> Case:
    """A packet by card that expired, a top-up, a withdrawal, a declined one, a transfer, a pay, a card refund."""
    history = PaymentHistory()
    history.funds = {1: 1_000, 2: 1_000}
    history.cards = {1: "62"}
    for op in (
        PaymentOp(1, "a", log.PACKET, 300, log.DONE, PACKET),
        PaymentOp(1, "b", log.TOP_UP, 50, log.DONE, TOPPED),
        PaymentOp(1, "c", log.WITHDRAWAL, 20, log.DONE, OUT, "unknown"),
        PaymentOp(1, "d", log.TOP_UP, 70, "bank_declined"),
        PaymentOp(1, "e", log.TRANSFER, 5, log.DONE, to_user=2),
        PaymentOp(1, "f", log.PAY, 7, log.DONE),
        PaymentOp(1, "g", log.REFUND, 30, log.DONE, BACK, "succeeded", of_number=TOPPED),
    ):
        history.add(op, 0.0)
    ours = OurBooks(
        [
            BookedPayment(PAID, 1, "charge", 300, "a", True, "succeeded", PACKET, 0, 9),
            BookedPayment(TOPPED, 1, "charge", 50, "b", False, "succeeded", 0, 1_000, 3_000),
            BookedPayment(OUT, 1, "payout", 20, "c", False, "succeeded", 0, 0, 9),
            BookedPayment(DECLINED, 1, "charge", 70, "d", False, "failed", 0, 0, 9),
            BookedPayment(BACK, 1, "refund", 30, "g", False, "succeeded", 0, 0, 9, TOPPED),
        ],
        [
            BookedTransfer(0, 1, TOP_UP, "funds-1", 1_000),
            BookedTransfer(0, 2, TOP_UP, "funds-2", 1_000),
            BookedTransfer(0, 1, CHARGE, str(PAID), 300),
            BookedTransfer(1, PACKET, SEND, "", 300),
            BookedTransfer(PACKET, 1, 5, "", 300),
            BookedTransfer(0, 1, CHARGE, str(TOPPED), 50),
            BookedTransfer(1, -2, PAYOUT, str(OUT), 20),
            BookedTransfer(-2, 0, PAID_OUT, str(OUT), 20),
            BookedTransfer(1, 2, TRANSFER, "e", 5),
            BookedTransfer(1, 0, PAY, "f", 7),
            BookedTransfer(1, -2, REFUND, str(BACK), 30),
            BookedTransfer(-2, 0, PAID_OUT, str(BACK), 30),
        ],
        [BookedPacket(PACKET, 1, "a", 300, 300, True)],
        {1: 1_288, 2: 1_005},
        [],
    )
    bank = BankBooks(
        [
            BankOrder(str(PAID), "charge", 300, "succeeded", "reply_lost"),
            BankOrder(str(TOPPED), "charge", 50, "succeeded", "none"),
            BankOrder(str(OUT), "payout", 20, "succeeded", "none"),
            BankOrder(str(DECLINED), "charge", 70, "failed", "processing_failed"),
            BankOrder(str(BACK), "refund", 30, "succeeded", "none"),
        ],
        [
            Posting("", "opening", "world", CARD, 1_000_000),
            Posting(str(PAID), "charge", CARD, "merchant", 300),
            Posting(str(TOPPED), "charge", CARD, "merchant", 50),
            Posting(str(OUT), "payout", "merchant", CARD, 20),
            Posting(str(BACK), "refund", "merchant", CARD, 30),
        ],
        [
            StatementRow(str(PAID), "charge", 300, "succeeded"),
            StatementRow(str(TOPPED), "charge", 50, "succeeded"),
            StatementRow(str(OUT), "payout", 20, "succeeded"),
            StatementRow(str(BACK), "refund", 30, "succeeded"),
        ],
        [],
        [],
    )
    return Case(history, ours, bank)


def judged(plant: Callable[[Case], Any]) -> Findings:
    case = agreeing()
    plant(case)
    return auditor.judge(*case)


def test_judge_with_agreeing_books_finds_nothing() -> None:
    assert judged(lambda case: None).all == []


def _change(rows: list[Any], place: int, **fields: Any) -> None:
    rows[place] = rows[place]._replace(**fields)


def _gone_everywhere(case: Case) -> None:
    """A payment that was told, and that both books have forgotten together: only the auditor's own can tell."""
    del case.ours.payments[1], case.ours.transfers[5], case.bank.orders[1], case.bank.postings[2]
    del case.bank.statement[1]
    case.ours.wallets[1] -= 50


LOST: dict[str, Callable[[Case], Any]] = {
    "payment gone in both books": _gone_everywhere,
    "charge failed though told": lambda case: _change(case.ours.payments, 0, state="failed"),
    "bank has not moved it": lambda case: case.bank.postings.pop(1),
    "amount": lambda case: _change(case.ours.payments, 1, amount_fen=51),
    "packet gone": lambda case: case.ours.packets.clear(),
    "another number was told": lambda case: _change(case.ours.payments, 1, number=5),
    "withdrawal told as succeeded": lambda case: (
        _change(case.history.ops, 2, state="succeeded"),
        _change(case.ours.payments, 2, state="failed"),
    ),
    "transfer gone": lambda case: case.ours.transfers.pop(8),
    "pay of another amount": lambda case: _change(case.ours.transfers, 9, amount_fen=8),
    "refund told as succeeded": lambda case: _change(case.ours.payments, 4, state="failed"),
}
DOUBLED: dict[str, Callable[[Case], Any]] = {
    "bank moved it twice": lambda case: case.bank.postings.append(case.bank.postings[1]),
    "two payments of one key": lambda case: case.ours.payments.append(case.ours.payments[0]._replace(number=5)),
    "charged twice": lambda case: case.ours.transfers.append(case.ours.transfers[2]),
    "transfer twice": lambda case: case.ours.transfers.append(case.ours.transfers[8]),
    "packet twice": lambda case: case.ours.packets.append(case.ours.packets[0]._replace(packet_id=7)),
    "refund ordered twice": lambda case: case.ours.transfers.append(case.ours.transfers[10]),
    "more given back than was charged": lambda case: case.ours.payments.append(
        case.ours.payments[4]._replace(number=7, key="h", amount_fen=21)
    ),
    "refund of another user's charge": lambda case: _change(case.ours.payments, 1, user_id=2),
    "refund of a charge that failed": lambda case: _change(case.ours.payments, 4, of_number=DECLINED),
    "packet paid twice": lambda case: case.ours.transfers.append(case.ours.transfers[3]),
}
OTHERS: dict[str, Callable[[Case], Any]] = {
    "not asked for": lambda case: case.history.ops.pop(3),
    "refund of another charge": lambda case: _change(case.ours.payments, 4, of_number=PAID),
    "told declined, succeeded": lambda case: _change(case.ours.payments, 3, state="succeeded"),
    "transfer not asked for": lambda case: case.history.ops.pop(4),
    "bank has another state": lambda case: _change(case.bank.orders, 3, result="succeeded"),
    "bank has another amount": lambda case: _change(case.bank.orders, 0, fen=301),
    "bank does not have it": lambda case: case.bank.orders.pop(2),
    "only the bank has it": lambda case: case.bank.orders.append(BankOrder("5", "charge", 1, "failed", "none")),
    "bank moved what failed": lambda case: case.bank.postings.append(
        Posting(str(DECLINED), "charge", CARD, "merchant", 70)
    ),
    "statement without a row": lambda case: case.bank.statement.pop(),
    "statement with a row twice": lambda case: case.bank.statement.append(case.bank.statement[0]),
    "statement without its digest": lambda case: case.bank.faulty_statements.append("the statement of …"),
    "wallet": lambda case: case.ours.wallets.update({2: 1_006}),
    "wallet of a stranger": lambda case: case.ours.wallets.update({3: 1}),
    "in transit": lambda case: case.ours.transfers.pop(7),
    "card": lambda case: _change(case.bank.postings, 3, credit="card:63"),
    "never answered": lambda case: _change(case.history.ops, 0, answer=log.UNKNOWN),
    "still open": lambda case: _change(case.ours.payments, 3, state="unknown"),
    "still processed at the bank": lambda case: _change(case.bank.orders, 3, result="processing"),
    "packet has not ended": lambda case: _change(case.ours.packets, 0, closed=False),
    "break": lambda case: case.ours.breaks.append("5: succeeded, then failed"),
}


@pytest.mark.parametrize("plant", LOST.values(), ids=LOST)
def test_judge_with_a_lost_payment_names_it(plant: Callable[[Case], Any]) -> None:
    assert judged(plant).lost


@pytest.mark.parametrize("plant", DOUBLED.values(), ids=DOUBLED)
def test_judge_with_a_doubled_payment_names_it(plant: Callable[[Case], Any]) -> None:
    assert judged(plant).duplicated


@pytest.mark.parametrize("plant", OTHERS.values(), ids=OTHERS)
def test_judge_with_another_discrepancy_names_it(plant: Callable[[Case], Any]) -> None:
    assert judged(plant).others


def test_resolved_leaves_out_the_time_of_faults() -> None:
    ours = agreeing().ours  # one payment was unknown from 1,000 to 3,000 ms
    assert report.resolved_s(ours, []) == [2.0]
    assert report.resolved_s(ours, [(500.0, 1_500.0), (1_200.0, 1_600.0)]) == [1.4]
    assert report.resolved_s(ours, [(0.0, 5_000.0)]) == [0.0]


def test_spread_has_the_smallest_value_that_covers_a_share() -> None:
    assert report.spread([]) == {"count": 0, "p50": None, "p99": None, "max": None}
    assert report.spread([float(n) for n in range(1, 101)]) == {
        "count": 100,
        "p50": 50.0,
        "p99": 99.0,
        "max": 100.0,
    }


def test_books_of_two_sets_are_joined_without_what_moves_between_them() -> None:
    order = BookedTransfer(1, 2, 13, "lunch", 30)
    first = OurBooks([], [order, BookedTransfer(2, -101, 23, "1:lunch", 30)], [], {1: 70}, [])
    second = OurBooks([], [BookedTransfer(-100, 1, 24, "1:lunch", 30), order], [], {2: 30}, ["b"])
    assert books.joined([first, second]) == OurBooks([], [order], [], {1: 70, 2: 30}, ["b"])
    assert list(books.misplaced([first, second])) == []


def test_what_stands_in_another_set_than_the_wallet_of_its_user_is_named() -> None:
    payment = BookedPayment(7, 2, "charge", 30, "k", False, "succeeded", 0, 0, 0)
    packet = BookedPacket(8, 2, "k", 30, 0, True)
    first = OurBooks([payment], [], [packet], {1: 70}, [])
    second = OurBooks([], [], [], {1: 70, 2: 30}, [])
    assert list(books.misplaced([first, second])) == [
        "user 1 has wallets in set 0 and in set 1",
        "payment 7 is in set 0, the wallet of user 2 is in set 1",
        "packet 8 is in set 0, the wallet of user 2 is in set 1",
    ]
