"""The phone of a simulated user: the client on it, its restarts, and the tasks that run at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from client_sim.sdk.errors import (
    Busy,
    ClientClosed,
    ConnectionLost,
    NotEnoughMoney,
    Overloaded,
    RateLimited,
    StoreUnavailable,
    TimedOut,
)
from client_sim.sdk.pushes import Push
from client_sim.sim import cards
from client_sim.sim.sim_context import SimContext
from client_sim.sim.witness import Witness

CONNECT_PATIENCE_S = 60.0

# these can happen to any user; every other failure is a defect, of the simulation or of the server
EXPECTED = (
    *(Busy, ClientClosed, ConnectionLost, NotEnoughMoney, Overloaded, RateLimited, StoreUnavailable, TimedOut),
    *cards.EXPECTED,
)


class GuardedTasks:
    """The work of one user. Expected errors are counted; any other error makes the run fail."""

    def __init__(self, name: str, witness: Witness) -> None:
        self._name = name
        self._witness = witness
        self._tasks: set[asyncio.Task[None]] = set()

    async def guard(self, work: Awaitable[None]) -> None:
        """Run to the end; an error is reported and not raised."""
        try:
            await work
        except EXPECTED as error:
            self._witness.record_refusal(error)
        except Exception as error:
            self._witness.record_failure(self._name, error)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background."""
        task = asyncio.create_task(self.guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until nothing runs any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)


class Phone:
    """`on_push` is called with each push. The counters go on over restarts."""

    def __init__(
        self, user_id: int, context: SimContext, tasks: GuardedTasks, on_push: Callable[[Push], None]
    ) -> None:
        self.client = context.client(user_id)
        self.restarts = 0
        self.pushes_dropped = 0
        self._reconnects = 0  # of earlier clients
        self._user_id = user_id
        self._context = context
        self._tasks = tasks
        self._on_push = on_push
        self._listener: asyncio.Task[None] | None = None

    @property
    def returns(self) -> int:
        """How often the user was away and came back."""
        return self.restarts + self._reconnects + self.client.reconnects

    async def connect(self) -> None:
        """Connect and listen."""
        await self.client.connect(CONNECT_PATIENCE_S)
        for stream_id in self.client.positions:
            self._context.witness.streams.allow(self._user_id, stream_id)
        self._listener = asyncio.create_task(self._tasks.guard(self._listen()))

    async def disconnect(self) -> None:
        """Close the client, and handle the pushes that had arrived before."""
        await self.client.close()
        if self._listener is not None:
            await self._listener
        self._reconnects += self.client.reconnects
        self.pushes_dropped += self.client.pushes_dropped

    async def restart(self, away_s: float) -> None:
        """Stop the app, and start it again later with the positions that it had saved."""
        await self.disconnect()
        await asyncio.sleep(away_s)
        self.client = self._context.client(self._user_id, self.client.positions)
        await self.connect()
        self.restarts += 1

    async def _listen(self) -> None:
        async for push in self.client.pushes():
            self._on_push(push)
