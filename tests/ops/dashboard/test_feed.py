"""The page and its stream without a browser: one document, valid events, a bounded number of clients."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest

from server.core.latency import BOUNDS_MS
from server.ops.dashboard import feed as dashboard_module
from server.ops.dashboard.feed import CHART_S, CLIENTS_MAX
from server.ops.health import Health
from server.ops.samples.sample import Figures, StoreState
from tests.conftest import PATIENCE_S
from tests.ops.dashboard.feed import Feed, serve
from tests.ops.samples import latencies, sample

HEALTH = Health(["the server is draining"], ["redis is away: no mirror"])
FIGURES = Figures(in_packets_fen=200)


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with serve(HEALTH) as served:
        yield served


class Stream:
    """One client of the stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def event(self) -> tuple[str, Any]:
        """The name and the data of the next event."""
        async with asyncio.timeout(PATIENCE_S):
            while (line := await self._line()).partition(":")[0] != "event":
                assert not line, line
            data = await self._line()
            assert await self._line() == ""
        assert data.startswith("data: ")
        return line.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def _line(self) -> str:
        """The next line, without the chunk sizes of HTTP: no line of an event looks like one."""
        while re.fullmatch(r"[0-9A-Fa-f]+\r", line := (await self._reader.readuntil(b"\n")).decode()[:-1]):
            pass
        return line.rstrip("\r")


