"""The packets that most people open at the moment."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from heapq import nlargest
from operator import itemgetter
from typing import Final

SECONDS: Final = 10
KEPT_A_SECOND: Final = 100  # a packet that is hot over ten seconds is among the first hundred of one of them
TOLD: Final = 10
_count = itemgetter(1)


class Hottest:
    """Adds up the opens of the last ten seconds; memory is bounded however many packets there are."""

    def __init__(self) -> None:
        self._seconds: deque[dict[int, int]] = deque(maxlen=SECONDS)

    def turn(self, opens: Mapping[int, int]) -> None:
        """A second has passed, in which packets were opened so often, by their ids."""
        self._seconds.append(dict(nlargest(KEPT_A_SECOND, opens.items(), key=_count)))

    def top(self) -> list[tuple[int, int]]:
        """Packets and how often they were opened, hottest first."""
        total: Counter[int] = Counter()
        for second in self._seconds:
            total.update(second)
        return total.most_common(TOLD)
