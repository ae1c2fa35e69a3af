"""Packets over HTTP: sent and opened on behalf of users, seen by clients on the wire."""

from __future__ import annotations

import asyncio

from protocol.messages import PacketPosted, TextPosted
from tests.conftest import Connect, Server, StartServer
from tests.http_api.client import Api
from tests.http_api.conftest import ADDRESS, Dial
from tests.services.test_membership import first_push

SEND = "/v1/packets"


async def family(api: Api, *user_ids: int) -> None:
    """A group under the backend's id `family`, whose members have 100.00 yuan each."""
    await api.ok("PUT", "/v1/groups/family", {"name": "Family"})
    await api.ok("PUT", "/v1/groups/family/members", {"version": 1, "user_ids": [str(one) for one in user_ids]})
    for user_id in user_ids:
        await api.ok("POST", f"/v1/wallets/{user_id}/top-up", {"amount_fen": 10_000}, key="first")


def lucky(sender_id: int, amount_fen: int = 1_000, shares: int = 2) -> dict[str, object]:
    return {
        "sender_id": str(sender_id),
        "kind": "lucky",
        "group": "family",
        "amount_fen": amount_fen,
        "shares": shares,
        "greeting": "恭喜发财",
    }


async def test_packet_sent_over_http_appears_to_a_client_on_the_wire_and_is_opened_by_both(
    api: Api, server: Server, connect: Connect
) -> None:
    await family(api, 1, 2, 3)
    guest = await connect(server, 2)
    sent = await api.ok("POST", SEND, lucky(1), key="order 1")
    posted = await first_push(guest, PacketPosted)
    assert (str(posted.packet_id), posted.sender_id, posted.greeting) == (sent["packet_id"], 1, "恭喜发财")

    by_wire = await guest.open(posted.packet_id)
    by_http = await api.ok("POST", f"{SEND}/{sent['packet_id']}/open", {"user_id": "3"})
    assert (by_wire.answer, by_http["answer"]) == ("won", "won")
    assert by_wire.amount_fen + by_http["amount_fen"] == 1_000


async def test_packet_is_shown_with_its_claims_as_they_are_opened(api: Api) -> None:
    await family(api, 1, 2)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1), key='p'))['packet_id']}"
    shown = await api.ok("GET", packet)
    assert (shown["state"], shown["opened"], shown["left_fen"], shown["sender_id"]) == ("open", 0, 1_000, "1")

    mine = await api.ok("POST", f"{packet}/open", {"user_id": "2"})
    assert (mine["answer"], mine["index"], mine["left_shares"]) == ("won", 0, 1)
    again = await api.ok("POST", f"{packet}/open", {"user_id": "2"})
    assert again == {**mine, "answer": "claimed"}
    shown = await api.ok("GET", packet)
    assert (shown["state"], shown["opened"], shown["left_fen"]) == ("open", 1, 1_000 - mine["amount_fen"])

    last = await api.ok("POST", f"{packet}/open", {"user_id": "1"})
    shown = await api.ok("GET", packet)
    assert (shown["state"], shown["opened"], shown["left_fen"]) == ("finished", 2, 0)
    claims = (await api.ok("GET", f"{packet}/claims"))["claims"]
    assert [(one["index"], one["user_id"], one["amount_fen"]) for one in claims] == [
        (0, "2", mine["amount_fen"]),
        (1, "1", last["amount_fen"]),
    ]
    assert (await api.ok("GET", f"{packet}/claims?cursor=1"))["claims"] == claims[1:]


async def test_packet_that_is_empty_answers_gone(api: Api) -> None:
    await family(api, 1, 2, 3)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1, shares=1), key='p'))['packet_id']}"
    await api.ok("POST", f"{packet}/open", {"user_id": "2"})
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "3"}))["answer"] == "gone"


async def test_users_who_may_not_open_are_refused(api: Api) -> None:
    await family(api, 1, 2)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1), key='p'))['packet_id']}"
    stranger = await api("POST", f"{packet}/open", {"user_id": "9"})
    assert (stranger.status, stranger.code) == (403, "not_allowed")
    nothing = await api("POST", f"{SEND}/1/open", {"user_id": "1"})
    assert (nothing.status, nothing.code) == (403, "not_allowed")
    missing = await api("GET", f"{SEND}/1")
    assert (missing.status, missing.code) == (404, "not_allowed")


