"""docs/example_client.mjs works with a real server, in Node and in a page of a browser, without dependencies."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest
from aiohttp import web

from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.ops.dashboard.browser import browser, installed_or_skip
from tests.websocket.conftest import LISTEN
from tests.wire.test_example_client import token

EXAMPLE = Path(__file__).parents[2] / "docs" / "example_client.mjs"
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text())["messages"]
LINES_MAX = 250
ALICE, BEN = 1, 2
PAGE = "<!doctype html><title>a page</title>"

# Numbers beyond 2^53 lose digits in JSON, so all integers are compared as text.
REENCODE = """
import { decode, encode } from %s;
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const all = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(all.map((one) => hex(encode(decode(Buffer.from(one, "hex")))))));
"""


class Ended(NamedTuple):
    """The exit code of Node and its output."""

    code: int
    output: str
    errors: str


def node() -> str:
    path = shutil.which("node")
    if path is None:
        (pytest.fail if os.environ.get("HONGBAO_NODE") == "required" else pytest.skip)("no Node found")
    return str(path)


async def run_node(*arguments: str, text: str = "") -> Ended:
    """Run Node; version 20 has WebSocket behind a flag."""
    process = await asyncio.create_subprocess_exec(
        node(),
        *("--experimental-websocket", "--no-warnings", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(text.encode()), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode or 0, output.decode(), errors.decode())


def websocket_url(server: Server) -> str:
    assert server.app.websocket is not None
    return server.app.websocket.url


def test_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= LINES_MAX


async def test_messagepack_of_the_example_reads_and_writes_every_vector_and_63_bits() -> None:
    numbers = [0, 1, 127, 128, 255, 256, 2**31, 2**32, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1]
    others: list[Any] = [[*numbers, *(-number for number in numbers)], ["a" * size for size in (0, 31, 32, 300)]]
    others += [[bytes(size) for size in (0, 1, 300)], [list(range(20)), None, True, False]]
    maps = ("Hello", "CampaignShown")  # they hold one, which no request does
    payloads = [bytes.fromhex(vector["frame"])[4:] for vector in VECTORS if vector["message"] not in maps]
    payloads += map(msgpack.packb, others)
    script = REENCODE % json.dumps(EXAMPLE.as_uri())
    ended = await run_node("--input-type=module", "-e", script, text=json.dumps([one.hex() for one in payloads]))
    assert ended.errors == ""
    for payload, written in zip(payloads, json.loads(ended.output), strict=True):
        assert msgpack.unpackb(bytes.fromhex(written)) == msgpack.unpackb(payload)


async def test_example_in_node_wins_its_own_packet(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(**LISTEN)
    await (await connect(server, 0)).top_up(ALICE, 500)
    code, output, errors = await run_node(str(EXAMPLE), websocket_url(server), token(ALICE))
    assert (code, errors) == (0, "")
    assert "logged in as user 1 with 500 fen" in output
    assert re.search(r"packet \d{16,} in group \d{16,}: won, 100 fen\n", output)


async def test_example_in_node_tells_why_the_login_was_refused(start_server: StartServer) -> None:
    server = await start_server(**LISTEN)
    code, _, errors = await run_node(str(EXAMPLE), websocket_url(server), token(ALICE)[:-2] + "00")
    assert (code, errors) == (1, "3503 login_refused\n")


@pytest.fixture
async def page_url() -> AsyncIterator[str]:
    """A page of another server, with the example beside it."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def script(_: web.Request) -> web.Response:
        return web.Response(text=EXAMPLE.read_text(), content_type="text/javascript")

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/example_client.mjs", script)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


GRAB_AND_OPEN = """
async ([url, token, packetId]) => {
  const { Client } = await import("/example_client.mjs");
  const client = await Client.connect(url, token);
  const { answer, amountFen } = await client.grabAndOpen(BigInt(packetId));
  client.close();
  return [client.userId, answer, amountFen];
}
"""


@pytest.mark.long
async def test_page_in_a_browser_logs_in_grabs_and_opens(
    start_server: StartServer, connect: Connect, page_url: str
) -> None:
    server = await start_server(**LISTEN, websocket__origins=json.dumps([page_url]))
    backend, alice, ben = [await connect(server, user_id) for user_id in (0, ALICE, BEN)]
    await backend.top_up(ALICE, 500)
    group = await alice.create_group("a")
    await ben.join_group(group, await alice.invite(group))
    sent = await alice.send_packet("lucky", group, amount_fen=88, shares=1)
    async with browser(installed_or_skip()) as chromium:
        page = await chromium.new_page()
        await page.goto(page_url)
        told = await page.evaluate(GRAB_AND_OPEN, [websocket_url(server), token(BEN), str(sent.packet_id)])
    assert told == [BEN, "won", 88]


@pytest.mark.long
async def test_page_of_another_origin_is_not_connected(start_server: StartServer, page_url: str) -> None:
    server = await start_server(**LISTEN, websocket__origins='["https://chat.example"]')
    async with browser(installed_or_skip()) as chromium:
        page = await chromium.new_page()
        await page.goto(page_url)
        with pytest.raises(Exception, match="1006"):
            await page.evaluate(GRAB_AND_OPEN, [websocket_url(server), token(BEN), "1"])
