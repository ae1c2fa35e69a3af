"""The packets with the most opens in the last seconds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from heapq import nlargest
from operator import itemgetter
from typing import Final

SECONDS: Final = 10
KEPT_PER_SECOND: Final = 100  # a packet that is hot over ten seconds is among the first hundred of at least one
PACKETS: Final = 10
_opens = itemgetter(1)


class HotPackets:
    """Adds up the opens of the last ten seconds. Memory is bounded for any number of packets."""

    def __init__(self) -> None:
        self._seconds: deque[dict[int, int]] = deque(maxlen=SECONDS)

    def add_second(self, opens: Mapping[int, int]) -> None:
        """Add one second: the number of opens by packet id."""
        self._seconds.append(dict(nlargest(KEPT_PER_SECOND, opens.items(), key=_opens)))

    def top(self) -> list[tuple[int, int]]:
        """Packet ids with their opens, hottest first."""
        total: Counter[int] = Counter()
        for second in self._seconds:
            total.update(second)
        return total.most_common(PACKETS)