async def test_banned_user_opens_and_sends_nothing_over_http(api: Api) -> None:
    await family(api, 1, 2, 3)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1, shares=3), key='p'))['packet_id']}"
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "2"}))["answer"] == "won"  # kept in memory
    await api.ok("POST", "/v1/users/2/ban")
    for answer in (
        await api("POST", f"{packet}/open", {"user_id": "2"}),
        await api("POST", SEND, lucky(2), key="mine"),
    ):
        assert (answer.status, answer.code) == (403, "banned")
    await api.ok("POST", "/v1/users/2/unban")
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "2"}))["answer"] == "claimed"


async def test_user_whom_another_server_bans_opens_nothing(start_server: StartServer, dial: Dial) -> None:
    one = await dial(await start_server(http_api__address=ADDRESS, server__node=1))
    other = await dial(await start_server(http_api__address=ADDRESS, server__node=2))
    await family(one, 1, 2)
    packet = f"{SEND}/{(await one.ok('POST', SEND, lucky(1), key='p'))['packet_id']}"
    assert (await one.ok("POST", f"{packet}/open", {"user_id": "2"}))["answer"] == "won"
    await other.ok("POST", "/v1/users/2/ban")
    assert (await one("POST", f"{packet}/open", {"user_id": "2"})).code == "banned"


async def test_send_with_the_same_key_is_one_packet_and_other_content_a_conflict(api: Api) -> None:
    await family(api, 1, 2)
    sent = await api.ok("POST", SEND, lucky(1), key="order 1")
    assert await api.ok("POST", SEND, lucky(1), key="order 1") == sent
    greeted = {**lucky(1, 1_001), "greeting": "hi"}
    for other, differs in (
        (lucky(1, 1_001), "total"),
        (lucky(1, shares=1), "shares"),
        (greeted, "total, greeting"),
    ):
        answer = await api("POST", SEND, other, key="order 1")
        assert (answer.status, answer.code) == (409, "key_reused")
        assert answer.json["detail"] == f"the key has sent packet {sent['packet_id']} with other {differs}"
    assert (await api.ok("GET", "/v1/users/1"))["balance_fen"] == 9_000


async def test_sends_with_one_key_at_the_same_time_are_one_packet(api: Api) -> None:
    await family(api, 1, 2)
    many = await asyncio.gather(*(api.ok("POST", SEND, lucky(1), key="order 1") for _ in range(10)))
    assert len({one["packet_id"] for one in many}) == 1
    assert (await api.ok("GET", "/v1/users/1"))["balance_fen"] == 9_000


async def test_packet_is_sent_again_once_per_key(api: Api) -> None:
    await family(api, 1, 2)
    other = await api.ok("PUT", "/v1/groups/other", {"name": "Other"})
    await api.ok("PUT", "/v1/groups/other/members", {"version": 1, "user_ids": ["1", "3"]})
    again = f"{SEND}/{(await api.ok('POST', SEND, lucky(1), key='p'))['packet_id']}/send-again"

    first, second = await asyncio.gather(
        *(api.ok("POST", again, {"sender_id": "1", "group": "other"}, key="a1") for _ in range(2))
    )
    assert first == second
    assert (first["stream_id"], first["message"]) == (other["group_id"], 1)
    conflict = await api("POST", again, {"sender_id": "1"}, key="a1")
    assert (conflict.status, conflict.code) == (409, "key_reused")
    assert conflict.json["detail"] == "the key has sent the packet to another place before"
    assert (await api.ok("POST", again, {"sender_id": "1", "group": "other"}, key="a2"))["message"] == 2
    assert (await api.ok("POST", again.replace("send-again", "open"), {"user_id": "3"}))["answer"] == "won"


async def test_key_of_a_packet_that_was_sent_again_answers_the_same_when_it_is_finished(api: Api) -> None:
    await family(api, 1, 2)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1, shares=1), key='p'))['packet_id']}"
    posted = await api.ok("POST", f"{packet}/send-again", {"sender_id": "1"}, key="a1")
    await api.ok("POST", f"{packet}/open", {"user_id": "2"})
    assert await api.ok("POST", f"{packet}/send-again", {"sender_id": "1"}, key="a1") == posted
    late = await api("POST", f"{packet}/send-again", {"sender_id": "1"}, key="a2")
    assert (late.status, late.code) == (409, "finished")


