"""Fixtures of the wire tests: raw clients, and a check that the server still works."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from structlog.testing import capture_logs

from tests.conftest import PATIENCE_S, Server, StartServer
from tests.wire import raw as wire
from tests.wire.raw import Raw

_numbers = itertools.count(900_001)  # users that no test uses

Dial = Callable[..., Awaitable[Raw]]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Opens raw connections: `await dial(server)`, or logged in: `await dial(server, user_id)`."""
    opened: list[Raw] = []

    async def one(server: Server, user_id: int | None = None, **options: int) -> Raw:
        client = await Raw.connect(server, **options)
        opened.append(client)
        if user_id is not None:
            await client.login(user_id)
        return client

    yield one
    for client in opened:
        client.close()


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No input of a client causes an error in the log, and no traceback."""
    with capture_logs() as events:
        yield
    assert [event for event in events if event["log_level"] in ("error", "critical")] == []
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def unharmed(dial: Dial) -> Callable[[Server], Awaitable[None]]:
    """Checks with one request of each kind that every loop of the server still runs."""

    async def check(server: Server) -> None:
        user_id = next(_numbers)
        backend = await dial(server, 0)
        await backend.ask(wire.TOP_UP, f"honest {user_id}", user_id, 100)
        honest = await dial(server, user_id)
        (group,) = await honest.ask(wire.CREATE_GROUP, "honest")
        assert await honest.ask(wire.SAY, group, "hello") == [group, 1]
        packet, *_ = await honest.ask(wire.SEND_PACKET, "k", "lucky", group, 100, 1)
        assert (await honest.ask(wire.GRAB, packet + 1))[1] == "not_allowed"  # read from the records
        ticket = (await honest.ask(wire.GRAB, packet))[2]
        assert (await honest.ask(wire.OPEN, packet, ticket))[1:3] == ["won", 100]
        assert await honest.push(wire.BALANCE_CHANGED) == [0, -100, "send", 2]
        assert await honest.push(wire.BALANCE_CHANGED) == [100, 100, "claim", 3]  # settled
        assert await honest.ask(wire.PING) == []
        backend.close()
        honest.close()

    return check


@pytest.fixture
async def attacked(server: Server, unharmed: Callable[[Server], Awaitable[None]]) -> AsyncIterator[Server]:
    """A server with default limits that must still work after the test."""
    yield server
    await unharmed(server)


@pytest.fixture
async def start_attacked(
    start_server: StartServer, unharmed: Callable[[Server], Awaitable[None]]
) -> AsyncIterator[StartServer]:
    """Starts servers with other limits; they must still work after the test."""
    started: list[Server] = []

    async def start(**overrides: object) -> Server:
        started.append(await start_server(**overrides))
        return started[-1]

    yield start
    for server in started:  # what was short for the attack is not for the others on a busy machine
        wire.use_timing(server, login_timeout_s=PATIENCE_S, ping_interval_s=PATIENCE_S, pong_timeout_s=PATIENCE_S)
        await unharmed(server)
