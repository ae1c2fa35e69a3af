"""Sightings: what the chat backend tells of devices and addresses, and what risk control makes of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.conftest import Server, StartServer
from tests.http_api.conftest import ADDRESS, Dial
from tests.risk.test_effects import NEVER_BY_ITSELF, judge
from tests.services.conftest import until


async def all_are_judged(server: Server, sql: Any) -> bool:
    """Make a round; True if no user waits to be judged then."""
    await judge(server)
    return not await sql.fetchval("SELECT count(*) FROM risk_activity")


async def test_users_of_one_device_are_counted_and_all_of_them_judged_again(
    start_server: StartServer, dial: Dial, sql: Any
) -> None:
    rounds = {"risk__mode": "on", "risk__interval_s": NEVER_BY_ITSELF}
    server = await start_server(http_api__address=ADDRESS, **rounds)
    api = await dial(server)
    for user_id in range(1, 5):
        await api.ok("PUT", f"/v1/users/{user_id}", {})
        seen = await api.ok("POST", f"/v1/users/{user_id}/sightings", {"device": "phone 1", "address": "10.0.0.1"})
        assert seen == {"user_id": str(user_id), "device_users": user_id, "address_users": user_id}
        await until(partial(all_are_judged, server, sql))  # of the others again with the last one
        found = await sql.fetch("SELECT DISTINCT user_id FROM risk_decisions WHERE 'shared-device' = ANY(hits)")
        assert {row["user_id"] for row in found} == ({1, 2, 3, 4} if user_id == 4 else set())
    again = await api.ok("POST", "/v1/users/4/sightings", {"device": "phone 1"})
    assert again == {"user_id": "4", "device_users": 4, "address_users": 0}
    kept = await sql.fetch("SELECT mark FROM risk_marks")
    assert len(kept) == 8
    assert not any("phone" in row["mark"] or "10.0" in row["mark"] for row in kept)
    await api.ok("POST", "/v1/users/4/forget")
    assert await sql.fetchval("SELECT count(*) FROM risk_marks WHERE user_id = 4") == 0


async def test_sighting_of_nothing_of_no_address_and_of_an_unknown_user_is_refused(
    start_server: StartServer, dial: Dial, sql: Any
) -> None:
    api = await dial(await start_server(http_api__address=ADDRESS))
    await api.ok("PUT", "/v1/users/1", {})
    for body, code in (
        ({}, "bad_request"),
        ({"address": "10.0.0.1:99"}, "bad_request"),
        ({"device": "x" * 201}, "bad_request"),
        ({"device": "a\u0000"}, "bad_request"),
    ):
        refused = await api("POST", "/v1/users/1/sightings", body)
        assert (refused.status, refused.code) == (400, code), body
    assert (await api("POST", "/v1/users/77/sightings", {"device": "a"})).code == "no_such_user"
    assert await sql.fetchval("SELECT count(*) FROM risk_marks") == 0
    await api.ok("POST", "/v1/users/1/sightings", {"device": "a"})  # kept while the mode is off, too
    assert await sql.fetchval("SELECT count(*) FROM risk_marks") == 1
    assert await sql.fetchval("SELECT count(*) FROM risk_activity") == 0
