"""Faults of the bank: which there are, which card numbers ask for one, and the seeded plan for all other orders."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple


class Fault(StrEnum):
    """What goes wrong about an order, a card or a text message. The money moves at most once in each case."""

    NONE = "none"
    NO_MONEY = "no_money"  # no fault of the bank: the card holds nothing
    REPLY_LOST = "reply_lost"  # committed, then the connection is cut
    ERROR_AFTER_COMMIT = "error_after_commit"  # committed, then status 500
    REPLY_LATE = "reply_late"  # committed, then silence for longer than the merchant waits
    UNKNOWN_CODE = "unknown_code"  # committed, then a result that is not in the protocol
    NOT_FOUND = "not_found"  # status 500, not found for minutes, then succeeded
    PROCESSING = "processing"  # succeeds later
    PROCESSING_FAILED = "processing_failed"  # fails later
    CALL_LOST = "call_lost"  # the connection is cut before anything is done, once
    NOTICE_FIRST = "notice_first"  # before the reply
    NOTICE_TWICE = "notice_twice"
    NOTICE_LATE = "notice_late"
    NOTICE_REORDERED = "notice_reordered"  # `processing` comes after `succeeded`; no reply
    NOTICE_FORGED = "notice_forged"  # says the contrary, with a signature of another key
    NOTICE_WRONG_AMOUNT = "notice_wrong_amount"
    NOTICE_WRONG_MERCHANT = "notice_wrong_merchant"
    QUERY_CONTRADICTS = "query_contradicts"  # no reply, the notice says succeeded, queries say failed
    SMS_LOST = "sms_lost"  # `sent`, but it never arrives
    CARD_REFUSED = "card_refused"  # cannot be bound


class BillFault(StrEnum):
    """What is wrong with the statement of a day."""

    NONE = "none"
    LATE = "late"  # not there before T+2
    TRUNCATED = "truncated"
    WRONG_DIGEST = "wrong_digest"
    ROW_MISSING = "row_missing"
    ROW_EXTRA = "row_extra"
    ROW_CHANGED = "row_changed"  # another amount
    ROW_DUPLICATED = "row_duplicated"
    ROW_MOVED = "row_moved"  # to the next day
    CORRECTED = "corrected"  # a row is missing; issue 2, at T+2, has it


BIN: Final = "621299"  # of the test cards; they have 16 digits
BANK_NAME: Final = "测试银行"
# Digits 7 and 8 of a test card ask for a fault; digits 9 to 15 tell cards apart.
CODES: Final = {
    "00": Fault.NONE,
    "01": Fault.NO_MONEY,
    "02": Fault.REPLY_LOST,
    "03": Fault.ERROR_AFTER_COMMIT,
    "04": Fault.REPLY_LATE,
    "05": Fault.UNKNOWN_CODE,
    "06": Fault.NOT_FOUND,
    "07": Fault.PROCESSING,
    "08": Fault.PROCESSING_FAILED,
    "09": Fault.CALL_LOST,
    "10": Fault.NOTICE_FIRST,
    "11": Fault.NOTICE_TWICE,
    "12": Fault.NOTICE_LATE,
    "13": Fault.NOTICE_REORDERED,
    "14": Fault.NOTICE_FORGED,
    "15": Fault.NOTICE_WRONG_AMOUNT,
    "16": Fault.NOTICE_WRONG_MERCHANT,
    "17": Fault.QUERY_CONTRADICTS,
    "20": Fault.SMS_LOST,
    "21": Fault.CARD_REFUSED,
}
# Faults after which both books agree without people, once all has been asked and told.
HARMLESS: Final = (
    Fault.REPLY_LOST,
    Fault.ERROR_AFTER_COMMIT,
    Fault.REPLY_LATE,
    Fault.UNKNOWN_CODE,
    Fault.NOT_FOUND,
    Fault.PROCESSING,
    Fault.PROCESSING_FAILED,
    Fault.CALL_LOST,
    Fault.NOTICE_FIRST,
    Fault.NOTICE_TWICE,
    Fault.NOTICE_LATE,
    Fault.NOTICE_REORDERED,
    Fault.NOTICE_FORGED,
)


class FaultPlan(NamedTuple):
    """A seed, and the shares of orders and of statements that have a fault."""

    seed: int = 1
    share: float = 0.0
    bill_share: float = 0.0
    faults: Sequence[Fault] = HARMLESS

    def of_order(self, card_fault: Fault, count: int) -> Fault:
        """The fault of the order with this count: that of its card, else the one that is drawn for it."""
        if card_fault is not Fault.NONE:
            return card_fault
        draw = Random(f"{self.seed}:{count}")
        return draw.choice(list(self.faults)) if draw.random() < self.share else Fault.NONE

    def of_bill(self, day: str) -> BillFault:
        """The fault of the statement of a day."""
        draw = self.draw(day)
        return draw.choice(list(BillFault)[1:]) if draw.random() < self.bill_share else BillFault.NONE

    def draw(self, day: str) -> Random:
        """What chooses the row of a statement that is wrong."""
        return Random(f"{self.seed}:{day}")


def card_number(fault: Fault = Fault.NONE, serial: int = 1) -> str:
    """The number of a test card, with its check digit. `serial`: 0 … 9,999,999."""
    code = next(code for code, one in CODES.items() if one is fault)
    head = f"{BIN}{code}{serial:07d}"
    return head + str(-_luhn_sum(head + "0") % 10)


def fault_of_card(number: str) -> Fault | None:
    """The fault that a card number asks for; None: it is no test card."""
    is_card = len(number) == 16 and number.isascii() and number.isdigit() and _luhn_sum(number) % 10 == 0
    return CODES.get(number[6:8]) if is_card and number.startswith(BIN) else None


def _luhn_sum(digits: str) -> int:
    doubled = (int(one) * (1 + place % 2) for place, one in enumerate(reversed(digits)))
    return sum(one - 9 if one > 9 else one for one in doubled)
