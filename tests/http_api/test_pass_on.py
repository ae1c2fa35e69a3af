"""Packets that friends pass on, over HTTP: a link, an open with it, and a page for a friend."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http_api.client import Api
from tests.http_api.test_page_link import taken_apart

SENDER, SEED, ANN, BEN, CAI = 1, 2, 3, 4, 5


@pytest.fixture
async def packet(api: Api) -> str:
    """Three shares for user 2 and two friends."""
    for user_id in range(1, 6):
        await api.ok("PUT", f"/v1/users/{user_id}", {"name": f"user {user_id}"})
    await api.ok("POST", "/v1/wallets/1/top-up", {"amount_fen": 1_000}, key="t")
    body = {"sender_id": "1", "kind": "fission", "target_id": "2", "amount_fen": 300, "shares": 3}
    packet_id: str = (await api.ok("POST", "/v1/packets", body, key="p"))["packet_id"]
    return packet_id


async def passed_on(api: Api, packet: str, user_id: int) -> dict[str, Any]:
    made: dict[str, Any] = await api.ok("POST", f"/v1/packets/{packet}/pass-on", {"user_id": str(user_id)})
    return made


async def test_backend_passes_a_packet_on_for_its_users(api: Api, packet: str) -> None:
    opens = f"/v1/packets/{packet}/open"
    assert (await api("POST", f"/v1/packets/{packet}/pass-on", {"user_id": "2"})).code == "not_allowed"
    assert (await api.ok("POST", opens, {"user_id": "2"}))["answer"] == "won"
    made = await passed_on(api, packet, SEED)
    assert (made["packet_id"], made["depth"]) == (packet, 0)
    assert made["text"] == f"送你一个红包，点开就能领 {made['link']}"
    assert (await api("POST", opens, {"user_id": "3"})).code == "not_allowed"
    assert (await api.ok("POST", opens, {"user_id": "3", "link": made["link"]}))["answer"] == "won"
    assert (await api.ok("POST", opens, {"user_id": "3"}))["answer"] == "claimed"
    deeper = await passed_on(api, packet, ANN)
    assert deeper["depth"] == 1
    assert (await api.ok("POST", opens, {"user_id": "4", "link": deeper["link"]}))["left_shares"] == 0
    over = await api.ok("POST", opens, {"user_id": "5", "link": made["link"]})
    assert over == {"packet_id": packet, "answer": "gone"}
    assert (await api("POST", f"/v1/packets/{packet}/pass-on", {"user_id": "4"})).code == "finished"


async def test_link_is_for_its_packet_alone(api: Api, packet: str) -> None:
    await api.ok("POST", f"/v1/packets/{packet}/open", {"user_id": "2"})
    link = (await passed_on(api, packet, SEED))["link"]
    body = {"sender_id": "1", "kind": "fission", "target_id": "5", "amount_fen": 300, "shares": 3}
    other = (await api.ok("POST", "/v1/packets", body, key="q"))["packet_id"]
    for request in ("open", "page-link"):
        refused = await api("POST", f"/v1/packets/{other}/{request}", {"user_id": "3", "link": link})
        assert (refused.status, refused.code) == (401, "bad_link")


async def test_page_is_made_for_a_friend_with_a_link_and_offers_to_pass_on(api: Api, packet: str) -> None:
    await api.ok("POST", f"/v1/packets/{packet}/open", {"user_id": "2"})
    link = (await passed_on(api, packet, SEED))["link"]
    page = f"/v1/packets/{packet}/page-link"
    assert (await api("POST", page, {"user_id": "3"})).code == "not_allowed"
    made = taken_apart((await api.ok("POST", page, {"user_id": "3", "link": link}))["url"])
    assert (made.card["view"], made.card["sender"], "link" in made.card) == ("open", "user 1", False)
    opened = await api.send("POST", "/c/open?language=zh", b"", made.headers())
    assert (opened.json["answer"], opened.json["pass_on"]) == ("won", "送给好友")
    assert "lines" not in opened.json
    await api.ok("POST", f"/v1/packets/{packet}/open", {"user_id": "4", "link": link})
    late = taken_apart((await api.ok("POST", page, {"user_id": "5", "link": link}))["url"])
    assert (late.card["view"], late.card["line"]) == ("gone", "手慢了,红包派完了")
