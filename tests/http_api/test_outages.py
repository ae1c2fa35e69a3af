"""Stores away, a server that is behind or going down: 503 with Retry-After, quickly, and nothing half done."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from bench.chaos.proxy import Proxy
from server.services.packets.commit.path import BATCH_MAX, UNRECORDED_MAX
from tests.conftest import PATIENCE_S, StartServer
from tests.http_api.client import Answer, Api
from tests.http_api.conftest import ADDRESS, Dial
from tests.http_api.test_packets import SEND, family, lucky

QUICKLY_S = 10.0  # a store has two seconds; the rest is for a busy machine


async def unavailable(request: Any) -> None:
    """The request is refused for now, soon, and says nothing of the inside."""
    began = time.monotonic()
    answer: Answer = await request
    assert (answer.status, answer.code, answer.json["temporary"]) == (503, "store_unavailable", True), answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["detail"] == "a store of the server does not respond"
    assert time.monotonic() - began < QUICKLY_S


async def until_served(api: Api, method: str, target: str, body: Any, key: str = "") -> Any:
    """The JSON of a request that is repeated while it is refused for now."""
    began = time.monotonic()
    while (answer := await api(method, target, body, key)).status == 503 and time.monotonic() - began < PATIENCE_S:
        pass
    assert answer.status == 200, answer
    return answer.json


async def test_requests_without_postgresql_are_unavailable_and_happen_once_when_repeated(
    start_server: StartServer, dial: Dial, postgres_proxy: tuple[Proxy, str], sql: Any
) -> None:
    proxy, dsn = postgres_proxy
    api = await dial(await start_server(http_api__address=ADDRESS, stores__postgres=dsn))
    await family(api, 1, 2)
    packet_id = (await api.ok("POST", SEND, lucky(1), key="p0"))["packet_id"]
    await proxy.cut()
    for request in (
        api("PUT", "/v1/users/7", {"name": "Ada"}),
        api("GET", "/v1/users/7"),
        api("POST", "/v1/users/2/ban"),
        api("PUT", "/v1/groups/other", {"name": "Other"}),
        api("POST", "/v1/wallets/1/top-up", {"amount_fen": 5}, key="t"),
        api("GET", "/v1/wallets/1/entries"),
        api("POST", SEND, lucky(1), key="p1"),
        api("POST", f"{SEND}/{packet_id}/send-again", {"sender_id": "1"}, key="a"),
        api("POST", f"{SEND}/{packet_id}/open", {"user_id": "2"}),
    ):
        await unavailable(request)
    assert await sql.fetchval("SELECT count(*) FROM packets") == 1
    assert await sql.fetchval("SELECT count(*) FROM users WHERE banned_at_ms IS NOT NULL") == 0

    await proxy.heal()
    sent = await until_served(api, "POST", SEND, lucky(1), key="p1")
    assert await until_served(api, "POST", SEND, lucky(1), key="p1") == sent
    await until_served(api, "POST", "/v1/wallets/1/top-up", {"amount_fen": 5}, key="t")
    assert (await until_served(api, "POST", f"{SEND}/{packet_id}/open", {"user_id": "2"}))["answer"] in (
        "won",
        "claimed",  # the one that got no reply
    )
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 1") == 10_000 - 2_000 + 5


async def test_server_that_is_behind_others_serves_no_user(
    start_server: StartServer, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(http_api__address=ADDRESS)
    api = await dial(server)
    await family(api, 1, 2)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1), key='p'))['packet_id']}"
    monkeypatch.setattr(type(server.app.services.changes), "is_current", False)
    for request in (
        api("POST", SEND, lucky(1), key="q"),
        api("POST", f"{packet}/open", {"user_id": "2"}),
        api("GET", packet),
        api("POST", "/v1/users/2/token", {}),
    ):
        await unavailable(request)
    await api.ok("POST", "/v1/wallets/1/top-up", {"amount_fen": 5}, key="t")  # the backend itself is served
    monkeypatch.undo()
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "2"}))["answer"] == "won"


async def test_server_that_is_going_down_refuses_new_requests_and_answers_those_under_way(
    start_server: StartServer, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(http_api__address=ADDRESS)
    api = await dial(server)
    held, go_on = asyncio.Event(), asyncio.Event()
    put = server.app.services.people.put

    async def slow(*asked: Any) -> None:
        held.set()
        await go_on.wait()
        await put(*asked)

    monkeypatch.setattr(server.app.services.people, "put", slow)
    kept = await dial(server)
    assert (await kept("GET", "/v1/users/7")).status == 404
    async with asyncio.TaskGroup() as tasks:
        under_way = tasks.create_task(api("PUT", "/v1/users/7", {"name": "Ada"}))
        await held.wait()
        server.app.http_api.drain()
        late = await kept("POST", "/v1/users/7/ban")  # over the connection that it has
        assert (late.status, late.code, late.headers["Connection"]) == (503, "overloaded", "close")
        assert int(late.headers["Retry-After"]) >= 1
        with pytest.raises(OSError, match="Cannot connect"):
            await api("GET", "/v1/users/7")  # no new connection
        go_on.set()
    assert under_way.result().status == 200


async def test_overloaded_service_is_told_as_503_with_a_time_to_wait(
    start_server: StartServer, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(http_api__address=ADDRESS)
    api = await dial(server)
    await family(api, 1, 2)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1), key='p'))['packet_id']}"
    commit = server.app.services.commit
    batches = 1 + UNRECORDED_MAX // BATCH_MAX
    with monkeypatch.context() as patch:  # not at the end of the server, which would wait for what is unrecorded
        patch.setattr(commit, "unrecorded", UNRECORDED_MAX)
        patch.setattr(commit._load_shedding, "_batch_s", 1.0 / batches)  # a second in all
        answer = await api("POST", f"{packet}/open", {"user_id": "2"})
    assert (answer.status, answer.code) == (503, "overloaded")
    assert 500 <= answer.json["retry_after_ms"] <= 1_500
    assert int(answer.headers["Retry-After"]) >= 1
