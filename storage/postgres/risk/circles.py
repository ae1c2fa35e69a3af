"""Circles in a graph of flows: money that comes back to its sender by way of others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

CIRCLE_USERS_MAX: Final = 6


class Circle(NamedTuple):
    """A circle through a user: how many users are in it, and the smallest of its flows, in fen."""

    users: int
    amount_fen: int


class FlowGraph:
    """What users gave others, in fen."""

    def __init__(self, flows: Iterable[tuple[int, int, int]] = ()) -> None:
        """`flows`: giver, receiver, fen."""
        self._given: dict[int, dict[int, int]] = defaultdict(dict)
        self.add(flows)

    def add(self, flows: Iterable[tuple[int, int, int]]) -> None:
        """More flows. One that was seen from both sides counts once, as the larger of both."""
        for giver, receiver, fen in flows:
            if giver != receiver:
                self._given[giver][receiver] = max(fen, self._given[giver].get(receiver, 0))

    def widest_circle(self, user_id: int) -> Circle | None:
        """Of the circles of 2 to 6 users through this one that round which most went; of equal ones the smallest.

        A walk that passes a user twice never wins: without its loop it is shorter, and at least as wide.
        """
        best: Circle | None = None
        reached = dict(self._given.get(user_id, {}))
        for users in range(2, CIRCLE_USERS_MAX + 1):
            beyond: dict[int, int] = {}
            for via, width in reached.items():
                for other, fen in self._given.get(via, {}).items():
                    if (passes := min(width, fen)) > beyond.get(other, 0):
                        beyond[other] = passes
            back = beyond.pop(user_id, 0)
            if back and (best is None or back > best.amount_fen):
                best = Circle(users, back)
            reached = beyond
        return best
