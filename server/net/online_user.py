"""A user who is online."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.core.ledger import EMPTY
from server.net.read_budget import ReadBudget
from server.net.token_bucket import TokenBucket

if TYPE_CHECKING:
    from server.net.session import ClientSession


class User:
    """A user who is online: their connections, the requests that they may still make, the newest balance known.

    `told_version`: the version of a balance up to which each of their connections was told all changes.
    """

    __slots__ = ("balance", "reads", "requests", "sessions", "told_version", "user_id")

    def __init__(self, user_id: int, requests: TokenBucket) -> None:
        self.user_id = user_id
        self.sessions: list[ClientSession] = []
        self.requests = requests
        self.reads: ReadBudget | None = None  # most users read little, and seldom
        self.balance = EMPTY
        self.told_version = 0

    @property
    def is_welcomed(self) -> bool:
        """One of their connections is past its welcome."""
        return any(not session.holds_pushes for session in self.sessions)
