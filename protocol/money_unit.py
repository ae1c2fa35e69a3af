"""The unit that amounts are shown and typed in: yuan, or points of a deployment's own. Formats and parses amounts.

All amounts of the wire, the HTTP API and the records are integers that count the smallest unit; their names end
with `_fen`, whatever that unit is. This is the only module that turns them into text and back.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

DECIMALS_MAX: Final = 4
NAME_LETTERS_MAX: Final = 16
SYMBOL_LETTERS_MAX: Final = 4
TYPED_DIGITS_MAX: Final = 11  # 999,999,999.99 yuan
CHINESE: Final = "zh"


class MoneyUnit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The names of the unit in Chinese and English, its symbol (may be empty), and the digits after the point."""

    zh: Annotated[str, Meta(min_length=1, max_length=NAME_LETTERS_MAX)]
    en: Annotated[str, Meta(min_length=1, max_length=NAME_LETTERS_MAX)]
    symbol: Annotated[str, Meta(max_length=SYMBOL_LETTERS_MAX)]
    decimals: Annotated[int, Meta(ge=0, le=DECIMALS_MAX)]

    def typed(self, amount_fen: int) -> str:
        """The number as a person types it: 123456 -> 1234.56."""
        return self.number(amount_fen).replace(",", "")

    def number(self, amount_fen: int) -> str:
        """The number without its unit, with commas between thousands: 123456 -> 1,234.56."""
        sign, factor = "-" if amount_fen < 0 else "", 10**self.decimals
        whole, rest = divmod(abs(amount_fen), factor)
        return f"{sign}{whole:,}.{rest:0{self.decimals}d}" if self.decimals else f"{sign}{whole:,}"

    def full(self, language: str, amount_fen: int) -> str:
        """The number and the name of the unit: 12.34元, 12.34 yuan."""
        number = self.number(amount_fen)
        return f"{number}{self.zh}" if language == CHINESE else f"{number} {self.en}"

    def short(self, language: str, amount_fen: int) -> str:
        """The same as short as a reader of the language writes it: 12.34元, ¥12.34; 12 points without a symbol."""
        if language == CHINESE or not self.symbol:
            return self.full(language, amount_fen)
        return f"{self.symbol}{self.number(amount_fen)}"

    def head(self, language: str) -> str:
        """The unit at the head of a column of numbers: 元, ¥; points without a symbol."""
        return self.zh if language == CHINESE else self.symbol or self.en

    @property
    def is_cash(self) -> bool:
        """Whether a user can have it paid out to a bank. A unit of a deployment's own promises only packets."""
        return self == YUAN

    @property
    def smallest(self) -> str:
        """What an integer amount counts, in English: fen, points, units of 0.01 coins."""
        if self == YUAN:
            return "fen"
        return f"units of {self.number(1)} {self.en}" if self.decimals else self.en

    def parse(self, text: str) -> int:
        """An amount that a person typed: 8.88, 8.8, 8, ¥8.88, 8.88元, 8.88 yuan. Raises ValueError for others."""
        left, decimals = text.strip(), rf"(?:\.([0-9]{{1,{self.decimals}}}))?" if self.decimals else "()"
        names = "|".join(map(re.escape, (self.zh, self.en)))
        digits = rf"([0-9]{{1,{TYPED_DIGITS_MAX - self.decimals}}}){decimals}"
        found = re.fullmatch(rf"(?:{re.escape(self.symbol)})?{digits}(?: ?(?:{names}))?", left)
        if found is None:
            raise ValueError(f"{text!r} is not an amount in {self.en}")
        return int(found[1] + (found[2] or "").ljust(self.decimals, "0"))


YUAN: Final = MoneyUnit("元", "yuan", "¥", 2)
