"""Wallets and records over HTTP: money in and out once per key, statements and records by cursor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.http_api.client import Api
from tests.http_api.conftest import ADDRESS, Dial
from tests.http_api.test_packets import SEND, family, lucky


@pytest.fixture
async def api(api: Api) -> Api:
    """The chat backend, which has named user 7."""
    await api.ok("PUT", "/v1/users/7", {"name": "Ada"})
    return api


async def test_top_up_with_the_same_key_answers_the_same_and_moves_money_once(api: Api) -> None:
    first = await api("POST", "/v1/wallets/7/top-up", {"amount_fen": 500}, key="t1")
    assert first.json == {"user_id": "7", "transfer": "top_up", "amount_fen": 500}
    await api.ok("POST", "/v1/wallets/7/withdraw", {"amount_fen": 100}, key="t1")
    again = await api("POST", "/v1/wallets/7/top-up", {"amount_fen": 500}, key="t1")
    assert (again.status, again.json) == (first.status, first.json)
    assert (await api.ok("GET", "/v1/users/7"))["balance_fen"] == 400


async def test_transfers_with_one_key_at_the_same_time_move_money_once(api: Api) -> None:
    many = await asyncio.gather(
        *(api("POST", "/v1/wallets/7/top-up", {"amount_fen": 500}, key="t1") for _ in range(10))
    )
    assert {one.status for one in many} == {200}
    assert (await api.ok("GET", "/v1/users/7"))["balance_fen"] == 500


async def test_other_content_under_a_used_key_is_a_conflict(api: Api) -> None:
    await api.ok("POST", "/v1/wallets/7/top-up", {"amount_fen": 500}, key="t1")
    other = await api("POST", "/v1/wallets/7/top-up", {"amount_fen": 501}, key="t1")
    assert (other.status, other.code, other.json["temporary"]) == (409, "key_reused", False)
    assert other.json["detail"] == "the key has moved another amount before"
    assert (await api.ok("GET", "/v1/users/7"))["balance_fen"] == 500


async def test_same_key_after_a_restart_answers_the_same(start_server: StartServer, dial: Dial) -> None:
    server = await start_server(http_api__address=ADDRESS)
    api = await dial(server)
    await family(api, 1, 2)
    top_up = await api("POST", "/v1/wallets/1/top-up", {"amount_fen": 500}, key="t1")
    sent = await api("POST", SEND, lucky(1), key="p1")
    again = f"{SEND}/{sent.json['packet_id']}/send-again"
    posted = await api("POST", again, {"sender_id": "1"}, key="a1")
    opened = await api("POST", f"{SEND}/{sent.json['packet_id']}/open", {"user_id": "2"})
    await server.kill()

    api = await dial(await start_server(http_api__address=ADDRESS))
    assert (await api("POST", "/v1/wallets/1/top-up", {"amount_fen": 500}, key="t1")).json == top_up.json
    assert (await api("POST", SEND, lucky(1), key="p1")).json == sent.json
    assert (await api("POST", again, {"sender_id": "1"}, key="a1")).json == posted.json
    assert (await api("POST", SEND, lucky(1, 999), key="p1")).code == "key_reused"
    claimed = await api.ok("POST", f"{SEND}/{sent.json['packet_id']}/open", {"user_id": "2"})
    assert claimed == {**opened.json, "answer": "claimed"}


async def test_withdrawal_of_more_than_there_is_changes_nothing(api: Api) -> None:
    await api.ok("POST", "/v1/wallets/7/top-up", {"amount_fen": 500}, key="t1")
    answer = await api("POST", "/v1/wallets/7/withdraw", {"amount_fen": 501}, key="w1")
    assert (answer.status, answer.code) == (409, "not_enough_money")
    assert answer.json["detail"] == "balance_fen of user 7 is 500, needed are 501"
    assert (await api.ok("GET", "/v1/users/7"))["balance_fen"] == 500


async def test_top_up_of_an_unknown_user_is_refused_and_makes_no_wallet(api: Api, sql: Any) -> None:
    for body in ({"amount_fen": 5}, {"amount_fen": 5, "known_only": True}):
        answer = await api("POST", "/v1/wallets/8/top-up", body, key="t1")
        assert (answer.status, answer.code) == (404, "no_such_user")
    assert await sql.fetchval("SELECT count(*) FROM wallets WHERE user_id = 8") == 0
    await api.ok(
        "POST", "/v1/wallets/8/top-up", {"amount_fen": 5, "known_only": False}, key="t1"
    )  # the key is unused
    await api.ok("POST", "/v1/wallets/8/top-up", {"amount_fen": 5}, key="t2")  # and the user known from then on
    assert (await api.ok("GET", "/v1/users/8"))["balance_fen"] == 10


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/members", {"version": 1, "user_ids": ["8"]}),
        ("POST", "/members", {"version": 1, "joined": ["8"]}),
        ("PUT", "/members/8", {"version": 1}),
    ],
)
async def test_user_that_the_backend_names_as_a_member_is_known(
    api: Api, method: str, path: str, body: object
) -> None:
    await api.ok("PUT", "/v1/groups/family", {"name": "Family"})
    await api.ok(method, f"/v1/groups/family{path}", body)
    await api.ok("POST", "/v1/wallets/8/top-up", {"amount_fen": 5}, key="t1")


async def test_entries_by_cursor_are_the_whole_statement_with_running_balances(api: Api) -> None:
    for number in range(130):
        await api.ok("POST", "/v1/wallets/7/top-up", {"amount_fen": 2}, key=f"t{number}")
    first = await api.ok("GET", "/v1/wallets/7/entries")
    rest = await api.ok("GET", f"/v1/wallets/7/entries?cursor={first['next_cursor']}")
    assert (len(first["entries"]), first["more"], len(rest["entries"]), rest["more"]) == (100, True, 30, False)
    assert [one["balance_fen"] for one in first["entries"] + rest["entries"]] == list(range(2, 262, 2))
    await api.ok("POST", "/v1/wallets/7/withdraw", {"amount_fen": 60}, key="w")
    (new,) = (await api.ok("GET", f"/v1/wallets/7/entries?cursor={rest['next_cursor']}"))["entries"]
    assert (new["reason"], new["change_fen"], new["balance_fen"]) == ("withdraw", -60, 200)


async def test_statement_by_cursor_is_newest_first_with_keys_of_transfers_and_counterparties_of_packets(
    api: Api,
) -> None:
    await family(api, 1, 2)
    for number in range(60):
        await api.ok("POST", "/v1/wallets/1/top-up", {"amount_fen": 2}, key=f"t{number}")
    sent = await api.ok("POST", SEND, lucky(1, 100), key="p1")
    first = await api.ok("GET", "/v1/wallets/1/statement")
    rest = await api.ok("GET", f"/v1/wallets/1/statement?cursor={first['next_cursor']}")
    newest, *others = first["lines"] + rest["lines"]
    group = await api.ok("GET", "/v1/groups/family")
    assert (newest["reason"], newest["change_fen"], newest["packet_id"]) == ("send", -100, sent["packet_id"])
    assert (newest["packet_kind"], newest["other_id"], newest["other_name"]) == (
        "lucky",
        group["group_id"],
        "Family",
    )
    assert "key" not in newest
    assert [one["key"] for one in others[:60]] == [f"t{number}" for number in range(59, -1, -1)]
    assert not any("other_id" in one or "packet_id" in one for one in others)
    assert "next_cursor" not in rest
    assert len(first["lines"]) == 50


async def test_records_by_cursor_are_what_a_user_sent_with_totals(api: Api) -> None:
    await family(api, 1, 2)
    sent = [await api.ok("POST", SEND, lucky(1, 100 + number), key=f"p{number}") for number in range(23)]
    first = await api.ok("GET", "/v1/users/1/records?direction=sent")
    rest = await api.ok("GET", f"/v1/users/1/records?direction=sent&cursor={first['next_cursor']}")
    assert [one["packet_id"] for one in first["lines"] + rest["lines"]] == [one["packet_id"] for one in sent[::-1]]
    assert (first["packets"], first["total_fen"]) == (23, sum(range(100, 123)))
    assert "next_cursor" not in rest
    assert (await api.ok("GET", "/v1/users/2/records?direction=received"))["lines"] == []
