"""The match of statements with our payments: both in the order of the numbers, one beside the other. Pure.

The server lets PostgreSQL match (storage/postgres/reconciliation/matching.sql); this is what the audit of a third
party uses, which trusts neither the stored rows nor the statements of SQL. It holds one row and payment at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from datetime import date
from itertools import groupby
from typing import NamedTuple

from server.core.payments import PaymentState
from server.core.reconciliation.days import days_of
from server.core.reconciliation.rules import OurPayment, RowClass, classify, difference_fen, moved_fen
from server.core.reconciliation.statement_file import BankLine


class Match(NamedTuple):
    """A row of a statement, or a payment without one, and its class. `subject` names a break of that class."""

    row_class: RowClass
    subject: str
    row: BankLine | None
    payment: OurPayment | None
    difference_fen: int


class PlacedRow(NamedTuple):
    """A row, the number of ours that it names (None: none), and how many rows before it have its bank_ref."""

    number: int | None
    same_refs: int
    row: BankLine


async def match(
    rows: Iterable[PlacedRow], payments: AsyncIterator[OurPayment], have: Collection[date]
) -> AsyncIterator[Match]:
    """Match rows of statements of the days `have` with payments, both in the order of their numbers.

    Rows that name no number come first; those of one number are in the order of day and line. A payment without a
    row is told if all days that it may stand in have a statement.
    """
    payment = await anext(payments, None)
    for number, of_number in groupby(rows, key=lambda one: one.number):
        while payment is not None and number is not None and payment.number < number:
            for found in _of_payment(payment, have):
                yield found
            payment = await anext(payments, None)
        mine = payment if payment is not None and payment.number == number else None
        for found in _of_number(of_number, mine, have):
            yield found
        if mine is not None:
            payment = await anext(payments, None)
    while payment is not None:
        for found in _of_payment(payment, have):
            yield found
        payment = await anext(payments, None)


def _of_number(rows: Iterable[PlacedRow], payment: OurPayment | None, have: Collection[date]) -> Iterator[Match]:
    """The rows that name one number, or none, and the payment that has it."""
    kinds: set[str] = set()
    for number, same_refs, row in rows:
        is_first = same_refs == 0 and (number is None or row.kind not in kinds)
        kinds.add(row.kind)
        is_same = payment is not None and row.kind == payment.kind
        yield _of_row(row, payment if is_same else None, same_refs, is_first=is_first)
    if payment is not None and payment.kind not in kinds:
        yield from _of_payment(payment, have)


def _of_row(row: BankLine, payment: OurPayment | None, same_refs: int, *, is_first: bool) -> Match:
    row_class = classify(row, payment, is_first=is_first)
    if row_class is RowClass.DUPLICATE:
        subject = f"{row.bank_ref}#{same_refs + 1}"
    else:
        subject = row.bank_ref if payment is None else str(payment.number)
    return Match(row_class, subject, row, payment, difference_fen(row_class, row, payment))


def _of_payment(payment: OurPayment, have: Collection[date]) -> Iterator[Match]:
    """A payment that no row names."""
    if payment.state != PaymentState.SUCCEEDED:
        return
    if all(day in have for day in days_of(payment.created_at_ms, payment.changed_at_ms).days()):
        moved = moved_fen(payment.state, payment.amount_fen)
        yield Match(RowClass.OURS_ONLY, str(payment.number), None, payment, moved)
