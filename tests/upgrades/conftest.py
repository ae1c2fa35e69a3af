"""Further databases beside that of the test."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest

from server.embedded import StoreAddresses
from tests.services.conftest import party

__all__ = ["party"]
NewDatabase = Callable[[], Awaitable[str]]
_numbers = itertools.count(1)


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