async def ask(port: int, path: str, host: str = "localhost") -> tuple[str, Stream]:
    """The head of the answer, and the stream after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return head, Stream(reader, writer)


async def get(port: int, path: str, host: str = "localhost") -> tuple[int, str, str]:
    """Status, head and body of a complete answer."""
    head, stream = await ask(port, path, host)
    length = int(re.search(r"Content-Length: (\d+)", head)[1])  # type: ignore[index]
    body = (await stream._reader.readexactly(length)).decode()
    stream.writer.close()
    return int(head.split()[1]), head, body


async def test_page_is_self_contained_and_its_policy_allows_only_its_own_scripts(feed: Feed) -> None:
    status, head, page = await get(feed.port, "/")
    assert status == 200
    assert "Content-Type: text/html; charset=utf-8" in head
    assert "Cache-Control: no-store" in head
    assert not re.findall(r"<link(?! rel=\"icon\" href=\"data:)|<img|<iframe|@import|url\(|\bsrc=|srcset", page)
    addresses = set(re.findall(r"https?://[^\s\"')]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a namespace; no browser requests it
    policy = re.search(r"Content-Security-Policy: (.*)\r", head)[1]  # type: ignore[index]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for either in re.findall(r"<style>(.*?)</style>|<script>(.*?)</script>", page, re.DOTALL):
        text = "".join(either)
        assert f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in policy
        assert len(text) > 1000


async def test_page_contains_no_function_that_turns_text_into_markup(feed: Feed) -> None:
    _, _, page = await get(feed.port, "/")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", page)


async def test_every_text_element_has_a_row_in_the_table_and_every_row_an_element(feed: Feed) -> None:
    _, _, page = await get(feed.port, "/")
    elements = re.findall(r"data-text=\"(\w+)\"", page)
    (table,) = re.findall(r"\nconst TEXTS = \{\n(.*?)\n\};", page, re.DOTALL)
    rows = re.findall(r"^  (\w+):", table, re.MULTILINE)
    assert sorted(elements) == sorted(rows)


@pytest.mark.parametrize("path", ["/", "/events", "/metrics"])
@pytest.mark.parametrize(
    ("host", "is_answered"),
    [
        ("localhost:7790", True),
        ("127.0.0.1:7790", True),
        ("[::1]:7790", True),
        ("ops.example", True),
        ("OPS.example:80", True),
        ("evil.example:7790", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
async def test_dashboard_answers_only_under_allowed_host_names(
    feed: Feed, path: str, host: str, is_answered: bool
) -> None:
    head, stream = await ask(feed.port, path, host)
    assert head.split()[1] == ("200" if is_answered else "421")
    stream.writer.close()


async def test_events_have_the_newest_sample_and_chart_points(feed: Feed) -> None:
    feed.show(
        *(sample(at_ms=s * 1000, clock_s=float(s), pushes=7 * s, refusals={"overloaded": s}) for s in range(1, 101))
    )
    head, stream = await ask(feed.port, "/events")
    assert "Content-Type: text/event-stream" in head
    assert "Cache-Control: no-store" in head

    name, event = await stream.event()
    assert name == "minute"
    assert [point["at_ms"] for point in event["points"]] == [s * 1000 for s in range(101 - CHART_S, 101)]
    assert {point["rates"]["pushes_per_s"] for point in event["points"]} == {7}
    assert (event["version"], event["now"]["at_ms"], event["refused"]) == (
        "1.2.3",
        100_000,
        {"overloaded": CHART_S},
    )
    assert (event["not_ready"], event["degraded"]) == (HEALTH.reasons, HEALTH.degraded)
    assert (event["bounds_ms"], event["balance"]) == ([*BOUNDS_MS], None)

    opens = latencies(0.4, 4, 4, 99_999)
    feed.show(sample(at_ms=101_000, clock_s=101.0, pushes=707, requests={"open": 5}, open_ms=opens))
    name, event = await stream.event()
    if event["now"]["at_ms"] == 100_000:  # told once more if the stream began before the dashboard saw it
        name, event = await stream.event()
    assert name == "second"
    (point,) = event["points"]
    assert (point["at_ms"], point["rates"]["pushes_per_s"], point["rates"]["requests_per_s"]) == (
        101_000,
        7,
        {"open": 5},
    )
    assert point["opens"] == [1, 0, 0, 0, 2, *[0] * 13, 1]
    assert event["recent"]["pushes_per_s"] == 7

    flows = {"topped_up": 900, "withdrawn": 0, "sent": 300, "claimed": 90, "refunded": 10}
    for s in (102, 103):
        feed.show(sample(at_ms=s * 1000, clock_s=float(s), money_fen=flows, figures=FIGURES))
        name, event = await stream.event()
    assert (event["balance"]["in_packets"], event["balance"]["difference"]) == (200, 0)
    stream.writer.close()


async def test_first_event_of_a_new_server_has_no_points(feed: Feed) -> None:
    _, stream = await ask(feed.port, "/events")
    name, event = await stream.event()
    assert (name, event["points"]) == ("minute", [])
    stream.writer.close()


async def wait_for_clients(feed: Feed, clients: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while feed.dashboard.clients != clients:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_new_client_replaces_the_oldest_when_there_are_too_many(feed: Feed) -> None:
    streams = [(await ask(feed.port, "/events"))[1] for _ in range(CLIENTS_MAX)]
    for stream in streams:
        await stream.event()
    assert feed.dashboard.clients == CLIENTS_MAX
    for oldest in streams[:2]:
        head, another = await ask(feed.port, "/events")
        assert head.split()[1] == "200"
        streams.append(another)
        with suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                await oldest._reader.read()  # until it is closed
    assert feed.dashboard.clients == CLIENTS_MAX
    feed.show(sample(at_ms=5, clock_s=5.0))
    for stream in streams[2:-2]:
        while (await stream.event())[1]["now"]["at_ms"] != 5:
            pass
    for stream in streams:
        stream.writer.close()
    await wait_for_clients(feed, 0)


async def test_probes_are_answered_under_any_host_name(feed: Feed) -> None:
    assert (await get(feed.port, "/livez", "some.balancer"))[0] == 200


async def test_client_that_does_not_read_is_disconnected_and_delays_no_other(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_module, "WRITE_TIMEOUT_S", 0.3)
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", feed.port))
        stalled.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await wait_for_clients(feed, 1)
        _, stream = await ask(feed.port, "/events")
        await stream.event()
        long = {"postgres": StoreState(False, 0, "x" * 1_000_000)}
        for s in range(1, 200):
            feed.show(sample(at_ms=s, clock_s=float(s), stores=long))
            assert (await stream.event())[1]["now"]["at_ms"] == s
            if feed.dashboard.clients == 1:
                break
        else:
            await wait_for_clients(feed, 1)
        stream.writer.close()
    await wait_for_clients(feed, 0)


async def test_closing_the_server_does_not_wait_for_clients(feed: Feed) -> None:
    _, stream = await ask(feed.port, "/events")
    await stream.event()
    async with asyncio.timeout(PATIENCE_S):
        await feed.http.close()
        with suppress(asyncio.IncompleteReadError):
            while True:
                await stream.event()
    assert feed.dashboard.clients == 0
    stream.writer.close()
