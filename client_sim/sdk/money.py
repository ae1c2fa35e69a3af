"""Amounts as text: 888 fen are 8.88 yuan."""

from __future__ import annotations

import re

_YUAN = re.compile(r"¥?([0-9]{1,9})(?:\.([0-9]{1,2}))?元?", re.ASCII)


def yuan(amount_fen: int) -> str:
    """An amount in yuan with two decimals and commas between thousands: 888 fen are 8.88."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02}"


def fen(text: str) -> int:
    """An amount that a person typed, in fen: 8.88, 8.8, 8, ¥8.88 and 8.88元. Raises ValueError for other texts."""
    found = _YUAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not an amount in yuan")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
