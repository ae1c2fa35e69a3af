"""Posts of one stream are pushed in the order of their numbers, also when two servers post at the same time.

A post that comes before its predecessor waits a moment for it. Whether there is one to wait for is judged by how
recently the stream was heard of: a server is told of a stream only while a user who reads it is here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

HOLD_S: Final = 0.1  # a predecessor is on the way for a few milliseconds; longer means that it was lost
FRESH_S: Final = 2.0  # heard of more recently, a stream has no unheard posts but those on the way
STREAMS_MAX: Final = 50_000


class Heard(NamedTuple):
    """The newest post of a stream that was pushed here, and when."""

    number: int
    at_s: float


class StreamOrder:
    """Decides which posts are pushed now. `push` pushes one that has waited."""

    def __init__(
        self,
        push: Callable[[Any, Collection[int]], None],
        now_s: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """`later(seconds, work)` does the work after so long."""
        self._push = push
        self._now_s = now_s
        self._later = later
        self._heard: OrderedDict[int, Heard] = OrderedDict()
        self._held: dict[int, dict[int, tuple[Any, Collection[int]]]] = {}  # by stream and number

    def admits(self, event: Any, audience: Collection[int]) -> bool:
        """Whether to push this event now; False: it waits for its predecessor, and is pushed by itself."""
        number = getattr(event, "message", 0)
        if not number:
            return True
        stream_id, now_s = _stream_of(event), self._now_s()
        heard = self._heard.get(stream_id)
        if heard is not None and number > heard.number + 1 and now_s - heard.at_s < FRESH_S:
            self._hold(stream_id, number, event, audience)
            return False
        if heard is None or number > heard.number:
            self._note(stream_id, number, now_s)
        if stream_id in self._held:
            self._later(0.0, lambda: self._release(stream_id))
        return True

    def _hold(self, stream_id: int, number: int, event: Any, audience: Collection[int]) -> None:
        self._held.setdefault(stream_id, {})[number] = event, audience
        self._later(HOLD_S, lambda: self._give_up(stream_id, number))

    def _release(self, stream_id: int) -> None:
        """Push those that wait and are next."""
        while (next_one := self._heard[stream_id].number + 1) in self._held.get(stream_id, {}):
            self._push_held(stream_id, next_one)

    def _give_up(self, stream_id: int, number: int) -> None:
        """Push it and all before it: the predecessor does not come."""
        for held in sorted(self._held.get(stream_id, {})):
            if held <= number:
                self._push_held(stream_id, held)
        if stream_id in self._heard:
            self._release(stream_id)

    def _push_held(self, stream_id: int, number: int) -> None:
        event, audience = self._held[stream_id].pop(number)
        if not self._held[stream_id]:
            del self._held[stream_id]
        if number > self._heard[stream_id].number:
            self._note(stream_id, number, self._now_s())
        self._push(event, audience)

    def _note(self, stream_id: int, number: int, now_s: float) -> None:
        self._heard[stream_id] = Heard(number, now_s)
        self._heard.move_to_end(stream_id)
        if len(self._heard) > STREAMS_MAX:
            oldest = next(iter(self._heard))
            if oldest not in self._held:
                del self._heard[oldest]


def _stream_of(event: Any) -> int:
    found: int = event.group_id if hasattr(event, "group_id") else event.stream_id
    return found
