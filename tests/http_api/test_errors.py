"""Bad input over HTTP: every mistake gets a problem document that says where it is, and changes nothing."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from protocol.codes import REFUSALS, Refusal
from server.core.webhooks.events import EventType
from server.http_api import serving
from server.http_api.problems import STATUSES, TITLES, Problem
from server.net.addresses import host_and_port
from tests.cases import each
from tests.conftest import API_KEYS, PATIENCE_S, Server
from tests.http_api.client import Answer, Api, signed

SEND = "/v1/packets"
JSON = {"Content-Type": "application/json"}
AN_ID = f'an id is expected: a text with a whole number from 1 to {2**53 - 1}, such as "7"'
WHOLE = "amount_fen: a whole number is expected"
OTHER_STATUSES = {
    (Refusal.BAD_REQUEST, 408),
    (Refusal.BAD_REQUEST, 413),
    (Refusal.BAD_REQUEST, 415),
    (Refusal.UNKNOWN_REQUEST, 405),
    (Refusal.NOT_ALLOWED, 404),
}
SENT = "equal, exclusive, fission, lucky, password, personal"
PACKET = {"sender_id": "1", "kind": "lucky", "target_id": "5", "amount_fen": 100, "shares": 2}


async def post(api: Api, body: bytes, target: str = SEND, key: str = "k", **headers: str) -> Answer:
    """A signed POST with these bytes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    keyed = {"Idempotency-Key": key} if key else {}
    return await api.send(
        "POST", target, body, {**signed("POST", target, body, idempotency_key=key), **keyed, **JSON, **named}
    )


def test_every_refusal_of_the_wire_has_a_status_that_says_whether_to_repeat() -> None:
    assert set(STATUSES) == set(Refusal)
    for code, status in STATUSES.items():
        assert REFUSALS[code].temporary or status not in (429, 503), code


@each(
    ("body", "pointer", "detail"),
    [
        (
            {**PACKET, "greating": "x"},
            "/greating",
            "greating: there is no such field here; the fields are: sender_id, kind, amount_fen, shares, group, "
            "target_id, greeting, client_seed, for_user_ids, words, send_at_ms",
        ),
        ({key: PACKET[key] for key in PACKET if key != "kind"}, "/kind", "kind: this field is missing"),
        ({**PACKET, "sender_id": 1}, "/sender_id", f"sender_id: {AN_ID}"),
        ({**PACKET, "sender_id": "0"}, "/sender_id", f"sender_id: {AN_ID}"),
        ({**PACKET, "sender_id": "01"}, "/sender_id", f"sender_id: {AN_ID}"),
        ({**PACKET, "sender_id": str(2**53)}, "/sender_id", f"sender_id: {AN_ID}"),
        (
            {**PACKET, "target_id": str(2**63)},
            "/target_id",
            f'target_id: an id is expected: a text with a whole number from 1 to {2**63 - 1}, such as "7"',
        ),
        ({**PACKET, "amount_fen": "100"}, "/amount_fen", f"{WHOLE}, not a text"),
        ({**PACKET, "amount_fen": 1.5}, "/amount_fen", f"{WHOLE}, not a number with a point"),
        ({**PACKET, "amount_fen": True}, "/amount_fen", f"{WHOLE}, not true or false"),
        (
            {**PACKET, "amount_fen": 2**63},
            "/amount_fen",
            f"amount_fen: a whole number of at most {2**63 - 1} is expected",
        ),
        ({**PACKET, "greeting": None}, "/greeting", "greeting: a text is expected, not null"),
        ({**PACKET, "kind": "x" * 99}, "/kind", f"kind: '{'x' * 39} is not one of {SENT}"),
        ({**PACKET, "kind": "golden"}, "/kind", f"kind: 'golden' is not one of {SENT}"),
        ({**PACKET, "kind": "shake"}, "/kind", f"kind: 'shake' is not one of {SENT}"),
        ({**PACKET, "client_seed": "xyz"}, "/client_seed", "client_seed: 16 to 32 bytes in hex, 0 to 9 and a to f"),
        ({**PACKET, "group": "family"}, "", "give either group or target_id"),
        ([], "", "the body: an object is expected, not a list"),
    ],
)
async def test_wrong_body_is_refused_with_a_pointer_to_the_place(
    api: Api, body: Any, pointer: str, detail: str
) -> None:
    answer = await post(api, json.dumps(body).encode())
    assert (answer.status, answer.code, answer.json["pointer"]) == (400, "bad_request", pointer)
    assert answer.json["detail"] == detail
    assert answer.json["title"] == "the path, the query or the body is wrong; the detail names the place"


