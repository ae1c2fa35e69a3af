"""The two engines that put prepared requests on connections: closed loop and open loop.

An operation is one thing that a user does: a request, and those that follow from its replies. All of them carry the
number of the operation as their seq. An operation begins at its intended moment and ends with its last reply.
"""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Final, TypeAlias

from bench.load.transport import MeasuredConnection
from protocol import messages
from protocol.framing import frame
from protocol.messages import Message

PATIENCE_S: Final = 10.0  # without any reply for so long, the missing replies are given up
TICK_S: Final = 0.001

# The first frame of each operation of each user, with seq 1, 2, 3, …
Work: TypeAlias = Mapping[MeasuredConnection, Sequence[bytes]]
# (user, reply) -> the next request of this operation, or None if the operation is over
NextRequest: TypeAlias = Callable[[int, Message], Message | None]


def arrivals(seed: int, rate_per_s: float, seconds: float) -> array[float]:
    """Intended starts in s: a Poisson process, given that it brings exactly `rate_per_s * seconds` arrivals.

    (Under that condition its arrivals are that many independent uniform moments, so the rate needs no tolerance.)
    """
    draw = random.Random(f"arrivals {seed}").random
    return array("d", sorted(draw() * seconds for _ in range(round(rate_per_s * seconds))))


def user_order(seed: int, users: int) -> list[int]:
    """The order in which users act: each of them once, then the same order again."""
    places = list(range(users))
    random.Random(f"order {seed}").shuffle(places)
    return places


class OperationLog:
    """The operations that ended, in the order of their ends. Times are s since the load began, at `began_s`."""

    __slots__ = ("began_s", "ends_s", "lost", "pushes", "replies", "starts_s", "unanswered", "unexpected", "users")

    def __init__(self) -> None:
        self.began_s = 0.0  # of perf_counter
        self.starts_s = array("d")
        self.ends_s = array("d")
        self.users: list[int] = []
        self.replies: list[Message] = []  # the last one of each operation
        self.unanswered = 0  # operations that began and did not end
        self.unexpected = 0  # replies to no request
        self.lost = 0  # connections
        self.pushes = 0

    def end(self, user_id: int, start_s: float, now_s: float, reply: Message) -> None:
        """Add an operation; its times are of perf_counter."""
        self.starts_s.append(start_s - self.began_s)
        self.ends_s.append(now_s - self.began_s)
        self.users.append(user_id)
        self.replies.append(reply)


def encode_requests(requests: Sequence[Message]) -> list[bytes]:
    """One user's requests as the first frames of operations."""
    frames = []
    for seq, request in enumerate(requests, 1):
        request.seq = seq
        frames.append(frame(messages.encode(request)))
    return frames


def one_request(_: int, __: Message) -> None:
    """Every operation is a single request."""


async def closed_loop(
    work: Work, depth: int, next_request: NextRequest = one_request, log: OperationLog | None = None
) -> OperationLog:
    """Keep `depth` operations in flight on every connection until all work is done."""
    load = _Load(work, next_request, log or OperationLog(), sum(map(len, work.values())), refill=True)
    now_s = perf_counter()
    for loaded in load.connections:
        for _ in range(0 if loaded.connection.end_reason else min(depth, len(loaded.frames))):
            loaded.begin(now_s)
    return await load.finish()


async def open_loop(
    work: Work,
    arrivals_s: Sequence[float],
    user_order: Sequence[int],
    next_request: NextRequest = one_request,
    log: OperationLog | None = None,
) -> OperationLog:
    """Begin an operation at every intended moment, with the next user of the order, whatever is still in flight.

    The sender looks at the clock every TICK_S; an operation that begins late counts from its intended start.
    """
    load = _Load(work, next_request, log or OperationLog(), len(arrivals_s), refill=False)
    in_order = [load.connections[place] for place in user_order]
    await pace(arrivals_s, load.began_s, lambda number, start_s: in_order[number % len(in_order)].begin(start_s))
    return await load.finish()


async def pace(arrivals_s: Sequence[float], began_s: float, begin: Callable[[int, float], None]) -> None:
    """Call `begin` with the number and the moment of each arrival, never early; all that are due at once."""
    total, number = len(arrivals_s), 0
    while number < total:
        now_s = perf_counter() - began_s
        while number < total and arrivals_s[number] <= now_s:
            begin(number, began_s + arrivals_s[number])
            number += 1
        await asyncio.sleep(TICK_S)


async def wait_while_progress(over: asyncio.Event, answered: Callable[[], int]) -> None:
    """Wait until the event is set, or until the count of answers has not grown for PATIENCE_S."""
    seen = -1
    while not over.is_set() and answered() > seen:
        seen = answered()
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PATIENCE_S)


class _Load:
    __slots__ = ("_pushes_before", "answered", "began_s", "connections", "left", "log", "next_request", "refill")

    def __init__(
        self, work: Work, next_request: NextRequest, log: OperationLog, operations: int, refill: bool
    ) -> None:
        self.next_request = next_request
        self.log = log
        self.left = operations
        self.refill = refill
        self.answered = asyncio.Event()
        self.connections = [_LoadedConnection(self, one, frames) for one, frames in work.items()]
        self._pushes_before = sum(one.pushes for one in work)
        self.finish_operations(0)  # without work the load is over
        self.began_s = log.began_s = perf_counter()

    def finish_operations(self, count: int) -> None:
        """So many operations are over, or will never begin."""
        self.left -= count
        if not self.left:
            self.answered.set()

    async def finish(self) -> OperationLog:
        """Wait for the last reply as long as replies come; operations without one are unanswered."""
        log = self.log
        await wait_while_progress(self.answered, lambda: len(log.replies))
        for one in self.connections:
            log.unanswered += len(one.in_flight)
            one.connection.detach()
        log.pushes += sum(one.connection.pushes for one in self.connections) - self._pushes_before
        return log


class _LoadedConnection:
    __slots__ = ("begun", "connection", "frames", "in_flight", "load")

    def __init__(self, load: _Load, connection: MeasuredConnection, frames: Sequence[bytes]) -> None:
        self.load = load
        self.connection = connection
        self.frames = frames
        self.begun = 0
        self.in_flight: dict[int, float] = {}  # operation -> intended start
        connection.on_reply, connection.on_lost = self.on_reply, self.on_lost
        if connection.end_reason:
            self.on_lost()

    def begin(self, start_s: float) -> None:
        if self.connection.end_reason:
            self.load.log.unanswered += 1
            self.load.finish_operations(1)
            return
        framed = self.frames[self.begun]
        self.begun += 1
        self.in_flight[self.begun] = start_s
        self.connection.send(framed)

    def on_reply(self, reply: Message) -> None:
        """Send the next request of the operation, or log its end."""
        load, number = self.load, reply.seq
        if number not in self.in_flight:
            load.log.unexpected += 1
            return
        user_id = self.connection.user_id
        request = load.next_request(user_id, reply)
        if request is not None:
            request.seq = number
            self.connection.send(frame(messages.encode(request)))
            return
        now_s = perf_counter()
        load.log.end(user_id, self.in_flight.pop(number), now_s, reply)
        if load.refill and self.begun < len(self.frames):
            self.begin(now_s)
        load.finish_operations(1)

    def on_lost(self) -> None:
        """Operations in flight stay unanswered, the others do not begin."""
        load = self.load
        load.log.lost += 1
        load.log.unanswered += len(self.in_flight)
        load.finish_operations(len(self.in_flight) + (len(self.frames) - self.begun if load.refill else 0))
        self.in_flight.clear()
