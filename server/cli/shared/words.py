"""Words on a command line: texts that must not be empty, paths, users.

An empty word is mostly an unset variable of a script (`--key "$ORDER"`). It is an error: to take the default
instead would move money twice, or on another server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from cyclopts import Parameter, Token

from protocol.messages.base import INT64_MAX
from server.core.beijing_year import BEIJING


def filled(_: Any, tokens: Sequence[Token]) -> str:
    """A text with something in it. Raises ValueError, one line."""
    word = tokens[0].value
    if not word.strip():
        raise ValueError("it is empty: is a variable unset?")
    return word


def path(kind: Any, tokens: Sequence[Token]) -> Path:
    """A path. Raises ValueError for an empty word, which Python would take for the current folder."""
    return Path(filled(kind, tokens))


def server_url(kind: Any, tokens: Sequence[Token]) -> str:
    """The URL of a server. Raises ValueError, one line."""
    word = filled(kind, tokens)
    with suppress(ValueError):  # of a port beyond 65535, with other words
        parts = urlsplit(word)
        has_port = parts.port or parts.scheme in ("ws", "wss")
        if parts.scheme in ("tcp", "tls", "ws", "wss") and parts.hostname and has_port:
            return word
    raise ValueError(f"{word!r} must look like tcp://host:port, tls://host:port, ws://host:port or wss://host:port")


def a_day(_: Any, tokens: Sequence[Token]) -> date:
    """A day such as 2026-11-28. Raises ValueError, one line."""
    try:
        return date.fromisoformat(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a day such as 2026-11-28") from None


def packet_or_proof(kind: Any, tokens: Sequence[Token]) -> int | str:
    """An id if it is one, else the place of a proof. Raises ValueError, one line."""
    word = filled(kind, tokens)
    if not (word.isascii() and word.isdecimal()):
        return word
    if int(word) > INT64_MAX:
        raise ValueError(f"Must be <= {INT64_MAX}")
    return int(word)


def a_moment(_: Any, tokens: Sequence[Token]) -> datetime:
    """A moment such as 2027-02-16T20:00, in Beijing unless it says where. Raises ValueError, one line."""
    try:
        moment = datetime.fromisoformat(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a time such as 2027-02-16T20:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)


def language_of_place() -> str:
    """zh or en, as the locale of the environment says."""
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "zh" if locale.lower().startswith("zh") else "en"


FILLED: Final = Parameter(converter=filled)
PATH: Final = Parameter(converter=path)
Text = Annotated[str, FILLED]
FilePath = Annotated[Path, PATH]
PacketOrProof = Annotated[int | str, Parameter(converter=packet_or_proof)]
Moment = Annotated[datetime, Parameter(converter=a_moment)]
Day = Annotated[date, Parameter(converter=a_day)]
