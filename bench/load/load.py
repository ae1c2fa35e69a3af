"""The two engines that put prepared work on connections: closed loop and open loop.

A turn is one thing that a user does: a request, and those that follow from its replies. All of them carry the
number of the turn as their seq. A turn begins when it was intended to and ends with its last reply.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Final, TypeAlias

from bench.load.transport import MeasuredConnection
from protocol import messages
from protocol.framing import frame
from protocol.messages import Message

PATIENCE_S: Final = 10.0  # nothing was answered for so long: the rest never will be
TICK_S: Final = 0.001

Work: TypeAlias = Mapping[
    MeasuredConnection, Sequence[bytes]
]  # the first frames of each user's turns, with seq 1, 2, 3, …
Hear: TypeAlias = Callable[[int, Message], Message | None]  # (user, reply): what that user asks next in this turn


class Log:
    """The turns that ended, in the order of their ends. Times are s since the load began, at `began_s`."""

    __slots__ = ("began_s", "ends_s", "lost", "pushes", "replies", "starts_s", "strange", "unanswered", "users")

    def __init__(self) -> None:
        self.began_s = 0.0  # of perf_counter
        self.starts_s = array("d")
        self.ends_s = array("d")
        self.users: list[int] = []
        self.replies: list[Message] = []  # the last one of each turn
        self.unanswered = 0  # turns that began and did not end
        self.strange = 0  # replies to what nobody asked
        self.lost = 0  # connections
        self.pushes = 0


def frames_of(requests: Sequence[Message]) -> list[bytes]:
    """One user's requests as the first frames of turns."""
    frames = []
    for seq, request in enumerate(requests, 1):
        request.seq = seq
        frames.append(frame(messages.encode(request)))
    return frames


def no_more(_: int, __: Message) -> None:
    """Every turn is one request."""


async def closed(work: Work, depth: int, hear: Hear = no_more, log: Log | None = None) -> Log:
    """Keep `depth` turns under way on every connection until all work is done."""
    load = _Load(work, hear, log or Log(), sum(map(len, work.values())), refill=True)
    now_s = perf_counter()
    for lane in load.lanes:
        for _ in range(0 if lane.wire.why else min(depth, len(lane.frames))):
            lane.begin(now_s)
    return await load.finish()


async def open_loop(
    work: Work, arrivals_s: Sequence[float], order: Sequence[int], hear: Hear = no_more, log: Log | None = None
) -> Log:
    """Begin a turn at every intended moment, with the next user of `order`, whatever is still under way.

    The sender looks at the clock every TICK_S; a turn that it begins late counts from its intended start.
    """
    load = _Load(work, hear, log or Log(), len(arrivals_s), refill=False)
    lanes = [load.lanes[place] for place in order]
    await pace(arrivals_s, load.began_s, lambda number, start_s: lanes[number % len(lanes)].begin(start_s))
    return await load.finish()


async def pace(arrivals_s: Sequence[float], began_s: float, begin: Callable[[int, float], None]) -> None:
    """Call `begin` with the number and the moment of each arrival, no earlier than it; all that are due at once."""
    total, number = len(arrivals_s), 0
    while number < total:
        now_s = perf_counter() - began_s
        while number < total and arrivals_s[number] <= now_s:
            begin(number, began_s + arrivals_s[number])
            number += 1
        await asyncio.sleep(TICK_S)


async def patiently(over: asyncio.Event, answered: Callable[[], int]) -> None:
    """Wait until it is over, or until the count of what was answered has not grown for PATIENCE_S."""
    seen = -1
    while not over.is_set() and answered() > seen:
        seen = answered()
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PATIENCE_S)


class _Load:
    """What the connections under load share."""

    __slots__ = ("_pushes_before", "answered", "began_s", "hear", "lanes", "left", "log", "refill")

    def __init__(self, work: Work, hear: Hear, log: Log, turns: int, refill: bool) -> None:
        self.hear = hear
        self.log = log
        self.left = turns
        self.refill = refill
        self.answered = asyncio.Event()
        self.lanes = [_Lane(self, wire, frames) for wire, frames in work.items()]
        self._pushes_before = sum(wire.pushes for wire in work)
        self.less(0)  # if there is no work, it is done
        self.began_s = log.began_s = perf_counter()

    def less(self, turns: int) -> None:
        """So many turns are over, or will never be."""
        self.left -= turns
        if not self.left:
            self.answered.set()

    async def finish(self) -> Log:
        """Wait for the last reply, but not for ever; what is missing then is unanswered."""
        log = self.log
        await patiently(self.answered, lambda: len(log.replies))
        for lane in self.lanes:
            log.unanswered += len(lane.under_way)
            lane.wire.rest()
        log.pushes += sum(lane.wire.pushes for lane in self.lanes) - self._pushes_before
        return log


class _Lane:
    """One connection under load."""

    __slots__ = ("begun", "frames", "load", "under_way", "wire")

    def __init__(self, load: _Load, wire: MeasuredConnection, frames: Sequence[bytes]) -> None:
        self.load = load
        self.wire = wire
        self.frames = frames
        self.begun = 0
        self.under_way: dict[int, float] = {}  # turn -> when it was intended to begin
        wire.hear, wire.lost = self.hear, self.lose
        if wire.why:
            self.lose()

    def begin(self, start_s: float) -> None:
        """Begin the next turn."""
        if self.wire.why:
            self.load.log.unanswered += 1
            self.load.less(1)
            return
        framed = self.frames[self.begun]
        self.begun += 1
        self.under_way[self.begun] = start_s
        self.wire.send(framed)

    def hear(self, reply: Message) -> None:
        """Go on with the turn, or note its end."""
        load, log, turn = self.load, self.load.log, reply.seq
        if turn not in self.under_way:
            log.strange += 1
            return
        user_id = self.wire.user_id
        request = load.hear(user_id, reply)
        if request is not None:
            request.seq = turn
            self.wire.send(frame(messages.encode(request)))
            return
        now_s = perf_counter()
        log.starts_s.append(self.under_way.pop(turn) - load.began_s)
        log.ends_s.append(now_s - load.began_s)
        log.users.append(user_id)
        log.replies.append(reply)
        if load.refill and self.begun < len(self.frames):
            self.begin(now_s)
        load.less(1)

    def lose(self) -> None:
        """The connection has ended: what is under way stays unanswered, the rest is not begun."""
        load, log = self.load, self.load.log
        log.lost += 1
        log.unanswered += len(self.under_way)
        load.less(len(self.under_way) + (len(self.frames) - self.begun if load.refill else 0))
        self.under_way.clear()
