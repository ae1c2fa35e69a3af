"""What a store can answer besides facts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit


class StoreUnavailable(Exception):
    """The store did not answer in time or the connection was lost. What was being written may have happened."""


class StoreBusy(StoreUnavailable):
    """The store refused the statement because of another transaction's lock, and wrote nothing."""


class PartlyLocked(StoreUnavailable):
    """One part of a batch is judged: of it `accepted` is recorded. `locked` are the packets of the other part.

    Their rows were locked, and nothing was recorded; or their set gave no answer, and they must be read again.
    """

    def __init__(self, accepted: set[int], locked: set[int], why: str = "") -> None:
        super().__init__(why or "PostgreSQL: another transaction locks the packet")
        self.accepted = accepted
        self.locked = locked


class Unanswered(StoreUnavailable):
    """The commit of a batch was requested and perhaps done; `asked` is what the batch made, to be looked for."""

    def __init__(self, why: StoreUnavailable, asked: Sequence[Any]) -> None:
        super().__init__(str(why))
        self.asked = asked


class StoreRefused(Exception):
    """The store is there but must not be used as it is: wrong version, wrong settings, a changed migration."""


def in_words(error: BaseException) -> str:
    """What went wrong, without numbers of errors and tuples: "connection refused"."""
    if isinstance(error, ConnectionError | PermissionError | FileNotFoundError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    return re.sub(r"\[Errno -?\d+\] ?", "", str(error)) or type(error).__name__


def place_of(url: str) -> str:
    """Where a store is, without user and password: its host and port, or its socket."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[0]
    return hosts or parts.path


def unavailable(store: str, error: BaseException, url: str = "") -> StoreUnavailable:
    """The error of a store that is away."""
    where = f" ({place_of(url)})" if url else ""
    return StoreUnavailable(f"{store}: {in_words(error)}{where}")
