"""The bare server speaks our protocol, so every load for our server fits it."""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple

import pytest

from bench.compare.rivals.echo import EchoServer
from client_sim.sdk.client import Client
from tests.conftest import PATIENCE_S, token
from tests.wire import raw as wire
from tests.wire.raw import Raw


class Listening(NamedTuple):
    """The bare server of a test, or its program."""

    url: str
    echo: EchoServer

    @property
    def port(self) -> int:
        """On loopback."""
        return int(self.url.rpartition(":")[2])


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    """The echo in the test's loop."""
    echo, url = EchoServer(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(echo.serve("127.0.0.1", 0, url.set_result))
    yield Listening(await url, echo)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def connect(listening: Listening, user_id: int) -> Raw:
    """A client that is logged in."""
    client = await Raw.connect(listening)  # type: ignore[arg-type]  # only its port is used
    assert await client.login(user_id) == [user_id, 0, [], 0, 0, ["元", "yuan", "¥", 2]]
    return client


async def test_grab_is_counted_and_answered(listening: Listening) -> None:
    client = await connect(listening, 5)
    assert client.hello[2:5:2] == [2, "none"]
    assert await client.ask(wire.GRAB, 77) == [77, "gone", 0, 0, 0, 0, 0]
    assert await client.ask(wire.GRAB, 77) == [77, "gone", 0, 0, 0, 0, 0]
    assert listening.echo.grabs == {77: 2}
    client.close()


async def test_requests_of_one_read_are_answered_in_order(listening: Listening) -> None:
    client = await connect(listening, 5)
    frames = b"".join(wire.framed(wire.GRAB, seq, 70 + seq) for seq in range(1, 51))
    await client.send_bytes(frames[:123])
    await client.send_bytes(frames[123:])
    assert [(await client.read())[1:3] for _ in range(50)] == [[seq, 70 + seq] for seq in range(1, 51)]
    client.close()


async def test_text_reaches_every_user_who_is_logged_in(listening: Listening) -> None:
    sender, *others = [await connect(listening, user_id) for user_id in (5, 6, 7)]
    assert await sender.ask(wire.SAY, 99, "hello") == [99, 1]
    for client in (sender, *others):
        stream_id, number, sender_id, _, text = await client.push(wire.TEXT_POSTED)
        assert (stream_id, number, sender_id, text) == (99, 1, 5, "hello")
    others[0].close()
    assert await sender.ask(wire.SAY, 99, "again") == [99, 2]
    assert (await others[1].push(wire.TEXT_POSTED))[1] == 2
    sender.close()
    others[1].close()


async def test_unknown_request_is_refused(listening: Listening) -> None:
    client = await connect(listening, 5)
    assert await client.ask(wire.PING) == []
    assert await client.refused(wire.OPEN, 1, 2) == "unknown_request"
    client.close()


@pytest.mark.parametrize("bad", [wire.frame(b"\xc1"), struct.pack(">I", 5_000)])
async def test_malformed_frame_ends_the_connection(listening: Listening, bad: bytes) -> None:
    client = await connect(listening, 5)
    await client.send_bytes(bad)
    with pytest.raises(wire.ConnectionEnded):
        await client.read()
    client.close()
    assert listening.echo.logged_in == {}


async def test_sdk_can_use_it_as_a_server(listening: Listening) -> None:
    async with Client(listening.url, token(5)) as client:
        assert (await client.grab(77)).answer == "gone"


async def test_program_prints_its_url_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.compare.rivals.echo", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            url = (await process.stdout.readline()).decode().strip()
            client = await connect(Listening(url, EchoServer()), 5)
            assert await client.ask(wire.GRAB, 77) == [77, "gone", 0, 0, 0, 0, 0]
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        client.close()
    finally:  # a process that is left would keep the loop from closing, and the test from ending
        if process.returncode is None:
            process.kill()
            await process.wait()
