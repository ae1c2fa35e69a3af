"""Ids: which thing a number names can be read off its size. No id is a secret.

User ids belong to the chat app: 1 … 2^53−1 (they fit a float, so any client can hold them). Ids that we make are
63-bit, ordered by time, and begin above that:

    41 bits  milliseconds since 2025
     6 bits  the set: the database that holds what the id names (0, unless there are several)
    10 bits  the node that made it
     6 bits  a count within the millisecond

So one number space serves users, groups and packets, and a stream or an account needs no second column that says
what it is. Accounts of the system are 0 and below (see ledger).

Older servers made ids of 41 bits of time, 10 of the node and 12 of the count. Every database records the first id
of the layout above (`set_of`): what is smaller belongs to set 0, whatever its bits say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

EPOCH_MS: Final = 1_735_689_600_000  # 2025-01-01T00:00:00Z
SET_BITS: Final = 6
NODE_BITS: Final = 10
COUNT_BITS: Final = 6
SETS_MAX: Final = 1 << SET_BITS
NODE_MAX: Final = (1 << NODE_BITS) - 1
_BELOW_TIME: Final = SET_BITS + NODE_BITS + COUNT_BITS
USER_ID_MAX: Final = 2**53 - 1
_JUMP: Final = 60_000 << COUNT_BITS  # a clock that differs by more was set
_AHEAD_MAX: Final = 16
_LEFT_OUT_MAX: Final = 8  # of them, at the start
BACKEND: Final = 0  # the chat backend itself; also the account of the outside world


def is_user(number: int) -> bool:
    """True for a user's id, False for one that we made."""
    return 0 < number <= USER_ID_MAX


def set_of(number: int, first_id: int) -> int:
    """The set that holds a group or packet. `first_id`: the first id of this layout, as the database records it."""
    return 0 if number < first_id else number >> (NODE_BITS + COUNT_BITS) & ((1 << SET_BITS) - 1)


def id_at(now_ms: int) -> int:
    """Less than every id of this moment and later ones."""
    return (now_ms - EPOCH_MS << _BELOW_TIME) - 1


class IdMaker:
    """Makes ids that grow: over 64 in one millisecond borrow from the next, and small corrections are waited out.

    A clock that was ahead and is set back by more than a minute is followed: else ids would lie ahead of the time
    for as long as the clock did. The ids that were made ahead are left out when their time comes.
    """

    __slots__ = ("_ahead", "_before_jump", "_jumped_to", "_last", "_node", "_set")

    def __init__(self, node: int = 0, set_number: int = 0) -> None:
        if not 0 <= set_number < 1 << SET_BITS:
            raise ValueError(f"the set must be in 0…{(1 << SET_BITS) - 1}")
        self.use_node(node)
        self._set = set_number
        # milliseconds and count in one number; begins above every user id, even if the clock says 1970
        self._last = USER_ID_MAX >> (_BELOW_TIME - COUNT_BITS)
        self._before_jump = self._jumped_to = self._last  # where the time last jumped ahead, and to where
        self._ahead: list[tuple[int, int]] = []  # first and last of those that were made ahead, in order

    def use_node(self, node: int) -> None:
        """Make ids of this node from now on. No other process may make ids of it at the same time."""
        if not 0 <= node <= NODE_MAX:
            raise ValueError(f"node must be in 0…{NODE_MAX}")
        self._node = node

    def begin_at(self, first_id: int) -> None:
        """Make no id of a millisecond before that of `first_id`, whatever the clock says."""
        self._last = max(self._last, (first_id >> _BELOW_TIME << COUNT_BITS) - 1)
        self._before_jump = self._jumped_to = self._last

    def leave_out(self, spans: Iterable[tuple[int, int]]) -> None:
        """Make none of these again: first and last of spans of ids that exist already and lie ahead of the time."""
        more = [(_when(first) << COUNT_BITS, (_when(last) + 1 << COUNT_BITS) - 1) for first, last in spans]
        self._ahead = _merged([*self._ahead, *more])

    def next(self, now_ms: int, set_number: int | None = None) -> int:
        """The next id at the time `now_ms` (milliseconds since 1970); of this set instead of the maker's own."""
        wanted = (now_ms - EPOCH_MS) << COUNT_BITS
        if abs(wanted - self._last) > _JUMP:
            self._jump(wanted)
        self._last = max(self._last + 1, wanted)
        for first, last in self._ahead:
            if first <= self._last <= last:
                self._last = last + 1
        milliseconds, count = divmod(self._last, 1 << COUNT_BITS)
        in_set = self._set if set_number is None else set_number
        upper = (milliseconds << SET_BITS | in_set) << NODE_BITS | self._node
        return upper << COUNT_BITS | count

    def _jump(self, wanted: int) -> None:
        """The clock was set, or no id was made for long. What lies between the two ends of a jump is unused."""
        if wanted > self._last:
            self._before_jump, self._jumped_to = self._last, wanted
        elif self._before_jump < wanted < self._jumped_to and len(self._ahead) < _AHEAD_MAX:
            self._ahead = sorted([*self._ahead, (self._jumped_to, self._last)])
            self._jumped_to, self._last = wanted, wanted - 1


def _when(number: int) -> int:
    """The millisecond in which an id was made."""
    return number >> _BELOW_TIME


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, and not too many: what lies between two near ones is left out, too."""
    spans = sorted(spans)
    while len(spans) > _LEFT_OUT_MAX:
        at = min(range(1, len(spans)), key=lambda index: spans[index][0] - spans[index - 1][1])
        spans[at - 1 : at + 1] = [(spans[at - 1][0], spans[at][1])]
    return spans
