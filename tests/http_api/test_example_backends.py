"""The example chat backends in docs, in Python and in Node, give a chat red packets through the HTTP API alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import aiohttp
import pytest

from bench.chaos.proxy import Proxy
from bench.chaos.supervisor import free_port
from tests.conftest import API_KEYS, PATIENCE_S, Server, StartServer
from tests.http_api.conftest import ADDRESS
from tests.programs import end_of
from tests.services.conftest import until
from tests.websocket.test_example_client import node

DOCS = Path(__file__).parents[2] / "docs"
LINES_MAX = 170
Words: TypeAlias = "list[str]"
EXAMPLES: dict[str, Callable[[], Words]] = {
    "python": lambda: [sys.executable, str(DOCS / "example_backend.py")],
    "node": lambda: [node(), str(DOCS / "example_backend.mjs")],
}


class Reply(NamedTuple):
    status: int
    json: Any


class Chat:
    """Requests to an example, as a client of this chat."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self.url = url

    async def __call__(self, method: str, path: str, content: Any = None, token: str = "") -> Reply:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.request(method, self.url + path, json=content, headers=headers) as response:
            return Reply(response.status, await response.json())

    async def ok(self, *words: Any, **more: Any) -> Any:
        reply = await self(*words, **more)
        assert reply.status == 200, reply
        return reply.json

    async def user(self, name: str, room: str) -> str:
        """A new user in a room: their chat token."""
        token = (await self.ok("POST", "/users", {"name": name}))["token"]
        await self.ok("POST", f"/rooms/{room}/join", token=token)
        return str(token)


@asynccontextmanager
async def running(language: str, url: str) -> AsyncIterator[Chat]:
    """An example runs inside `async with`, with this hongbao."""
    port = free_port()
    environment = {"HONGBAO_URL": url + "/", "HONGBAO_KEY": f"api.{API_KEYS['api'].hex()}", "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(*EXAMPLES[language](), str(port), env=environment)
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S * 2):
            chat = Chat(http, f"http://127.0.0.1:{port}")
            while True:
                assert process.returncode is None, "the example ended"
                try:
                    await chat("GET", "/wallet")
                    break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.05)
            yield chat
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("language", EXAMPLES)
async def test_packet_in_the_chat_of_an_example_is_shared_among_its_users(server: Server, language: str) -> None:
    async with running(language, server.app.http_api.url) as chat:
        ada, ben, cem = [await chat.user(name, "family") for name in ("Ada", "Ben", "Cem")]
        stranger = (await chat.ok("POST", "/users", {"name": "Dan"}))["token"]
        await chat.ok("POST", "/rooms/family/messages", {"id": "1", "text": "hello"}, token=ada)
        said = {"id": "2", "text": "/hongbao 8.88 3 恭喜 发财"}
        packet = (await chat.ok("POST", "/rooms/family/messages", said, token=ada))["packet"]
        again = await chat.ok("POST", "/rooms/family/messages", said, token=ada)  # its reply was lost, say
        assert again["packet"] == packet

        messages = await chat.ok("GET", "/rooms/family/messages?after=0", token=ben)
        assert [one["text"] for one in messages] == ["hello", "恭喜 发财"]
        assert (messages[1]["from"], messages[1]["packet"]) == ("Ada", packet)
        page = await chat.ok("POST", f"/packets/{packet}/page", {}, token=ben)
        assert page["url"].startswith(f"{server.app.http_api.url}/c/")
        opened = [await chat.ok("POST", f"/packets/{packet}/open", {}, token=one) for one in (ada, ben, cem)]
        assert [one["answer"] for one in opened] == ["won"] * 3
        assert sum(one["amount_fen"] for one in opened) == 888
        repeated = await chat.ok("POST", f"/packets/{packet}/open", {}, token=ben)
        assert repeated == {"answer": "claimed", "amount_fen": opened[1]["amount_fen"]}
        assert (await chat("POST", f"/packets/{packet}/open", {}, token=stranger)).status in (403, 404)
        found = await chat.ok("GET", "/wallet", token=ben)
        assert found["balance_fen"] + found["arriving_fen"] == 20_000 + opened[1]["amount_fen"]


@pytest.mark.parametrize("language", EXAMPLES)
async def test_refusal_is_told_to_the_user_of_an_example(server: Server, language: str) -> None:
    async with running(language, server.app.http_api.url) as chat:
        ada = await chat.user("Ada", "群 1-2")
        room = "/rooms/群 1-2/messages"
        much = await chat("POST", room, {"id": "1", "text": "/hongbao 200.01 1"}, token=ada)
        limit = "amount_fen: 20001 fen, allowed are 1 to 20000"
        assert (much.status, much.json["error"]) == (422, limit)
        assert (await chat("POST", room, {"id": "3", "text": "/hongbao 150 1"}, token=ada)).status == 200
        poor = await chat("POST", room, {"id": "4", "text": "/hongbao 150 1"}, token=ada)
        assert (poor.status, poor.json["error"].split(" is ")[1]) == (409, "5000, needed are 15000")
        for wrong in ("much 1", "8.888 1", "8. 1", "-1 1", "1 0x1"):
            unclear = await chat("POST", room, {"id": "2", "text": f"/hongbao {wrong}"}, token=ada)
            assert (unclear.status, unclear.json["error"]) == (400, "usage: /hongbao AMOUNT SHARES GREETING"), wrong
        assert (await chat("GET", "/wallet", token="unknown")).status == 401


@pytest.mark.parametrize("language", EXAMPLES)
async def test_example_that_is_started_with_a_wrong_url_or_key_says_so_in_one_line(language: str) -> None:
    key, url = f"api.{API_KEYS['api'].hex()}", "http://127.0.0.1:7792"
    for wrong, environment in (
        ("HONGBAO_URL", {"HONGBAO_URL": "127.0.0.1:7792", "HONGBAO_KEY": key}),
        ("HONGBAO_KEY", {"HONGBAO_URL": url, "HONGBAO_KEY": 'k1 = "6f1d"'}),
        ("HONGBAO_KEY", {"HONGBAO_URL": url, "HONGBAO_KEY": "k1.6f1d…"}),
    ):
        environment |= {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        process = await asyncio.create_subprocess_exec(*EXAMPLES[language](), "0", env=environment, stderr=-1)
        code, _, said = await end_of(process)
        assert (code, len(said.splitlines())) == (1, 1), said
        assert said.startswith(f"{wrong} must be ")


@pytest.mark.long
@pytest.mark.parametrize("language", EXAMPLES)
async def test_packet_of_an_example_is_sent_once_when_postgresql_is_away_for_a_moment(
    start_server: StartServer, postgres_proxy: tuple[Proxy, str], language: str
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(http_api__address=ADDRESS, stores__postgres=dsn)
    async with running(language, server.app.http_api.url) as chat:
        ada = await chat.user("Ada", "family")
        await chat.user("Ben", "family")
        await proxy.cut()
        said = {"id": "1", "text": "/hongbao 5.00 1"}
        first = await chat("POST", "/rooms/family/messages", said, token=ada)
        assert first.status == 503
        await proxy.heal()

        async def is_sent() -> bool:
            return (await chat("POST", "/rooms/family/messages", said, token=ada)).status == 200

        await until(is_sent)
        assert (await chat.ok("GET", "/wallet", token=ada))["balance_fen"] == 19_500


@pytest.mark.parametrize("name", ["example_backend.py", "example_backend.mjs"])
def test_example_backend_is_short(name: str) -> None:
    assert len((DOCS / name).read_text().splitlines()) <= LINES_MAX
