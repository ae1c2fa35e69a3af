"""Webhooks over HTTP: endpoints, their deliveries in pages, replays; no answer holds a secret."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from server.core.webhooks.events import EventType
from server.services.webhooks import names
from tests.cases import each
from tests.conftest import PATIENCE_S, Server
from tests.http_api.client import Api

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://shop.example/hooks"
HOOK = "/v1/webhooks/shop"


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names, in place of those of a name server."""
    known = {"shop.example": ["203.0.112.1"]}
    monkeypatch.setattr(names, "look_up", lambda host: known[host])
    return known


async def made(api: Api, **more: object) -> Any:
    return await api.ok("PUT", HOOK, {"url": URL, "secret": SECRET, **more})


async def test_endpoint_is_put_got_listed_and_deleted_without_its_secret(api: Api) -> None:
    assert (await api.ok("GET", "/v1/webhooks")) == {"endpoints": []}
    first = await made(api, types=["packet.sent"])
    assert await made(api, types=["packet.sent"]) == first
    assert (await api.ok("GET", HOOK)) == first
    assert (await api.ok("GET", "/v1/webhooks")) == {"endpoints": [first]}
    assert "whsec" not in json.dumps(first)
    assert first == {
        "name": "shop",
        "url": URL,
        "types": ["packet.sent"],
        "state": "enabled",
        "secrets": 1,
        "created_at_ms": first["created_at_ms"],
    }
    for _ in range(2):
        assert await api.ok("DELETE", HOOK) == {"name": "shop", "deleted": True}
    assert (await api("GET", HOOK)).status == 404


async def test_endpoint_takes_events_of_every_type(api: Api) -> None:
    """Those of campaigns, bills, payments and risk control, too."""
    every = [str(one) for one in EventType]
    assert sorted((await made(api, types=every))["types"]) == sorted(every)


async def test_name_whose_addresses_are_all_private_is_refused(api: Api, addresses: dict[str, list[str]]) -> None:
    addresses["localhost"] = ["127.0.0.1", "::1"]
    for host in ("127.0.0.1", "localhost"):
        answer = await api("PUT", HOOK, {"url": f"https://{host}/hooks", "secret": SECRET})
        assert (answer.status, answer.code) == (400, "bad_request")
        assert "127.0.0.1 is not a public address, and [webhooks] allow_private" in answer.json["detail"]
    addresses["localhost"] += ["203.0.112.1"]
    assert "warning" not in await made(api, url="https://localhost/hooks")


