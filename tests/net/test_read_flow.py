"""Flow control of reading, on a real connection of the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from server.net.read_flow import READ_PAUSE_S, ReadFlow, pause_s


class Peer(asyncio.Protocol):
    """One end of a connection, whose other end is a plain socket that the test reads."""

    def __init__(self) -> None:
        self.flow: ReadFlow

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has another base class
        self.flow = ReadFlow(self.transport, lambda: None)

    def pause_writing(self) -> None:
        self.flow.stop_for_backpressure()

    def resume_writing(self) -> None:
        self.flow.end_backpressure()

    def connection_lost(self, error: Exception | None) -> None:
        self.flow.end()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Peer, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    _, peer = await asyncio.get_running_loop().create_connection(Peer, sock=ours)
    yield peer, theirs
    peer.transport.abort()
    theirs.close()


def test_connections_in_a_row_are_paused_for_times_that_are_spread_evenly() -> None:
    pauses = [pause_s(number) for number in range(1, 65)]
    assert len(set(pauses)) == 64
    assert min(pauses) == 0.25
    assert max(pauses) < 0.75
    assert sum(pauses) / 64 == pytest.approx(READ_PAUSE_S, abs=0.01)


async def test_reply_that_the_peer_takes_ends_the_wait(ends: tuple[Peer, socket.socket]) -> None:
    peer, theirs = ends
    peer.transport.write(b"x" * 4_000_000)
    assert peer.flow.backpressure

    waits = asyncio.create_task(peer.flow.wait_until_taken(60.0))
    also_waits = asyncio.create_task(peer.flow.wait_until_taken(60.0))
    taken = 0
    while taken < 4_000_000:
        taken += len(await asyncio.get_running_loop().sock_recv(theirs, 1_000_000))
    await asyncio.wait_for(asyncio.gather(waits, also_waits), 30.0)
    assert not peer.flow.backpressure


async def test_reply_that_the_peer_does_not_take_is_not_waited_for_longer(ends: tuple[Peer, socket.socket]) -> None:
    peer, _ = ends
    peer.transport.write(b"x" * 4_000_000)
    await asyncio.wait_for(peer.flow.wait_until_taken(0.001), 30.0)
    assert peer.flow.backpressure


async def test_reply_of_a_connection_that_is_gone_is_not_waited_for(ends: tuple[Peer, socket.socket]) -> None:
    peer, _ = ends
    peer.transport.write(b"x" * 4_000_000)
    waits = asyncio.create_task(peer.flow.wait_until_taken(3600.0))
    await asyncio.sleep(0)
    peer.transport.abort()
    await asyncio.wait_for(waits, 30.0)
    await asyncio.wait_for(peer.flow.wait_until_taken(3600.0), 30.0)


async def test_small_reply_is_not_waited_for(ends: tuple[Peer, socket.socket]) -> None:
    peer, _ = ends
    peer.transport.write(b"x" * 100)
    await asyncio.wait_for(peer.flow.wait_until_taken(60.0), 30.0)
