"""A user who is online."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.core.ledger import EMPTY
from server.net.read_budget import ReadBudget
from server.net.token_bucket import TokenBucket

if TYPE_CHECKING:
    from server.net.session import Session


class User:
    """A user who is online: their connections, the requests that they may still make, the newest balance told."""

    __slots__ = ("balance", "reads", "requests", "sessions", "user_id")

    def __init__(self, user_id: int, requests: TokenBucket) -> None:
        self.user_id = user_id
        self.sessions: list[Session] = []
        self.requests = requests
        self.reads: ReadBudget | None = None  # most users read little, and seldom
        self.balance = EMPTY
