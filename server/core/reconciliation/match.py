"""The match of statements with our payments: both in the order of the numbers, one beside the other. Pure.

The server lets PostgreSQL match (storage/postgres/reconciliation/matching.sql); this is what the audit of a third
party uses, which trusts neither the stored rows nor the statements of SQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from server.core.payments import PaymentState
from server.core.reconciliation.days import days_of
from server.core.reconciliation.rules import OurPayment, RowClass, classify, difference_fen, moved_fen
from server.core.reconciliation.statement_file import BankLine, payment_number


class Match(NamedTuple):
    """A row of a statement, or a payment without one, and its class. `subject` names a break of that class."""

    row_class: RowClass
    subject: str
    row: BankLine | None
    payment: OurPayment | None
    difference_fen: int


class _Placed(NamedTuple):
    """A row; how many rows before it have its bank_ref, and whether none has its number and kind either."""

    number: int | None
    row: BankLine
    same_refs: int
    is_first: bool


def match(rows: Sequence[BankLine], payments: Iterable[OurPayment], have: Collection[date]) -> Iterator[Match]:
    """Match rows of statements of the days `have` with payments in the order of their numbers.

    A payment without a row is told if all days that it may stand in have a statement.
    """
    placed = _placed(rows)
    waiting = iter(payments)
    payment = next(waiting, None)
    at = 0
    while at < len(placed) or payment is not None:
        number = placed[at].number if at < len(placed) else None
        if at < len(placed) and (number is None or payment is None or number < payment.number):
            yield _of_row(placed[at], None)
            at += 1
            continue
        assert payment is not None
        has_row = False
        while at < len(placed) and placed[at].number == payment.number:
            is_same = placed[at].row.kind == payment.kind
            has_row |= is_same
            yield _of_row(placed[at], payment if is_same else None)
            at += 1
        if not has_row and _is_missing(payment, have):
            moved = moved_fen(payment.state, payment.amount_fen)
            yield Match(RowClass.OURS_ONLY, str(payment.number), None, payment, moved)
        payment = next(waiting, None)


def _placed(rows: Sequence[BankLine]) -> list[_Placed]:
    """The rows in the order of the numbers that they name; those that name none come first."""
    refs: Counter[str] = Counter()
    seen: set[tuple[int, str]] = set()
    placed = []
    for row in sorted(rows, key=lambda row: (row.day, row.line)):
        number = payment_number(row.number)
        is_first = refs[row.bank_ref] == 0 and (number is None or (number, row.kind) not in seen)
        placed.append(_Placed(number, row, refs[row.bank_ref], is_first))
        refs[row.bank_ref] += 1
        if number is not None:
            seen.add((number, row.kind))
    placed.sort(key=lambda one: (one.number or 0, one.row.day, one.row.line))
    return placed


def _of_row(placed: _Placed, payment: OurPayment | None) -> Match:
    row = placed.row
    row_class = classify(row, payment, is_first=placed.is_first)
    if row_class is RowClass.DUPLICATE:
        subject = f"{row.bank_ref}#{placed.same_refs + 1}"
    else:
        subject = row.bank_ref if payment is None else str(payment.number)
    return Match(row_class, subject, row, payment, difference_fen(row_class, row, payment))


def _is_missing(payment: OurPayment, have: Collection[date]) -> bool:
    if payment.state != PaymentState.SUCCEEDED:
        return False
    return all(day in have for day in days_of(payment.created_at_ms, payment.changed_at_ms).days())
