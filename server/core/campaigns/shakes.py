"""What a shake is answered with."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeAlias

OnOverload: TypeAlias = Literal["rest", "nothing"]


class Result(StrEnum):
    """The values stand on the wire."""

    NOTHING = "nothing"
    WON = "won"
    REST = "rest"
    ENDED = "ended"
    LIMIT = "limit"


class Win(NamedTuple):
    """A share that a user has won: its amount, and which claim it is."""

    amount_fen: int
    packet_id: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which is not called


class Shook(NamedTuple):
    """The answer to a shake. `win`: with won the new one, with limit the latest one, if it is known."""

    result: Result
    retry_after_ms: int = 0
    win: Win | None = None


NOTHING: Final = Shook(Result.NOTHING)
ENDED: Final = Shook(Result.ENDED)
