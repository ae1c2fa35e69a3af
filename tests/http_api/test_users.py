"""Users over HTTP: names, balances, bans, tokens."""

from __future__ import annotations

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionRefusedForGood
from tests.cases import each
from tests.conftest import Connect, Server
from tests.http_api.client import Api

LARGEST = 2**53 - 1


async def test_user_is_put_and_read_with_balances(api: Api) -> None:
    made = await api.ok("PUT", f"/v1/users/{LARGEST}", {"name": "阿达"})
    assert made == {"user_id": str(LARGEST), "name": "阿达"}
    assert await api.ok("GET", f"/v1/users/{LARGEST}") == {
        "user_id": str(LARGEST),
        "name": "阿达",
        "banned": False,
        "balance_fen": 0,
        "arriving_fen": 0,
    }


async def test_avatar_of_a_user_is_what_was_put_last(api: Api) -> None:
    url = "https://chat.example/a.png?size=64"
    assert (await api.ok("PUT", "/v1/users/7", {"name": "Ada", "avatar_url": url}))["avatar_url"] == url
    assert (await api.ok("GET", "/v1/users/7"))["avatar_url"] == url
    await api.ok("PUT", "/v1/users/7", {"name": "Ada"})
    assert "avatar_url" not in await api.ok("GET", "/v1/users/7")


@each("url", ["javascript:alert(1)", "/a.png", "https://a b", "https://" + "a" * 1024])
async def test_avatar_that_is_no_url_of_the_web_is_refused(api: Api, url: str) -> None:
    answer = await api("PUT", "/v1/users/7", {"avatar_url": url})
    assert (answer.status, answer.code, answer.json["pointer"]) == (400, "bad_request", "/avatar_url")


async def test_unknown_user_is_not_found(api: Api) -> None:
    answer = await api("GET", "/v1/users/7")
    assert (answer.status, answer.code) == (404, "no_such_user")


async def test_banned_user_is_disconnected_gets_no_token_and_is_let_in_again(
    api: Api, server: Server, connect: Connect
) -> None:
    await connect(server, 7)
    assert await api.ok("POST", "/v1/users/7/ban") == {"user_id": "7", "banned": True}
    assert (await api.ok("GET", "/v1/users/7"))["banned"]
    with pytest.raises(ConnectionRefusedForGood):
        await connect(server, 7)
    refused = await api("POST", "/v1/users/7/token", {})
    assert (refused.status, refused.code) == (403, "banned")

    assert await api.ok("POST", "/v1/users/7/unban") == {"user_id": "7", "banned": False}
    await connect(server, 7)


async def test_minted_token_logs_in_also_in_the_second_of_a_revocation(api: Api, server: Server) -> None:
    old = (await api.ok("POST", "/v1/users/7/token", {}))["token"]
    async with Client(server.url, old) as client:
        assert await client.balance() == 0
    revoked = await api.ok("POST", "/v1/users/7/revoke-tokens")
    with pytest.raises(ConnectionRefusedForGood):
        async with Client(server.url, old):
            pass
    new = await api.ok("POST", "/v1/users/7/token", {"lifetime_s": 60})
    assert revoked["tokens_from_s"] + 60 <= new["expires_at_s"]
    async with Client(server.url, new["token"]) as client:
        assert await client.balance() == 0


async def test_name_with_a_control_character_is_refused_by_the_same_rule_as_on_the_wire(api: Api) -> None:
    answer = await api("PUT", "/v1/users/7", {"name": "A\u202eda"})
    assert (answer.status, answer.code) == (422, "bad_name")
    assert "U+202E" in answer.json["detail"]
