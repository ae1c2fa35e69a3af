"""The number, the holder and the phone of a card: what they must be, and how they are shown. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from server.core.limits import check_text
from server.core.refusals import Reason, RequestRefused

NUMBER: Final = re.compile(r"[0-9]{12,19}", re.ASCII)
PHONE: Final = re.compile(r"\+?[0-9]{5,15}", re.ASCII)
HOLDER_BYTES_MAX: Final = 128
CARDS_MAX: Final = 10  # bound by a user at once


def card_number(text: str) -> str:
    """The digits of a card, which may be typed with spaces and dashes. Raises RequestRefused (bad_card).

    No refusal shows a digit of it.
    """
    digits = re.sub(r"[ \-]", "", text)
    if NUMBER.fullmatch(digits) is None:
        raise RequestRefused(Reason.BAD_CARD, "number: the number of a card has 12 to 19 digits")
    if not _has_check_digit(digits):
        raise RequestRefused(Reason.BAD_CARD, "number: a digit is mistyped")
    return digits


def _has_check_digit(digits: str) -> bool:
    """The rule of Luhn: from the right every second digit is doubled, and the sum of all digits ends with 0."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def holder_name(text: str) -> str:
    """The name of a card's holder. Raises RequestRefused (bad_card)."""
    name = " ".join(text.split())
    check_text("holder", name, 1, HOLDER_BYTES_MAX, Reason.BAD_CARD)
    return name


def phone_number(text: str) -> str:
    """A phone number: digits, perhaps with spaces, dashes and a plus. Raises RequestRefused (bad_card)."""
    phone = re.sub(r"[ \-]", "", text)
    if PHONE.fullmatch(phone) is None:
        raise RequestRefused(Reason.BAD_CARD, "phone: 5 to 15 digits")
    return phone


def is_same_holder(one: str, other: str) -> bool:
    """Whether two names are written for the same holder: width, case and spaces do not count."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return re.sub(r"[\s·.]", "", unicodedata.normalize("NFKC", name)).casefold()


def masked_name(name: str) -> str:
    """A name as it may be shown: its last character, and a star for each one before it."""
    return "*" * (len(name) - 1) + name[-1] if len(name) > 1 else "*"


def masked_phone(phone: str) -> str:
    """A phone number as it may be shown: 138****5678; of a short one the last two digits."""
    if len(phone) < 11:
        return "*" * (len(phone) - 2) + phone[-2:]
    return phone[:3] + "*" * (len(phone) - 7) + phone[-4:]