async def test_personal_packet_goes_to_a_user_or_to_the_chat_of_two(api: Api) -> None:
    await family(api, 1, 2)
    chat_id = (await api.ok("PUT", "/v1/chats/1/2"))["chat_id"]
    for number, target_id in enumerate(("2", chat_id)):
        body = {"sender_id": "1", "kind": "personal", "target_id": target_id, "amount_fen": 100}
        sent = await api.ok("POST", SEND, body, key=f"p{number}")
        opened = await api.ok("POST", f"{SEND}/{sent['packet_id']}/open", {"user_id": "2"})
        assert (opened["answer"], opened["amount_fen"]) == ("won", 100)


async def test_user_who_asks_too_often_is_slowed_down_also_through_the_backend(
    start_server: StartServer, dial: Dial
) -> None:
    server = await start_server(http_api__address=ADDRESS, limits__requests_per_s=0.01, limits__requests_burst=2.0)
    api = await dial(server)
    await family(api, 1, 2)
    packet = f"{SEND}/{(await api.ok('POST', SEND, lucky(1), key='p'))['packet_id']}"
    for _ in range(2):
        await api.ok("POST", f"{packet}/open", {"user_id": "2"})
    slowed = await api("POST", f"{packet}/open", {"user_id": "2"})
    assert (slowed.status, slowed.code, slowed.json["temporary"]) == (429, "rate_limited", True)
    assert int(slowed.headers["Retry-After"]) * 1000 >= slowed.json["retry_after_ms"] > 0


async def test_exclusive_packet_over_http_is_for_its_users_alone(api: Api) -> None:
    await family(api, 1, 2, 3)
    body = {"sender_id": "1", "kind": "exclusive", "group": "family", "amount_fen": 100, "for_user_ids": ["2"]}
    sent = await api.ok("POST", SEND, body, key="e")
    packet = f"{SEND}/{sent['packet_id']}"
    assert sent["total_fen"] == 100
    shown = await api.ok("GET", packet)
    assert (shown["kind"], shown["shares"], shown["for_user_ids"]) == ("exclusive", 1, ["2"])
    refused = await api("POST", f"{packet}/open", {"user_id": "3"})
    assert (refused.status, refused.code) == (403, "not_allowed")
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "2"}))["amount_fen"] == 100
    wrong = await api("POST", SEND, {**body, "for_user_ids": ["2", "9"]}, key="f")
    assert (wrong.status, wrong.code) == (422, "bad_receivers")


async def test_password_packet_over_http_is_opened_with_its_words(
    api: Api, server: Server, connect: Connect
) -> None:
    await family(api, 1, 2, 3)
    guest = await connect(server, 3)
    body = {**lucky(1), "kind": "password", "words": "芝麻开门"}
    packet = f"{SEND}/{(await api.ok('POST', SEND, body, key='w'))['packet_id']}"
    assert "words" not in await api.ok("GET", packet)
    for words, status, code in (
        ("", 403, "words_needed"),
        ("sesame", 403, "words_wrong"),
        ("a\nb", 422, "bad_words"),
    ):
        refused = await api("POST", f"{packet}/open", {"user_id": "2", "words": words})
        assert (refused.status, refused.code) == (status, code)
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "2", "words": "芝麻开门"}))["answer"] == "won"
    assert (await first_push(guest, TextPosted)).text == "芝麻开门"
    assert (await api.ok("POST", f"{packet}/open", {"user_id": "2"}))["answer"] == "claimed"


async def test_scheduled_packet_over_http_waits_is_listed_and_cancelled(api: Api, server: Server) -> None:
    await family(api, 1, 2)
    at_ms = server.app.services.everyday.scheduled._now_ms() + 86_400_000
    sent = await api.ok("POST", SEND, {**lucky(1), "send_at_ms": at_ms}, key="s")
    packet = f"{SEND}/{sent['packet_id']}"
    assert sent["expires_at_ms"] == at_ms + 86_400_000
    assert (await api("GET", packet)).status == 404
    (line,) = (await api.ok("GET", "/v1/users/1/scheduled"))["packets"]
    assert (line["packet_id"], line["send_at_ms"], line["total_fen"]) == (sent["packet_id"], at_ms, 1_000)
    assert (await api("POST", f"{packet}/cancel", {"sender_id": "2"})).code == "not_allowed"
    for _ in range(2):
        assert (await api.ok("POST", f"{packet}/cancel", {"sender_id": "1"}))["refunded_fen"] == 1_000
    assert (await api.ok("GET", "/v1/users/1/scheduled"))["packets"] == []
    assert (await api("POST", SEND, {**lucky(1), "send_at_ms": 1}, key="t")).code == "bad_time"