async def test_wrong_element_of_a_list_is_pointed_at(api: Api) -> None:
    body = b'{"version":1,"joined":["1","2",3]}'
    answer = await post(api, body, "/v1/groups/g/members", key="")
    assert (answer.status, answer.json["pointer"]) == (400, "/joined/2")
    assert answer.json["detail"] == f"joined[2]: {AN_ID}"


@each(
    ("method", "target", "body", "detail"),
    [
        ("PUT", "/v1/groups/g/members/7", {}, "version: this field is missing"),
        (
            "PUT",
            "/v1/webhooks/e",
            {"url": "https://x", "types": ["packet.open"]},
            f"types[0]: 'packet.open' is not one of {', '.join(EventType)}",
        ),
        ("PUT", "/v1/webhooks/e", {"url": "x" * 2_049}, "url: at most 2048 characters are allowed"),
        ("PUT", "/v1/users/7", {"avatar_url": "x"}, "avatar_url: an http:// or https:// url, or an empty text"),
        ("POST", "/v1/webhooks/e/replay", {"event_id": "x"}, "event_id: a text with a whole number"),
        ("POST", "/v1/users/7/token", {"lifetime_s": 0}, "lifetime_s: a whole number of at least 1 is expected"),
        ("PUT", "/v1/users/7", None, "the body is empty; a JSON object is expected"),
        ("GET", "/v1/users/7", {"a": 1}, "this request takes no body"),
        (
            "DELETE",
            "/v1/groups/g/members/7",
            {"version": 3, "x": 1},
            "this request takes no body; `version` goes into the query: ?version=…",
        ),
        ("DELETE", "/v1/groups/g/members/7", None, "version in the query: this field is missing"),
        (
            "GET",
            "/v1/users/7/records?direction=up",
            None,
            "direction in the query: 'up' is not one of received, sent",
        ),
        (
            "GET",
            "/v1/users/7/records?direction=sent&year=soon",
            None,
            "year in the query: a whole number is expected, not a text",
        ),
        (
            "GET",
            "/v1/wallets/7/statement?limit=5",
            None,
            "limit in the query: there is no such field here; the fields are: cursor",
        ),
        ("GET", "/v1/users/ada", None, "user_id in the path: " + AN_ID),
    ],
)
async def test_detail_of_a_wrong_request_names_the_place_in_plain_words(
    api: Api, method: str, target: str, body: Any, detail: str
) -> None:
    data = b"" if body is None else json.dumps(body).encode()
    answer = await api.send(method, target, data, {**signed(method, target, data), **JSON})
    assert (answer.status, answer.code, answer.json["detail"]) == (400, "bad_request", detail)


def test_titles_of_http_are_for_statuses_that_the_code_has() -> None:
    for code, status in TITLES:
        assert status == STATUSES[code] or (code, status) in OTHER_STATUSES
        title = json.loads(Problem(code, status=status).rendered().body)["title"]
        assert title == TITLES[code, status] != REFUSALS[code].meaning


@each("body", [b"", b"{", b"nonsense", b'{"greeting":"\xff"}', b'{"greeting":"\\ud800"}', b"[" * 9_999])
async def test_body_that_is_not_json_in_utf8_is_refused(api: Api, body: bytes) -> None:
    answer = await post(api, body)
    assert (answer.status, answer.code) == (400, "bad_request")


@each(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "application/json; charset=latin-1"},
        {"Content_Encoding": "gzip"},
    ],
)
async def test_other_content_type_or_encoding_is_unsupported(api: Api, headers: dict[str, str]) -> None:
    answer = await post(api, json.dumps(PACKET).encode(), **headers)
    assert (answer.status, answer.code) == (415, "bad_request")


@each("size", [64 << 10, (64 << 10) + 1])
async def test_body_of_more_than_64_kib_is_too_large(api: Api, size: int) -> None:
    body = json.dumps(PACKET).encode()
    answer = await post(api, body + b" " * (size - len(body)))
    assert answer.status == (413 if size > 64 << 10 else 422)  # 422: a user is no target of a lucky packet


