"""The classes of what a statement and our payments say: one for each row, and one for a payment without a row.

The statements of PostgreSQL in storage/postgres/reconciliation/matching.sql say the same for a million rows; a test
compares both. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from server.core.payments import ENDED, PaymentState, Verdict
from server.core.reconciliation.days import day_of, days_of
from server.core.reconciliation.statement_file import BankLine


class RowClass(StrEnum):
    """What was found. All but the first two are breaks."""

    MATCHED = "matched"
    OPEN = "open"  # the row agrees with a payment of ours that has not ended: it is evidence
    BANK_ONLY = "bank_only"  # 长款: the bank has it, we do not
    OURS_ONLY = "ours_only"  # 短款: we have it, the bank does not; in doubt until T+2
    AMOUNT = "amount"
    STATE = "state"
    DUPLICATE = "duplicate"  # the bank has it twice
    OTHER_DAY = "other_day"  # 日切: in the statement of a day in which it cannot have been
    OTHER_ACCOUNT = "other_account"
    CONTRADICTION = "contradiction"  # evidence against the end of a payment; no statement is needed for it


AGREED: Final = (RowClass.MATCHED, RowClass.OPEN)
BREAK_CLASSES: Final = tuple(one for one in RowClass if one not in AGREED)
# What a row proves about a payment that is open. A booking that the bank reversed has moved nothing in the end.
VERDICTS: Final = {"succeeded": Verdict.SUCCEEDED, "failed": Verdict.FAILED, "reversed": Verdict.FAILED}
_ENDS: Final = {Verdict.SUCCEEDED: PaymentState.SUCCEEDED, Verdict.FAILED: PaymentState.FAILED}


class OurPayment(NamedTuple):
    """A payment of ours as it is compared. `account`: the bank's name of the card; '' is not compared."""

    number: int
    kind: str
    account: str
    amount_fen: int
    state: str
    created_at_ms: int
    changed_at_ms: int


def moved_fen(state: str, amount_fen: int) -> int:
    """What a payment or a row has moved in the end."""
    return amount_fen if state == PaymentState.SUCCEEDED else 0


def classify(row: BankLine, payment: OurPayment | None, *, is_first: bool) -> RowClass:
    """The class of a row.

    `payment`: ours of this number and kind. `is_first`: no row before it, in the order of day and line, has its
    bank_ref, or its number and kind.
    """
    if not is_first:
        return RowClass.DUPLICATE
    if payment is None:
        return RowClass.BANK_ONLY
    if row.amount_fen != payment.amount_fen:
        return RowClass.AMOUNT
    if payment.account not in ("", row.account):
        return RowClass.OTHER_ACCOUNT
    if payment.state not in ENDED:
        return RowClass.OPEN
    if _ENDS[VERDICTS[row.state]] != payment.state:
        return RowClass.STATE
    days = days_of(payment.created_at_ms, payment.changed_at_ms)
    if day_of(row.at_ms) != row.day or not days.first <= row.day <= days.last:
        return RowClass.OTHER_DAY
    return RowClass.MATCHED


def difference_fen(row_class: RowClass, row: BankLine, payment: OurPayment | None) -> int:
    """By how much the books differ because of a row; no correction may move more."""
    theirs = moved_fen(row.state, row.amount_fen)
    if row_class in (RowClass.DUPLICATE, RowClass.BANK_ONLY, RowClass.OTHER_ACCOUNT) or payment is None:
        return theirs
    return abs(theirs - moved_fen(payment.state, payment.amount_fen)) if row_class not in AGREED else 0
