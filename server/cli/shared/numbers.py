"""Numbers on a command line. Nothing is rounded or guessed: 88.5 fen is an error, not 88."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token
from cyclopts.validators import Number

INT64_MAX: Final = 2**63 - 1
YEAR_H: Final = 24 * 366.0


def whole(_: Any, tokens: Sequence[Token]) -> int:
    """Decimal digits, perhaps after a minus. Raises ValueError, one line."""
    word = tokens[0].value
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise ValueError(f"{word!r} is not a whole number")
    return int(word)


def finite(_: Any, tokens: Sequence[Token]) -> float:
    """Any number except infinity and NaN. Raises ValueError, one line."""
    word = tokens[0].value
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{word!r} is not a number")
    return number


def _within(least: int, most: int) -> Parameter:
    return Parameter(converter=whole, validator=Number(gte=least, lte=most))


Id = Annotated[int, _within(0, INT64_MAX)]
Fen = Annotated[int, _within(1, INT64_MAX)]
Version = Annotated[int, _within(1, INT64_MAX)]
Count = Annotated[int, _within(1, 1_000_000_000)]
PageLength = Annotated[int, _within(1, 100)]
Several = Annotated[int, _within(2, 10_000)]
Whole = Annotated[int, _within(0, 1_000_000_000)]
Seed = Annotated[int, Parameter(converter=whole)]
RelayTimes = Annotated[int, _within(0, 3)]  # the server checks them again (server/core/everyday/relay)
Port = Annotated[int, _within(0, 65_535)]
Seconds = Annotated[float, Parameter(converter=finite, validator=Number(gt=0, lte=31_000_000))]
Rate = Annotated[float, Parameter(converter=finite, validator=Number(gt=0, lte=1e9))]
Hours = Annotated[float, Parameter(converter=finite, validator=Number(gt=0, lte=10 * YEAR_H))]
