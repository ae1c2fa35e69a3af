"""Packets in a sponsor's name, over HTTP: bills by their number, events, ranges."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import DAY_MS, Server, Turn
from tests.http_api.client import Api
from tests.services.conftest import until

BILLS, EVENTS = "/v1/sponsors/90001/packets", "/v1/sponsors/90001/events"


@pytest.fixture
async def sponsor(api: Api, server: Server) -> Api:
    """The chat backend, with a sponsor that has 100.00 yuan, and a user."""
    await server.app.services.campaigns.service.put_sponsor(90_001, "Tea House")
    await api.ok("PUT", "/v1/users/7", {"name": "Ann"})
    await api.ok("POST", "/v1/wallets/90001/top-up", {"amount_fen": 10_000}, key="t")
    return api


async def test_bill_is_sent_once_and_asked_by_its_number(sponsor: Api) -> None:
    body = {"bill_number": "B-1", "user_id": "7", "amount_fen": 888, "greeting": "谢谢"}
    sent = await sponsor.ok("POST", BILLS, body)
    assert sent == {
        "sponsor_id": "90001",
        "bill_number": "B-1",
        "user_id": "7",
        "packet_kind": "enterprise",
        "amount_fen": 888,
        "status": "SENT",
        "packet_id": sent["packet_id"],
        "sent_at_ms": sent["sent_at_ms"],
    }
    assert await sponsor.ok("POST", BILLS, body) == sent == await sponsor.ok("GET", f"{BILLS}/B-1")
    opened = await sponsor.ok("POST", f"/v1/packets/{sent['packet_id']}/open", {"user_id": "7"})
    assert opened["amount_fen"] == 888
    received = await sponsor.ok("GET", f"{BILLS}/B-1")
    assert (received["status"], "received_at_ms" in received) == ("RECEIVED", True)
    other = await sponsor("POST", BILLS, {**body, "amount_fen": 889})
    assert (other.status, other.code) == (409, "key_reused")


async def test_what_is_wrong_with_a_bill_is_named(sponsor: Api) -> None:
    body = {"bill_number": "B-1", "user_id": "7", "amount_fen": 888}
    for changes, status, code in (
        ({"amount_fen": 99}, 422, "bad_amount"),
        ({"scene_id": "other"}, 422, "bad_scene"),
        ({"bill_number": "B 1"}, 400, "bad_key"),
        ({"user_id": "90001"}, 422, "bad_target"),
    ):
        refused = await sponsor("POST", BILLS, {**body, **changes})
        assert (refused.status, refused.code) == (status, code), changes
    unknown = await sponsor("POST", "/v1/sponsors/90002/packets", body)
    assert unknown.code == "not_a_sponsor"
    missing = await sponsor("GET", f"{BILLS}/B-9")
    assert (missing.status, missing.json["detail"]) == (404, "there is no such bill")
    users = {"sender_id": "90001", "kind": "enterprise", "target_id": "7", "amount_fen": 888}
    assert (await sponsor("POST", "/v1/packets", users, key="k")).code == "bad_request"


async def test_follower_gets_a_packet_of_the_range_that_was_set(sponsor: Api) -> None:
    event = {"event_id": "e-1", "event_kind": "follow", "user_id": "7"}
    assert await sponsor.ok("POST", EVENTS, event) == {"event_id": "e-1", "user_id": "7"}
    made = await sponsor.ok("PUT", f"{EVENTS}/follow", {"low_fen": 200, "high_fen": 300})
    assert (made["event_kind"], len(made["commitment"]), "revealed_seed" in made) == ("follow", 64, False)
    got = await sponsor.ok("POST", EVENTS, {**event, "event_id": "e-2"})
    assert (got["status"], got["bill_number"], 200 <= got["amount_fen"] <= 300) == ("SENT", "event.follow.7", True)
    assert (await sponsor.ok("POST", EVENTS, {**event, "event_id": "e-3"}))["packet_id"] == got["packet_id"]
    assert (await sponsor.ok("GET", f"{BILLS}/event.follow.7"))["packet_id"] == got["packet_id"]
    assert len((await sponsor.ok("PUT", f"{EVENTS}/follow", {"low_fen": 0, "high_fen": 0}))["revealed_seed"]) == 64
    wrong = await sponsor("PUT", f"{EVENTS}/leave", {"low_fen": 200, "high_fen": 300})
    assert (wrong.status, wrong.code) == (400, "bad_request")


async def test_packet_to_a_group_is_sent_under_the_own_id_of_the_group(sponsor: Api) -> None:
    await sponsor.ok("PUT", "/v1/users/8", {"name": "Ben"})
    group = await sponsor.ok("PUT", "/v1/groups/family", {"name": "Family"})
    await sponsor.ok("PUT", "/v1/groups/family/members", {"version": 1, "user_ids": ["7", "8"]})
    body = {
        "bill_number": "G-1",
        "group": "family",
        "packet_kind": "enterprise_equal",
        "amount_fen": 600,
        "shares": 2,
    }
    sent = await sponsor.ok("POST", BILLS, body)
    assert sent == {
        "sponsor_id": "90001",
        "bill_number": "G-1",
        "group_id": group["group_id"],
        "packet_kind": "enterprise_equal",
        "amount_fen": 600,
        "shares": 2,
        "status": "SENT",
        "packet_id": sent["packet_id"],
        "sent_at_ms": sent["sent_at_ms"],
    }
    by_id = {**body, "group_id": group["group_id"]}
    del by_id["group"]
    assert await sponsor.ok("POST", BILLS, by_id) == sent
    opened = await sponsor.ok("POST", f"/v1/packets/{sent['packet_id']}/open", {"user_id": "8"})
    assert opened["amount_fen"] == 300
    half = await sponsor.ok("GET", f"{BILLS}/G-1")
    assert (half["status"], half["opened_shares"], half["opened_fen"]) == ("SENT", 1, 300)
    listed = await sponsor.ok("GET", BILLS)
    assert listed == {"bills": [half]}
    wrong = await sponsor("GET", f"{BILLS}?cursor=5")
    assert (wrong.status, wrong.code) == (400, "bad_request")


async def test_bill_names_one_receiver(sponsor: Api) -> None:
    body = {"bill_number": "G-1", "amount_fen": 600}
    for whom in ({}, {"user_id": "7", "group": "family"}, {"group": "family", "group_id": "250000000000000001"}):
        refused = await sponsor("POST", BILLS, {**body, **whom})
        assert (refused.status, refused.code) == (400, "bad_request")
        assert refused.json["detail"] == "give one of user_id, group and group_id"
    for changes, code in (
        ({"user_id": "7", "packet_kind": "enterprise_lucky"}, "bad_target"),
        ({"user_id": "7", "shares": 2}, "bad_shares"),
        ({"group_id": "250000000000000001"}, "bad_target"),
    ):
        assert (await sponsor("POST", BILLS, {**body, **changes})).code == code


async def test_packet_that_friends_pass_on_may_be_a_sponsors_and_the_rest_goes_back_to_it(
    sponsor: Api, server: Server, turn_clock: Turn, sql: Any
) -> None:
    """The chat backend sends it on behalf of the sponsor, as for any other user."""
    await sponsor.ok("PUT", "/v1/users/8", {"name": "Ben"})
    body = {"sender_id": "90001", "kind": "fission", "target_id": "7", "amount_fen": 900, "shares": 3}
    packet_id = (await sponsor.ok("POST", "/v1/packets", body, key="f"))["packet_id"]
    opens = f"/v1/packets/{packet_id}/open"
    first = await sponsor.ok("POST", opens, {"user_id": "7"})
    link = (await sponsor.ok("POST", f"/v1/packets/{packet_id}/pass-on", {"user_id": "7"}))["link"]
    friend = await sponsor.ok("POST", opens, {"user_id": "8", "link": link})
    turn_clock(DAY_MS)
    await until(lambda: sql.fetchval("SELECT closed_at_ms IS NOT NULL FROM packets"))
    left_fen = 10_000 - first["amount_fen"] - friend["amount_fen"]
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 90001") == left_fen
