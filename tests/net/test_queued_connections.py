"""Connections that wait to be accepted: how many are taken, and when."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from server.net.queued_connections import QueuedConnections

WAITING = 10


class LoopWithSetTime:
    """The running loop; its time stands still but for what a test adds."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self.now_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Queue:
    """A server with connections that wait behind the one that its loop has accepted."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.queued = QueuedConnections(lambda: self.room)
        self.loop = LoopWithSetTime()
        self.queued._loop = cast("asyncio.AbstractEventLoop", self.loop)
        self.came = 0
        self.clients: list[socket.socket] = []

    def make(self) -> asyncio.Protocol:
        """Of one that was taken."""
        self.came += 1
        return asyncio.Protocol()

    async def open(self, listening: socket.socket) -> None:
        """`listening` is known to the loop by name only: it accepts none by itself."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, sock=listening, start_serving=False)
        self.queued.watch(server, self.make)
        for _ in range(WAITING):
            client = socket.create_connection(listening.getsockname())
            self.clients.append(client)
        server.close()

    async def taken_in_a_turn_of(self, seconds: float, arrived: int = 1) -> int:
        """Connections have arrived, each by a handle, in a turn that takes so long: how many come besides them."""
        await asyncio.sleep(0)
        for _ in range(arrived):
            self.queued.take_soon()
        self.loop.now_s += seconds
        await asyncio.sleep(0)  # the end of the turn
        await asyncio.gather(*self.queued._arriving)
        return self.came


@pytest.fixture
async def queue() -> AsyncIterator[Queue]:
    """With room for all."""
    one = Queue(room=100)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        await one.open(listening)
        yield one
    one.queued.close()
    for client in one.clients:
        client.close()
    await asyncio.sleep(0.05)  # their ends are met


async def test_as_many_are_taken_as_milliseconds_have_passed(queue: Queue) -> None:
    assert await queue.taken_in_a_turn_of(0.003) == 3
    assert await queue.taken_in_a_turn_of(0.1) == WAITING


async def test_those_that_further_handles_have_accepted_count_among_them(queue: Queue) -> None:
    assert await queue.taken_in_a_turn_of(0.003, arrived=3) == 1


async def test_short_turn_leaves_them_to_the_loop(queue: Queue) -> None:
    assert await queue.taken_in_a_turn_of(0.0004) == 0


async def test_no_more_are_taken_than_there_is_room_for(queue: Queue) -> None:
    queue.room = 3
    assert await queue.taken_in_a_turn_of(0.1) == 3