async def test_chunked_body_of_more_than_64_kib_is_too_large(api: Api, server: Server) -> None:
    head = (
        "POST /v1/packets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
    )
    bearer = f"Authorization: Bearer api.{API_KEYS['api'].hex()}\r\n\r\n"
    port = int(server.app.http_api.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((head + bearer).encode())
    for _ in range(5):
        writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


async def begun(server: Server, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request to name user 7, whose body of 14 bytes is still to come."""
    reader, writer = await asyncio.open_connection(*host_and_port(server.app.http_api.url.removeprefix("http://")))
    bearer = f"Authorization: Bearer api.{API_KEYS['api'].hex()}"
    lines = ("PUT /v1/users/7 HTTP/1.1", "Host: x", bearer, "Content-Type: application/json", "Content-Length: 14")
    writer.write("\r\n".join([*lines, *headers, "", ""]).encode())
    return reader, writer


async def test_body_that_does_not_come_in_time_is_refused(
    api: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BODY_S", 0.2)
    reader, writer = await begun(server)
    writer.write(b'{"name":')
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()
    assert (await api("GET", "/v1/users/7")).code == "no_such_user"


async def test_client_that_waits_with_its_body_is_told_to_go_on(api: Api, server: Server) -> None:
    reader, writer = await begun(server, "Expect: 100-continue")
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'{"name":"Ada"}')
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
    assert (await api.ok("GET", "/v1/users/7"))["name"] == "Ada"


async def test_missing_or_unprintable_idempotency_key_is_refused(api: Api, server: Server) -> None:
    body = json.dumps(PACKET).encode()
    for key, detail in (
        (
            "",
            "the header Idempotency-Key is missing; with the id of your message or order a repetition is harmless",
        ),
        ("x" * 65, f"the header Idempotency-Key has 1 to 64 printable ASCII characters, and here '{'x' * 40}'"),
    ):
        answer = await post(api, body, key=key)
        assert (answer.status, answer.code, answer.json["detail"]) == (400, "bad_key", detail)


async def test_idempotency_key_that_is_not_ascii_is_refused(server: Server) -> None:
    body = b'{"amount_fen":1}'
    head = (
        b"POST /v1/wallets/7/top-up HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer api." + API_KEYS["api"].hex().encode() + b"\r\nIdempotency-Key: \xff\xfe\r\n"
        b"Connection: close\r\nContent-Length: 16\r\n\r\n"
    )
    port = int(server.app.http_api.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + body)
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad_key"' in answer
    writer.close()
    await writer.wait_closed()


@each(
    "target",
    ["/", "/v1", "/v1/users", "/v1/users/", "/v1/users/7/", "/v1/users//ban", "/v2/users/7", "/openapi.yaml"],
)
async def test_unknown_path_is_not_found(api: Api, target: str) -> None:
    answer = await api("GET", target)
    assert (answer.status, answer.code, answer.json["title"]) == (404, "unknown_request", "there is no such path")
    assert answer.json["detail"] == "the paths are in /openapi.json; none of them ends with /"


@each(
    ("method", "target", "allowed"),
    [("GET", SEND, "POST"), ("PATCH", "/v1/users/7", "PUT, GET"), ("POST", "/openapi.json", "GET")],
)
async def test_other_method_is_not_allowed(api: Api, method: str, target: str, allowed: str) -> None:
    answer = await api(method, target)
    assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "unknown_request", allowed)
    assert answer.json["title"] == "this path does not have that method"
    assert answer.json["detail"] == f"not with {method}; allowed: {allowed}"


@each(
    "target",
    [
        "/v1/users/ada",
        "/v1/users/0",
        "/v1/users/-1",
        f"/v1/users/{2**53}",
        "/v1/users/7?x=1",
        "/v1/users/%FF",
        "/v1/packets/1/claims?cursor=x",
        "/v1/packets/1/claims?cursor=1&cursor=2",
        "/v1/users/7/records",
        "/v1/users/7/records?direction=up",
        "/v1/users/7/records?direction=sent&year=soon",
        "/v1/users/7/records?direction=sent&cursor=1.",
        "/v1/users/7/records?direction=%FF",
        "/v1/groups/%FF",
        "/v1/groups/a%00b",
    ],
)
async def test_wrong_path_or_query_is_refused(api: Api, target: str) -> None:
    answer = await api("GET", target)
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_rules_of_the_wire_are_those_of_http(api: Api) -> None:
    await api.ok("PUT", "/v1/groups/g", {"name": "G"})
    await api.ok("PUT", "/v1/groups/g/members", {"version": 1, "user_ids": ["1", "2"]})
    packet = {"sender_id": "1", "kind": "lucky", "group": "g", "amount_fen": 100, "shares": 2}
    two = "(2 shares of 1 to 20000 each)"
    for changed, status, code, detail in (
        ({"amount_fen": 0}, 422, "bad_amount", f"amount_fen: 0 fen, allowed are 2 to 40000 {two}"),
        ({"amount_fen": -5}, 422, "bad_amount", f"amount_fen: -5 fen, allowed are 2 to 40000 {two}"),
        (
            {"shares": 3},
            422,
            "bad_shares",
            "shares: 3, allowed are 1 to 2 (the group has 2 members)",
        ),
        (
            {"shares": 0},
            422,
            "bad_shares",
            "shares: 0, allowed are 1 to 2 (the group has 2 members)",
        ),
        ({"greeting": "x" * 2_000}, 422, "bad_greeting", "greeting: 2000 bytes, allowed are 0 to 128"),
        ({"client_seed": "00"}, 422, "bad_seed", "client_seed: 16 to 32 bytes, over HTTP in hex, got 1"),
        ({"kind": "personal"}, 422, "bad_target", "target_id: personal goes to a user or a one-to-one chat"),
        ({"sender_id": "3"}, 403, "not_a_member", None),
        ({"group": "none"}, 404, "no_such_group", None),
        ({}, 409, "not_enough_money", "balance_fen of user 1 is 0, needed are 100"),
        ({"kind": "equal"}, 409, "not_enough_money", "balance_fen of user 1 is 0, needed are 200"),
    ):
        answer = await api("POST", SEND, {**packet, **changed}, key="k")
        assert (answer.status, answer.code) == (status, code), changed
        assert answer.json["type"] == f"urn:hongbao:refusal:{code}"
        assert answer.json.get("detail") == detail


async def test_rule_about_a_field_with_another_name_on_the_wire_is_told_with_the_name_of_http(api: Api) -> None:
    await api.ok("PUT", "/v1/groups/g", {"name": "G"})
    answer = await api("PUT", "/v1/groups/g", {"name": "G", "audience": "signature"})
    assert answer.json["detail"] == "audience: that of a group cannot be changed"
    await api.ok("DELETE", "/v1/groups/g")
    answer = await api("PUT", "/v1/groups/g", {"name": "G"})
    assert (answer.code, answer.json["detail"]) == (
        "bad_request",
        "group: the group was deleted: its id is not used again",
    )


@each(
    "sent",
    [
        b"\x00\x01\x02 nonsense\r\n\r\n",
        b"GET /v1/users/" + b"7" * 4_096 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/users/7 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 4_097 + b"\r\n\r\n",
        b"GET /v1/users/7 HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 100 + b"\r\n",
        b"GET /v1/users/7 HTTP/1.1\r\nHost: x\r\nContent-Length: soon\r\n\r\n",
    ],
)
async def test_bytes_that_are_not_http_get_a_problem_and_end_their_connection_alone(
    api: Api, server: Server, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*host_and_port(server.app.http_api.url.removeprefix("http://")))
    writer.write(sent)
    async with asyncio.timeout(PATIENCE_S):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert re.match(r"HTTP/1\.[01] 400 ", head), head
    assert "\r\nContent-Type: application/problem+json\r\n" in head
    assert "\r\nServer: hongbao\r\n" in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"], problem["temporary"]) == (400, "bad_request", False)
    assert problem["detail"] == (
        "these bytes are no request of HTTP, "
        "or its head has a line of more than 4096 bytes, or more than 64 headers"
    )
    assert (await api("PUT", "/v1/users/7", {"name": ""})).status == 200


async def test_client_that_leaves_in_the_middle_of_a_body_is_no_defect(
    api: Api, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    port = int(server.app.http_api.url.rpartition(":")[2])
    bearer = f"Authorization: Bearer api.{API_KEYS['api'].hex()}\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"PUT /v1/users/7 HTTP/1.1\r\nHost: x\r\n{bearer}Content-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(PATIENCE_S):
        while "PUT /v1/users/{user_id}" not in server.app.http_api.requests:
            await api("GET", "/openapi.json")
    assert server.app.http_api.requests["PUT /v1/users/{user_id}"] == {"400": 1}
    assert "Traceback" not in "".join(capfd.readouterr())
