"""The parts of signed texts, read in one spelling only: no backend signs another spelling of a number."""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = re.compile("0|[1-9][0-9]{0,18}")
_MAC: Final = re.compile("(?:[0-9A-Fa-f]{2})+")


def number(text: str, least: int, most: int) -> int:
    """The number that a text is: ASCII digits, no sign, no zero in front. Raises ValueError."""
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise ValueError(f"a number from {least} to {most} was expected")
    return int(text)


def mac(text: str) -> bytes:
    """The bytes of an HMAC, written in hex without spaces. Raises ValueError."""
    if not _MAC.fullmatch(text):
        raise ValueError("hex digits were expected")
    return bytes.fromhex(text)
