"""Further databases beside that of the test, and a stopped clock."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest

from server.clock import Clock
from server.embedded import StoreAddresses
from tests.services.conftest import party

__all__ = ["party"]
NewDatabase = Callable[[], Awaitable[str]]
_numbers = itertools.count(1)


class StoppedClock:
    """The time of all servers that start after it."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms


@pytest.fixture
def clock_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], StoppedClock]:
    """Stop the clock of the servers at a time, in ms since 1970."""

    def stop(now_ms: int) -> StoppedClock:
        made = StoppedClock(now_ms)
        monkeypatch.setattr(Clock, "now_ms", lambda self: made.now_ms)
        return made

    return stop


@pytest.fixture
async def new_database(stores: StoreAddresses) -> AsyncIterator[NewDatabase]:
    """Makes empty databases; returns their DSNs."""
    async with AsyncExitStack() as stack:
        admin = await asyncpg.connect(stores.postgres_dsn)
        stack.push_async_callback(admin.close)

        async def make() -> str:
            name = f"test_copy_{os.getpid()}_{next(_numbers)}"
            await admin.execute(f"CREATE DATABASE {name}")
            stack.push_async_callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
            return stores.postgres_dsn.replace("/hongbao?", f"/{name}?")

        yield make
