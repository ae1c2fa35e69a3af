"""The independent auditor of payments: it trusts only what users were told, and compares both books with that.

It shares no code with the services or with the bank. Its own books are computed from the requests and replies:
what each wallet and each card must hold at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from bench.chaos.auditor import Findings
from bench.chaos.payments import history as log
from bench.chaos.payments.books import OPEN, BankBooks, BookedPayment, OurBooks
from bench.chaos.payments.history import PaymentHistory, PaymentOp

OUTSIDE, IN_TRANSIT = 0, -2  # accounts, docs/money.md
TOP_UP, SEND, CHARGE, PAYOUT, PAID_OUT, RETURNED, TRANSFER, PAY = 1, 3, 9, 10, 11, 12, 13, 14  # kinds of transfers
REFUND, REFUND_RETURNED = 16, 17
ORDERS: Final = (TRANSFER, PAY)
USER_MAX: Final = 2**53 - 1
CHARGES: Final = (log.PACKET, log.TOP_UP)
KINDS: Final = {log.PACKET: "charge", log.TOP_UP: "charge", log.WITHDRAWAL: "payout", log.REFUND: "refund"}
# Refusals after which nothing has moved, and nothing will.
NOTHING_MOVED: Final = ("bank_declined", "not_enough_money", "limit", "bad_card", "key_reused", "password_locked")

Check = Callable[[PaymentHistory, OurBooks, BankBooks], Iterator[str]]


def judge(history: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Findings:
    """All discrepancies: told and not recorded, recorded twice, and all others."""

    def found(*checks: Check) -> list[str]:
        return [line for check in checks for line in check(history, ours, bank)]

    return Findings(
        lost=found(_lost_payments, _lost_orders),
        duplicated=found(_booked_twice, _posted_twice, _given_back_twice),
        others=found(
            _unrequested, _books_differ, _statement_differs, _wrong_wallets, _wrong_cards, _not_over, _breaks
        ),
    )


def _booked(ours: OurBooks) -> dict[tuple[int, str, str], BookedPayment]:
    """Payments by user, direction and key."""
    return {(one.user_id, one.kind, one.key): one for one in ours.payments}


def _place(op: PaymentOp) -> tuple[int, str, str]:
    return op.user_id, KINDS[op.kind], op.key


# --- every confirmed answer is recorded, on both sides ----------------------------------------------------------


def _lost_payments(history: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Iterator[str]:
    booked, posted = _booked(ours), {one.number: one.fen for one in bank.postings if one.number}
    packets = {one.packet_id: (one.sender_id, one.key, one.total_fen) for one in ours.packets}
    for op in history.ops:
        if op.answer != log.DONE or op.kind not in log.BY_BANK:
            continue
        payment = booked.get(_place(op))
        if payment is None or payment.amount_fen != op.amount_fen:
            yield f"{op.kind} {op.key}: told as made, recorded is {payment}"
            continue
        if op.kind == log.PACKET and packets.get(op.number) != (op.user_id, op.key, op.amount_fen):
            yield f"packet {op.number}: told as sent with {op.key}, recorded is {packets.get(op.number)}"
        if op.kind != log.PACKET and payment.number != op.number:
            yield f"{op.kind} {op.key}: told as payment {op.number}, recorded as {payment.number}"
        was_told = op.kind in CHARGES or op.state == "succeeded"
        moved_fen = posted.get(str(payment.number))
        if was_told and (payment.state != "succeeded" or moved_fen != op.amount_fen):
            yield f"{op.kind} {op.key}: told as succeeded, is {payment.state}, the bank moved {moved_fen}"


def _lost_orders(history: PaymentHistory, ours: OurBooks, _: BankBooks) -> Iterator[str]:
    """Transfers and pays."""
    moved = {(one.kind, one.debit, one.key): (one.credit, one.amount_fen) for one in ours.transfers}
    for op in history.ops:
        if op.answer == log.DONE and op.kind not in log.BY_BANK:
            found = moved.get((TRANSFER if op.kind == log.TRANSFER else PAY, op.user_id, op.key))
            if found != (op.to_user, op.amount_fen):
                yield f"{op.kind} {op.key}: told as made, recorded is {found}"


# --- once -------------------------------------------------------------------------------------------------------


def _booked_twice(_: PaymentHistory, ours: OurBooks, __: BankBooks) -> Iterator[str]:
    counters: dict[str, Counter[Any]] = {
        "payments of user, direction and key": Counter((p.user_id, p.kind, p.key) for p in ours.payments),
        "transfers of payment or key": Counter(
            (one.kind, (one.debit, one.key) if one.kind in ORDERS else one.key)
            for one in ours.transfers
            if one.kind >= CHARGE
        ),
        "packets of sender and key": Counter((one.sender_id, one.key) for one in ours.packets),
        "payments for packet": Counter(one.credit for one in ours.transfers if one.kind == SEND),
    }
    for name, counter in counters.items():
        yield from (f"{count} {name} {key}" for key, count in counter.items() if count > 1)


def _given_back_twice(_: PaymentHistory, ours: OurBooks, __: BankBooks) -> Iterator[str]:
    """The refunds of a charge are of its user, and not more than the charge."""
    charges = {one.number: one for one in ours.payments if (one.kind, one.state) == ("charge", "succeeded")}
    given: Counter[int] = Counter()
    for one in ours.payments:
        if one.kind == "refund" and one.state == "succeeded":
            given[one.of_number] += one.amount_fen
            charge = charges.get(one.of_number)
            if charge is None or charge.user_id != one.user_id:
                yield f"refund {one.number} of user {one.user_id} gives back {charge}"
    for number, fen in given.items():
        if number in charges and fen > charges[number].amount_fen:
            yield f"charge {number} of {charges[number].amount_fen} fen was given back with {fen} fen"


def _posted_twice(_: PaymentHistory, __: OurBooks, bank: BankBooks) -> Iterator[str]:
    counter = Counter(one.number for one in bank.postings if one.number)
    yield from (
        f"the bank moved the money of {number} {count} times" for number, count in counter.items() if count > 1
    )


# --- nothing without a request, both books agree ----------------------------------------------------------------


def _unrequested(history: PaymentHistory, ours: OurBooks, _: BankBooks) -> Iterator[str]:
    asked = {_place(op): op for op in history.ops if op.kind in log.BY_BANK}
    for payment in ours.payments:
        op = asked.get((payment.user_id, payment.kind, payment.key))
        if op is None or op.amount_fen != payment.amount_fen:
            yield f"payment {payment.number} of user {payment.user_id} was not asked for: {op}"
        elif op.of_number != payment.of_number:
            yield f"refund {payment.number} gives back {payment.of_number}, asked was {op.of_number}"
        elif op.answer in NOTHING_MOVED and payment.state == "succeeded":
            yield f"payment {payment.number} has succeeded, its user was told {op.answer}"
    known = {op.key: op for op in history.ops if op.kind not in log.BY_BANK}
    for one in ours.transfers:
        if one.kind in (TRANSFER, PAY) and one.key not in known:
            yield f"transfer {one.key} of {one.amount_fen} fen was not asked for"


def _books_differ(_: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Iterator[str]:
    orders = {one.number: one for one in bank.orders}
    posted = {one.number: one for one in bank.postings if one.number}
    for payment in ours.payments:
        number = str(payment.number)
        order = orders.pop(number, None)
        if order is None and payment.state == "failed":
            continue  # closed before it came there
        said = None if order is None else (order.kind, order.fen, order.result)
        if said != (payment.kind, payment.amount_fen, payment.state):
            yield f"payment {number}: {payment.kind} {payment.amount_fen} {payment.state}, the bank has {said}"
        moved = posted.get(number)
        if (moved is not None) != (payment.state == "succeeded"):
            yield f"payment {number} is {payment.state}, the bank moved {moved}"
    yield from (f"only the bank has the number {number}" for number in orders)


def _statement_differs(_: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Iterator[str]:
    """The statements have each payment that succeeded, once, and nothing else."""
    yield from bank.faulty_statements
    listed = Counter((one.number, one.kind, one.amount_fen, one.state) for one in bank.statement)
    due = Counter((str(p.number), p.kind, p.amount_fen, p.state) for p in ours.payments if p.state == "succeeded")
    yield from (f"statement without {line}" for line in (due - listed))
    yield from (f"statement with {line}, which is not ours" for line in (listed - due))


# --- what wallets and cards must hold ---------------------------------------------------------------------------


def _wrong_wallets(history: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Iterator[str]:
    """Each wallet has what its user was told. Packets have expired and are in it again; nothing is in transit."""
    done = {one.number for one in bank.orders if one.result == "succeeded"}
    booked, expected = _booked(ours), Counter(history.funds)
    for op in history.ops:
        if op.answer == log.UNKNOWN:
            yield f"{op.kind} {op.key} of user {op.user_id} was never answered: {op.last_refusal}"
        payment = booked.get(_place(op)) if op.kind in log.BY_BANK else None
        is_paid = payment is not None and str(payment.number) in done
        if op.kind in CHARGES and is_paid:
            expected[op.user_id] += op.amount_fen
        elif op.kind in (log.WITHDRAWAL, log.REFUND) and is_paid:
            expected[op.user_id] -= op.amount_fen
        elif op.kind not in log.BY_BANK and op.answer == log.DONE:
            expected[op.user_id] -= op.amount_fen
            expected[op.to_user] += op.amount_fen
    del expected[0]  # what was paid to the outside
    for user_id in expected.keys() | ours.wallets.keys():
        held_fen = ours.wallets.get(user_id, 0)
        if held_fen != expected[user_id]:
            yield f"user {user_id} has {held_fen} fen, by what was asked and told {expected[user_id]}"
    transit_fen = sum(
        (one.credit == IN_TRANSIT) * one.amount_fen - (one.debit == IN_TRANSIT) * one.amount_fen
        for one in ours.transfers
    )
    if transit_fen:
        yield f"{transit_fen} fen are in transit, and no payment is open"


def _wrong_cards(history: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Iterator[str]:
    """What has left and come to the card of each user is what the user's payments say."""
    held: Counter[str] = Counter()
    for one in bank.postings:
        if one.number:
            held[one.credit] += one.fen
            held[one.debit] -= one.fen
    for user_id, card in history.cards.items():
        mine = (one for one in ours.payments if one.user_id == user_id and one.state == "succeeded")
        expected = sum(-one.amount_fen if one.kind == "charge" else one.amount_fen for one in mine)
        if held[f"card:{card}"] != expected:
            yield f"the card of user {user_id} changed by {held[f'card:{card}']} fen, by the payments {expected}"


def _not_over(_: PaymentHistory, ours: OurBooks, bank: BankBooks) -> Iterator[str]:
    yield from (f"payment {one.number} is still {one.state}" for one in ours.payments if one.state in OPEN)
    yield from (f"order {one.number} is still processing" for one in bank.orders if one.result == "processing")
    yield from (f"packet {one.packet_id} has not ended" for one in ours.packets if not one.closed)


def _breaks(_: PaymentHistory, ours: OurBooks, __: BankBooks) -> Iterator[str]:
    """The bank of these runs never contradicts itself, so a break is an error of one side."""
    yield from (f"break of payment {one}" for one in ours.breaks)
