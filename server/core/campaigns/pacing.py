"""How likely a shake wins: the shares of a campaign are given away evenly over its time.

Time is cut into seconds. At the begin of one the pace says how many shares are due until its end (`allowed`, minus
what was given, divided by the servers), and with which chance a shake wins: what is due, divided by the chances
that users took in the second before, at most 1.

A second may give more than is due, by three standard deviations (a Poisson number of wins has √due), and the next
seconds give so much less. Were it cut off at what is due, the chances of the users who shake last in a second would
often find nothing left, and a program that always shakes first would win more than others: with one share due a
second by a half. So the cut is only for a crowd that grows suddenly: it does not empty the pool.

In the second in which a campaign starts nothing is given, unless it is the only one: the crowd is counted.
Otherwise each program that is first then would win a share.

A user has one chance a second. Users are forgotten with the second, so memory holds those of one.
"""

from __future__ import annotations

import math
from typing import Final

SECOND_MS: Final = 1_000
SPREAD: Final = 3  # standard deviations


def allowed(now_ms: int, starts_at_ms: int, ends_at_ms: int, shares: int) -> int:
    """How many shares may have been given at this time: in proportion to the time that is over, rounded up.

    So the first one is due at once, and the last one before the end.
    """
    over_ms = min(max(now_ms - starts_at_ms, 0), ends_at_ms - starts_at_ms)
    return -(-shares * over_ms // (ends_at_ms - starts_at_ms))


class Pace:
    """The chances of one campaign on one server."""

    __slots__ = ("_ends_at_ms", "_shares", "_starts_at_ms", "chance", "due", "room", "second", "seen")

    def __init__(self, shares: int, starts_at_ms: int, ends_at_ms: int) -> None:
        self._shares, self._starts_at_ms, self._ends_at_ms = shares, starts_at_ms, ends_at_ms
        self.second = -1  # the present one, since 1970
        self.seen: set[int] = set()  # users who have had their chance in it
        self.due = 0  # shares that this server is to give in it, on average
        self.room = 0  # shares that it may still give in it
        self.chance = 0.0  # of a shake

    def begin(self, now_ms: int, given: int, servers: int) -> None:
        """Begin the second of `now_ms`. `given`: shares that all servers have given. `servers`: how many."""
        self.second = now_ms // SECOND_MS
        until_ms = (self.second + 1) * SECOND_MS
        due = allowed(until_ms, self._starts_at_ms, self._ends_at_ms, self._shares) - given
        self.due = max(0, -(-due // servers))
        # how many shake is not known in the second in which a campaign starts: its shares would be for programs
        is_start = self.second == self._starts_at_ms // SECOND_MS and until_ms < self._ends_at_ms
        self.chance = 0.0 if is_start else min(1.0, self.due / max(1, len(self.seen)))
        by_luck = math.ceil(SPREAD * math.sqrt(self.due)) if self.chance < 1.0 else 0
        self.room = min(self.due + by_luck, max(0, self._shares - given))
        self.seen = set()

    def takes(self, user_id: int, drawn: float) -> bool:
        """Take the chance that a user has in this second. `drawn` is random, from 0 to below 1."""
        seen = self.seen
        if user_id in seen:
            return False
        seen.add(user_id)
        if drawn >= self.chance or self.room <= 0:
            return False
        self.room -= 1
        return True

    def give_back(self) -> None:
        """A chance that came to nothing is there for another user."""
        self.room += 1
