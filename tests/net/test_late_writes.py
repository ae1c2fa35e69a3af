"""Writes that can wait: all of them leave, and no more than a slice in one turn of the loop."""

from __future__ import annotations

import asyncio

from server.net.pushes.late_writes import SLICE, LateWrites

CONNECTIONS = 3 * SLICE + 5
PATIENCE_S = 30.0


class Connection:
    """Counts how often it was flushed."""

    def __init__(self) -> None:
        self.flushes = 0
        self.flushed = asyncio.Event()

    def flush(self) -> None:
        self.flushes += 1
        self.flushed.set()


async def test_requests_are_served_between_slices_of_late_writes() -> None:
    loop = asyncio.get_running_loop()
    connections = [Connection() for _ in range(CONNECTIONS)]
    flushed_before_turn: set[int] = set()

    def serve() -> None:
        flushed_before_turn.add(sum(connection.flushes for connection in connections))
        if not connections[-1].flushes:
            loop.call_soon(serve)

    late = LateWrites(loop)
    for connection in connections:
        late.add(connection)
    assert not any(connection.flushes for connection in connections)
    serve()
    await asyncio.wait_for(connections[-1].flushed.wait(), PATIENCE_S)
    await asyncio.sleep(0)  # the turn after it
    assert flushed_before_turn == {0, SLICE, 2 * SLICE, 3 * SLICE, CONNECTIONS}
    assert {connection.flushes for connection in connections} == {1}


async def test_what_is_added_while_slices_leave_is_flushed_later() -> None:
    late = LateWrites(asyncio.get_running_loop())
    connections = [Connection() for _ in range(SLICE + 2)]
    *first, later = connections
    for connection in first:
        late.add(connection)
    await asyncio.wait_for(first[0].flushed.wait(), PATIENCE_S)
    late.add(later)
    await asyncio.wait_for(first[-1].flushed.wait(), PATIENCE_S)
    await asyncio.wait_for(later.flushed.wait(), PATIENCE_S)
    assert [connection.flushes for connection in connections] == [1] * (SLICE + 2)
