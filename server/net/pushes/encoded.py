"""A push that another server has encoded: each receiver gets the same, so their servers only frame it."""

from __future__ import annotations

from typing import NamedTuple


class EncodedPush(NamedTuple):
    """An event as the messages that tell of it.

    `message`: its number in the stream; 0: it is no post. `feature`: what a client must know to read `known`; "":
    all read it. `instead`: for the others; None: they are told nothing.
    """

    stream_id: int
    message: int
    can_wait: bool
    feature: str
    known: list[bytes]
    instead: list[bytes] | None
