"""Who may ask the HTTP API: signed requests and Bearer keys, and all that is not one of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from bench.chaos.proxy import Proxy
from tests.cases import each
from tests.conftest import API_KEYS, Server, StartServer
from tests.http_api.client import Answer, Api, signed
from tests.http_api.conftest import ADDRESS, Dial

TARGET, BODY = "/v1/users/7", b'{"name":"Ada"}'
JSON = {"Content-Type": "application/json"}


async def put(api: Api, headers: Mapping[str, str], target: str = TARGET, body: bytes = BODY) -> Answer:
    return await api.send("PUT", target, body, {**JSON, **headers})


def forged(**changes: str) -> dict[str, str]:
    """A right signature, with other headers."""
    return signed("PUT", TARGET, BODY) | {f"Hongbao-{name.title()}": value for name, value in changes.items()}


async def test_signed_request_is_served_and_its_repetition_is_refused(api: Api) -> None:
    headers = signed("PUT", TARGET, BODY)
    assert (await put(api, headers)).status == 200
    again = await put(api, headers)
    assert (again.status, again.code) == (401, "forbidden")
    assert "nonce" in again.json["detail"]


async def test_request_that_one_server_has_served_is_refused_by_others_and_after_a_restart(
    server: Server, start_server: StartServer, dial: Dial, sql: Any
) -> None:
    headers, ban = signed("POST", "/v1/users/7/ban", b""), "/v1/users/7/ban"
    other = await start_server(http_api__address=ADDRESS, server__node=1)
    first, second = await dial(server), await dial(other)
    assert (await put(first, signed("PUT", TARGET, BODY))).status == 200
    assert (await first.send("POST", ban, b"", headers)).status == 200
    assert (await first("POST", "/v1/users/7/unban")).status == 200
    again = await second.send("POST", ban, b"", headers)
    assert (again.status, again.code) == (401, "forbidden")
    await server.stop()
    restarted = await dial(await start_server(http_api__address=ADDRESS))
    assert (await restarted.send("POST", ban, b"", headers)).status == 401
    assert await sql.fetchval("SELECT banned_at_ms FROM users WHERE user_id = 7") is None


async def test_signed_request_while_the_records_are_away_is_refused_for_later(
    start_server: StartServer, dial: Dial, postgres_proxy: tuple[Proxy, str]
) -> None:
    """Without them it is not known whether the request is a repetition."""
    proxy, dsn = postgres_proxy
    api = await dial(await start_server(http_api__address=ADDRESS, stores__postgres=dsn))
    await proxy.cut()
    answer = await put(api, signed("PUT", TARGET, BODY))
    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert "Retry-After" in answer.headers
    await proxy.heal()


async def test_second_key_of_a_rotation_is_accepted(api: Api) -> None:
    assert (await put(api, signed("PUT", TARGET, BODY, key_id="next", key=API_KEYS["next"]))).status == 200


@each(
    "headers",
    [
        {},
        forged(signature="0" * 64),
        forged(signature="not hex"),
        forged(key="unknown"),
        forged(nonce="short"),
        forged(nonce="a" * 16),
        forged(timestamp="soon"),
        signed("PUT", TARGET, BODY, key=API_KEYS["next"]),
        signed("POST", TARGET, BODY),
        signed("PUT", "/v1/users/8", BODY),
        signed("PUT", TARGET + "?x=1", BODY),
        signed("PUT", TARGET, b'{"name":"Eve"}'),
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer api.00"},
        {"Authorization": f"Bearer next.{API_KEYS['api'].hex()}"},
        {"Authorization": "Basic YTpi"},
    ],
)
async def test_request_without_a_right_signature_is_refused_and_does_nothing(
    api: Api, headers: dict[str, str], sql: Any
) -> None:
    answer = await put(api, headers)
    assert (answer.status, answer.code) == (401, "forbidden")
    assert answer.json["title"] == "the request is not shown to be one of the chat backend; the detail says why"
    assert "WWW-Authenticate" in answer.headers
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize("off_s", [-360, 360])
async def test_request_that_was_signed_six_minutes_off_is_refused(api: Api, off_s: int) -> None:
    answer = await put(api, signed("PUT", TARGET, BODY, at_s=time.time() + off_s))
    assert (answer.status, answer.code) == (401, "forbidden")
    assert (await put(api, signed("PUT", TARGET, BODY, at_s=time.time() + off_s / 2))).status == 200


async def test_tampered_idempotency_key_is_refused(api: Api) -> None:
    body = b'{"amount_fen":1}'
    headers = signed("POST", "/v1/wallets/7/top-up", body, idempotency_key="one") | JSON
    answer = await api.send("POST", "/v1/wallets/7/top-up", body, headers | {"Idempotency-Key": "two"})
    assert (answer.status, answer.code) == (401, "forbidden")


async def test_bearer_key_on_loopback_is_accepted(api: Api) -> None:
    headers = {"Authorization": f"Bearer api.{API_KEYS['api'].hex()}"}
    assert (await put(api, headers)).status == 200


async def test_key_that_a_reload_removes_is_refused(api: Api, server: Server) -> None:
    http_api = server.app.http_api
    http_api.apply(http_api._config, {"next": API_KEYS["next"]}, None)
    assert (await put(api, signed("PUT", TARGET, BODY))).status == 401
    assert (await put(api, signed("PUT", TARGET, BODY, key_id="next", key=API_KEYS["next"]))).status == 200
