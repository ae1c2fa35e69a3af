"""Rules for values of the config: what a value must be, in words and as a test."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

HOST: Final = re.compile(r"(\[[^][]*\]|[^][:]*)(:[0-9]{1,5})?")


class Rule(NamedTuple):
    """What a value must be: in words, and as a test of a value that has the right type."""

    must: str
    holds: Callable[[Any], bool]


def whole(least: int, most: int) -> Rule:
    """A whole number in this range."""
    return Rule(f"a whole number from {least:,} to {most:,}", lambda value: least <= value <= most)


def number(least: float, most: float) -> Rule:
    """A finite number in this range."""
    return Rule(
        f"a number from {least:,} to {most:,}", lambda value: math.isfinite(value) and least <= value <= most
    )


def one_of(*texts: str) -> Rule:
    """One of these texts."""
    return Rule("one of " + ", ".join(f'"{text}"' for text in texts), lambda value: value in texts)


def matching(pattern: str, must: str) -> Rule:
    """A text of this form."""
    return Rule(must, lambda value: re.fullmatch(pattern, value) is not None)


def url(*schemes: str) -> Rule:
    """A URL with one of these schemes, or empty."""
    *first, last = (f"{scheme}://…" for scheme in schemes)
    shown = " or ".join([", ".join(first), last])
    return Rule(
        f"empty or a URL {shown}, with / # ? and @ in its password as %2F %23 %3F and %40",
        lambda text: not text or (text.partition("://")[0] in schemes and _is_parsed_as_written(text)),
    )


def keys_by_id(size: str, pattern: str) -> Rule:
    """Secret keys; `pattern` is that of their hex text."""
    return Rule(
        f"a table of key id (up to 32 letters, digits, - and _) = hex text of {size}",
        lambda keys: all(
            re.fullmatch(r"[\w-]{1,32}", key_id, re.ASCII) and re.fullmatch(pattern, text)
            for key_id, text in keys.items()
        ),
    )


def _is_parsed_as_written(text: str) -> bool:
    """True if the parts of a URL are what they seem to be: one of / # ? @ in a password moves them."""
    try:
        parts = urlsplit(text)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    user, _, hosts = parts.netloc.rpartition("@")
    strays = "@" in user or "#" in text or ("@" in parts.path and parts.scheme != "unix")
    return text.isprintable() and not strays and all(HOST.fullmatch(host) for host in hosts.split(","))


def is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
