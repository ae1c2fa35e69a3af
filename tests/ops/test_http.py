"""The HTTP server by itself: probes, metrics, and hostile clients."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from aiohttp import web

from protocol.money_unit import YUAN
from server.ops.health import Health
from server.ops.http import CONNECTIONS_MAX, HEAD_BYTES_MAX, Http
from server.ops.metrics import Metrics
from tests.conftest import PATIENCE_S
from tests.ops.samples import EMPTY, FixedSampler

READY = Health([], ["redis is away: no mirror"])


class Answer(NamedTuple):
    """The answer of an HTTP server."""

    status: int
    headers: str
    body: str


async def get(port: int, path: str, method: str = "GET", body: bytes = b"") -> Answer:
    """Send one request on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    async with asyncio.timeout(PATIENCE_S):
        received = (await reader.read()).decode()
    writer.close()
    headers, _, rest = received.partition("\r\n\r\n")
    return Answer(int(headers.split()[1]), headers, rest)


class Served(NamedTuple):
    """A server; it reports the last health in the list."""

    port: int
    healths: list[Health]


async def wave(_: web.Request) -> web.Response:
    return web.Response(text="wave")


async def large(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * 10_000_000)


async def defect(_: web.Request) -> web.Response:
    raise AssertionError("a defect")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    healths = [READY]
    http = Http(
        lambda: healths[-1],
        Metrics(FixedSampler([EMPTY]), "1.2.3", YUAN),
        [web.get("/wave", wave), web.get("/large", large), web.get("/defect", defect)],
    )
    yield Served(await http.open("127.0.0.1", 0), healths)
    await http.close()


async def test_probes_report_liveness_and_readiness(served: Served) -> None:
    live = await get(served.port, "/livez")
    assert (live.status, json.loads(live.body)) == (200, {"live": True})
    ready = await get(served.port, "/readyz")
    assert (ready.status, json.loads(ready.body)) == (
        200,
        {"ready": True, "reasons": [], "degraded": ["redis is away: no mirror"]},
    )
    served.healths.append(Health(["the server is draining"], []))
    ready = await get(served.port, "/readyz")
    assert (ready.status, json.loads(ready.body)) == (
        503,
        {"ready": False, "reasons": ["the server is draining"], "degraded": []},
    )
    assert (await get(served.port, "/livez")).status == 200


async def test_metrics_and_extra_routes_are_served(served: Served) -> None:
    metrics = await get(served.port, "/metrics")
    assert metrics.status == 200
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in metrics.headers
    assert metrics.body == Metrics(FixedSampler([EMPTY]), "1.2.3", YUAN).text().decode()
    assert (await get(served.port, "/wave")).body == "wave"
    assert (await get(served.port, "/elsewhere")).status == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_methods_other_than_get_are_refused(served: Served, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await get(served.port, path, method, b"x" * 100)).status == 405


async def test_open_on_a_port_in_use_raises() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        http = Http(lambda: READY, Metrics(FixedSampler([EMPTY]), "1.2.3", YUAN))
        with pytest.raises(OSError, match="address already in use"):
            await http.open("127.0.0.1", other.getsockname()[1])
        await http.close()


async def hold(port: int, number: int, stack: ExitStack, data: bytes = b"") -> list[asyncio.StreamReader]:
    """Open connections; they stay open until the stack ends."""
    readers = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(data)
        readers.append(reader)
    return readers


async def test_idle_connections_do_not_keep_a_probe_out(served: Served) -> None:
    with ExitStack() as held:
        await hold(
            served.port, 3 * CONNECTIONS_MAX, held, b"GET /livez HTTP/1.1\r\nHost: a\r\n"
        )  # the request never ends
        assert (await get(served.port, "/livez")).status == 200


async def test_oldest_connections_are_closed_first(served: Served) -> None:
    with ExitStack() as held:
        readers = await hold(served.port, 3 * CONNECTIONS_MAX, held)
        async with asyncio.timeout(PATIENCE_S):
            for reader in readers[: 2 * CONNECTIONS_MAX]:
                assert await reader.read() == b""
        assert not any(reader.at_eof() for reader in readers[-CONNECTIONS_MAX // 2 :])


async def test_connection_that_does_not_read_is_closed(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as stalled, ExitStack() as held:
        stalled.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        await hold(served.port, 2 * CONNECTIONS_MAX, held)
        stalled.setblocking(False)
        got, loop = 0, asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            try:
                while received := await loop.sock_recv(stalled, 1 << 20):
                    got += len(received)
            except ConnectionError:
                pass
        assert got < 10_000_000


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX: " + b"y" * 4 * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"GET /" + b"y" * 4 * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"POST /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    ],
)
async def test_invalid_http_is_refused_and_not_logged(
    served: Served, hostile: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(hostile)
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).split()[1] in (b"400", b"404", b"405", b"431")
    writer.close()
    assert (await get(served.port, "/livez")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_defect_in_a_handler_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    assert (await get(served.port, "/defect")).status == 500
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["ERROR"]
