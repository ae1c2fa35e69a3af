"""Rules that the values of the config follow: each in words, and as a test of a value that has the right type."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from ipaddress import ip_network
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

KEY_BYTES_MIN: Final = 16
FEN_MAX: Final = 10**12
SHARES_MAX: Final = 65_535  # the counter word of a packet has 16 bits for claims
BYTES_MAX: Final = 1 << 30
SECONDS_MAX: Final = 10 * 366 * 86_400
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


def shown_words(most: int, *, least: int, names: int, must: str) -> Rule:
    """At most so many names, with / between them, each of words of letters and currency signs.

    A digit, a point or a bracket would change how an amount reads or is drawn.
    """

    def holds(text: str) -> bool:
        parts = text.split("/")
        return len(parts) <= names and all(least <= len(part) <= most and _is_words(part) for part in parts)

    return Rule(must, holds)


def _is_words(text: str) -> bool:
    words = text.split(" ") if text else []
    return all(word and all(_is_drawn(one) for one in word) for word in words)


def _is_drawn(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category in ("Sc", "So")


def url(*schemes: str) -> Rule:
    """A URL with one of these schemes, or empty."""
    *first, last = (f"{scheme}://…" for scheme in schemes)
    shown = " or ".join([", ".join(first), last])
    return Rule(
        f"empty or a URL {shown}, with / # ? and @ in its password as %2F %23 %3F and %40",
        lambda text: not text or (text.partition("://")[0] in schemes and _is_parsed_as_written(text)),
    )


def urls(*schemes: str, most: int) -> Rule:
    """A list of URLs with one of these schemes."""
    one = url(*schemes)
    return Rule(
        f"a list of up to {most} of: {one.must.removeprefix('empty or ')}",
        lambda texts: len(texts) <= most and all(text and one.holds(text) for text in texts),
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


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _is_origin(text: str) -> bool:
    """As browsers send it: scheme, host and port, in small letters; or null, for a page without one."""
    return text == "null" or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]*", text) is not None


SECONDS: Final = number(0.001, SECONDS_MAX)
SIZE: Final = whole(1, BYTES_MAX)
BUDGET: Final = number(1, 1_000_000_000)
AMOUNT: Final = whole(1, FEN_MAX)
BOOLEAN: Final = Rule("true or false", lambda value: value in (True, False))
COUNT: Final = whole(1, 1_000_000)

TOKEN_KEYS: Final = keys_by_id(f"{KEY_BYTES_MIN} bytes or more", rf"([0-9a-fA-F]{{2}}){{{KEY_BYTES_MIN},}}")
SEED_KEYS: Final = keys_by_id("32 bytes", r"[0-9a-fA-F]{64}")
KEY_PAIRS: Final = keys_by_id(
    "32 bytes (ed25519), or of the DER of an RSA key", r"[0-9a-fA-F]{64}|3082([0-9a-fA-F]{2}){200,4000}"
)
DATE: Final = Rule('a date such as "2027-12-31", or empty', lambda text: not text or _is_date(text))
ORIGINS: Final = Rule('a list of origins such as "https://chat.example"', lambda them: all(map(_is_origin, them)))
NETWORKS: Final = Rule(
    'a list of addresses or networks such as "127.0.0.1" or "10.1.0.0/16"', lambda them: all(map(_is_network, them))
)
PATH: Final = matching(r"[^\0]*", "a path, or empty")

ADDRESS: Final = (
    r"(\[[0-9a-fA-F:]+\]|[\w.-]+):([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
LOOPBACK: Final = r"(127\.[\d.]+|localhost|\[::1\])" + ADDRESS.partition(")")[2]