async def test_name_without_an_address_is_accepted_with_a_warning(
    api: Api, addresses: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    addresses["shop.example"] = []
    put = await made(api)
    assert put["warning"] == "shop.example has no address now; events are tried again until it has one"
    assert "webhook_endpoint_has_no_address" in capsys.readouterr().out
    assert "warning" not in await api.ok("GET", HOOK)
    addresses["shop.example"] = ["10.0.0.1"]  # since then: what is there stays, and its secret may be replaced
    assert (await api.ok("PUT", HOOK, {"url": URL, "enabled": False}))["state"] == "disabled"


async def test_name_server_that_hangs_delays_a_put_by_its_timeout_and_nothing_else(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(names, "LOOK_S", 0.3)
    monkeypatch.setattr(names, "look_up", lambda host: [str(hangs.wait(PATIENCE_S))])
    try:
        put = asyncio.gather(*(api("PUT", f"/v1/webhooks/e{n}", {"url": URL, "secret": SECRET}) for n in range(10)))
        await api.ok("GET", "/v1/webhooks")
        assert not put.done()
        assert {(one.status, "warning" in one.json) for one in await put} == {(200, True)}
    finally:
        hangs.set()


async def test_another_secret_is_a_rotation_and_none_keeps_the_present_one(api: Api) -> None:
    await made(api)
    assert (await api.ok("PUT", HOOK, {"url": URL}))["secrets"] == 1
    assert (await api.ok("PUT", HOOK, {"url": URL, "secret": OTHER}))["secrets"] == 2
    assert (await api.ok("PUT", HOOK, {"url": URL, "enabled": False}))["state"] == "disabled"


@each(
    ("body", "why"),
    [
        ({"url": URL}, "secret: a new endpoint needs one"),
        ({"url": "http://shop.example/", "secret": SECRET}, "url: a URL begins with https://"),
        ({"url": "https://169.254.169.254/", "secret": SECRET}, "not a public address"),
        ({"url": URL, "secret": "whsec_short"}, "secret: a secret is whsec_"),
        (
            {"url": URL, "secret": SECRET, "types": ["packet.lost"]},
            "types[0]: 'packet.lost' is not one of packet.sent, packet.claimed",
        ),
    ],
)
async def test_endpoint_that_cannot_be_is_refused_with_the_reason(api: Api, body: object, why: str) -> None:
    answer = await api("PUT", HOOK, body)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert why in answer.json["detail"]
    assert (await api.ok("GET", "/v1/webhooks")) == {"endpoints": []}


@each("name", ["a%20b", "%00", "%2F", "-", "x" * 65])
async def test_name_that_no_endpoint_may_have_is_refused(api: Api, name: str) -> None:
    assert (await api("PUT", f"/v1/webhooks/{name}", {"url": URL, "secret": SECRET})).status == 400
    assert (await api("GET", f"/v1/webhooks/{name}")).status == 404
    assert (await api("DELETE", f"/v1/webhooks/{name}")).status == 200


async def test_deliveries_are_listed_in_pages_by_state_and_replayed(api: Api, server: Server) -> None:
    await made(api, types=["wallet.changed"])
    await api.ok("PUT", "/v1/users/7", {"name": "Ada"})
    for number in range(130):
        await api.ok("POST", "/v1/wallets/7/top-up", {"amount_fen": 2}, key=f"t{number}")
    first = await api.ok("GET", f"{HOOK}/deliveries")
    rest = await api.ok("GET", f"{HOOK}/deliveries?cursor={first['next_cursor']}")
    lines = first["deliveries"] + rest["deliveries"]
    assert (len(first["deliveries"]), len(lines), "next_cursor" in rest) == (100, 130, False)
    assert [one["number"] for one in lines] == list(range(130, 0, -1))
    assert {(one["type"], one["subject_id"]) for one in lines} == {("wallet.changed", "7")}
    assert (await api.ok("GET", f"{HOOK}/deliveries?state=delivered"))["deliveries"] == []
    assert await api.ok("POST", f"{HOOK}/replay", {"event_id": lines[0]["event_id"]}) == {"replayed": 1}
    assert await api.ok("POST", f"{HOOK}/replay", {"event_id": "9999"}) == {"replayed": 0}
    assert await api.ok("POST", f"{HOOK}/replay", {"from_ms": 0, "only_failed": True}) == {"replayed": 0}
    assert (await api("POST", f"{HOOK}/replay", {})).status == 400
    tested = await api.ok("POST", f"{HOOK}/test")
    assert int(tested["event_id"]) > int(lines[0]["event_id"])


async def test_endpoint_that_is_not_there_is_404(api: Api) -> None:
    for method, path, body in (
        ("GET", "/deliveries", None),
        ("POST", "/replay", {"from_ms": 0}),
        ("POST", "/test", None),
    ):
        answer = await api(method, HOOK + path, body)
        assert (answer.status, answer.code) == (404, "bad_request")


async def test_endpoints_are_limited_in_number(api: Api, server: Server) -> None:
    for number in range(64):
        await server.app.services.webhooks.put(f"e{number}", URL, (), SECRET)
    answer = await api("PUT", HOOK, {"url": URL, "secret": SECRET})
    assert "64 endpoints" in answer.json["detail"]
    assert (await api("PUT", "/v1/webhooks/e1", {"url": URL})).status == 200
