"""Frames that no correct client sends: each gets its documented refusal or close, and others are not affected."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgpack
import pytest

from protocol.messages import REQUESTS, Message, kind_of
from tests.conftest import Server, StartServer
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.raw import (
    BAD_FRAME,
    FRAME_TOO_LARGE,
    LOGIN_EXPECTED,
    LOGIN_REFUSED,
    LOGIN_TIMEOUT,
    PING_TIMEOUT,
    TOKEN_EXPIRED,
    ConnectionEnded,
    Goodbye,
    Raw,
    framed,
)
from tests.wire.raw import frame as frame_of

USER, BACKEND = 3, 0  # 3 is none of the EXTREME_NUMBERS: the backend bans those
GROUP = 2**53  # a well-formed id of no group
NOT_UTF8 = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")

# well-formed requests; each test replaces a part
FIELDS: dict[str, list[Any]] = {
    "Ping": [],
    "Login": [USER, 2_000_000_000, "test", b"proof", [], 0],
    "CreateGroup": ["name"],
    "JoinGroup": [GROUP, "code"],
    "LeaveGroup": [GROUP],
    "ListMembers": [GROUP, 0],
    "GetInvite": [GROUP, False],
    "OpenChat": [2],
    "ShowPass": ["pass"],
    "GetSeedTrees": [],
    "Say": [GROUP, "text"],
    "CatchUp": [USER, 0],
    "SendPacket": ["key", "personal", 2, 100, 1, "greeting", b"", 0, "", [2], "words", 0],
    "Grab": [GROUP],
    "Open": [GROUP, 1],
    "Reveal": [GROUP],
    "OpenPage": [GROUP, "zh"],
    "ResultPage": [GROUP, "zh", 0, False],
    "StopWatching": [GROUP],
    "PassOn": [GROUP, "zh"],
    "TapLink": ["hbl_", "zh"],
    "Records": ["sent", 0, 0, 0],
    "SendAgain": [GROUP, 0],
    "Kick": [GROUP, 2],
    "GrabStats": [GROUP],
    "SetName": ["name"],
    "GetNames": [[1, 2]],
    "GetBalance": [],
    "GetEntries": [0],
    "GetStatement": [0],
    "TopUp": ["key", USER, 100, False],
    "Withdraw": ["key", USER, 100],
    "PutUsers": [[[2, "name"]]],
    "BanUser": [3, True, False],
    "RevokeTokens": [3, False],
    "PutGroup": ["external", "name", 0, "members", False],
    "DeleteGroup": ["external"],
    "SyncMembers": [GROUP, 1, [2], False],
    "ChangeMembers": [GROUP, 1, [2], [3], False],
    "PutChat": [3, 4],
    "BindCard": ["number", "holder", "phone"],
    "ConfirmCard": [GROUP, "six digits", "246810"],
    "SendCodeAgain": [GROUP],
    "GetCards": [],
    "UnbindCard": [GROUP, "246810"],
    "SetPassword": ["246810", "246810"],
    "AskPasswordReset": [GROUP],
    "ResetPassword": [GROUP, "six digits", "246810"],
    "TopUpByCard": ["key at a bank", GROUP, 100, "246810"],
    "WithdrawToCard": ["key at a bank", GROUP, 100, "246810"],
    "Transfer": ["key", 2, 100, "text", "246810"],
    "Pay": ["key", 3, 100, "text"],
    "RefundToCard": ["key of a refund", GROUP, 100],
    "ForgetUser": [3],
    "Shake": [GROUP],
    "CampaignInfo": [GROUP, "zh"],
    "ListCampaigns": [0],
    "PutSponsor": [4, "name"],
    "CreateCampaign": [
        *("key", 4, "name", 1, 2, 10, 2_000, "bands", [[200, 200, 1_000_000]]),
        *(0, 0, 1, "greeting", "cover", 0, False, b"", "follow"),
    ],
    "ChangeCampaign": [GROUP, "pause"],
    "CampaignReport": [GROUP],
    "SendBill": [3, "bill", 4, 100, "greeting", "scene", b""],
    "GetBill": [3, "bill"],
    "ReportEvent": [3, "event", "follow", 4],
    "SetEventRange": [3, "follow", 200, 300, "greeting"],
    "SendGroupBill": [3, "bill", GROUP, "enterprise_lucky", 300, 2, "greeting", "scene", b""],
    "ListBills": [3, "5.bill"],
    "SayWords": [GROUP, "words"],
    "GetScheduled": [],
    "CancelScheduled": [GROUP],
    "SetRelay": [GROUP, 1],
    "GetRelay": [GROUP],
}
FOR_BACKEND = {
    *("TopUp", "Withdraw", "Pay", "RefundToCard", "PutUsers", "BanUser", "RevokeTokens", "ForgetUser"),
    *("SendBill", "GetBill", "ReportEvent", "SetEventRange", "SendGroupBill", "ListBills"),
    *("PutGroup", "DeleteGroup", "SyncMembers", "ChangeMembers", "PutChat"),
    *("PutSponsor", "CreateCampaign", "ChangeCampaign", "CampaignReport"),
}
MAY_BE_LEFT_OUT = {
    "JoinGroup": 1,
    "ListMembers": 1,
    "GetInvite": 1,
    "GetStatement": 1,
    "TopUp": 1,
    "BanUser": 2,
    "RevokeTokens": 1,
    "PutGroup": 3,
    "SyncMembers": 1,
    "ChangeMembers": 2,
    "SendPacket": 7,
    "TopUpByCard": 1,
    "WithdrawToCard": 1,
    "Transfer": 2,
    "Pay": 1,
    "SendBill": 3,
    "SendGroupBill": 3,
    "ListBills": 1,
    "SetEventRange": 1,
    "OpenPage": 1,
    "PassOn": 1,
    "TapLink": 1,
    "ResultPage": 3,
    "Records": 3,
    "SendAgain": 1,
    "CampaignInfo": 1,
    "ListCampaigns": 1,
    "CreateCampaign": 9,
}
ANY_REQUEST = {
    "bad_request",
    "unknown_request",
    "rate_limited",
    "forbidden",
    "out_of_order",
}  # without `internal`, which is a defect of the server

MANY = [1] * 401
EXTREME_NUMBERS = [-(2**63), -(2**63) + 1, -(2**31), -1, 0, 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63 - 1]
TOO_LARGE = [2**63, 2**64 - 1]
WRONG_TYPES: dict[str, list[Any]] = {
    "int": [1.5, 1.0, math.nan, math.inf, True, None, "1", b"1", [], [1], {}, msgpack.ExtType(1, b"x")],
    "str": [1, 1.5, True, None, b"text", [], ["a"], {}, msgpack.Timestamp(1)],
    "bytes": [1, 1.5, True, None, "text", [], {}],
    "bool": [0, 1, 1.5, None, "true", b"1", [], {}],
    "list": [1, True, None, "1", b"1", {}, [1.5], ["1"], [None], [[1.5]], [[1]], [-1], [2**53], MANY],
}


class Field(NamedTuple):
    """One field of one request: its place and its type."""

    request: str
    kind: int
    place: int
    holds: str

    def replaced(self, value: object) -> list[Any]:
        """The fields of the request with this one replaced."""
        fields = list(FIELDS[self.request])
        fields[self.place] = value
        return fields


def fields_of(request: type[Message]) -> list[Field]:
    """The fields behind kind and seq."""
    hints = get_type_hints(request)
    names = [name for name in request.__struct_fields__ if name != "seq"]
    return [
        Field(request.__name__, kind_of(request), place, hints[name].__name__) for place, name in enumerate(names)
    ]


EVERY_FIELD = [field for request in REQUESTS for field in fields_of(request)]
AFTER_LOGIN = [field for field in EVERY_FIELD if field.request != "Login"]
KINDS = {request.__name__: kind_of(request) for request in REQUESTS}


def documented_refusals() -> dict[str, set[str]]:
    """The table of docs/protocol.md with the refusals of each request."""
    document = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    table = document.partition("| request | its own refusals |")[2].split("\n\n")[0]
    own: dict[str, set[str]] = {request: set() for request in FIELDS}
    for requests, refusals in re.findall(r"^\| (`.*?) \| (.*?) \|$", table, re.MULTILINE):
        for request in re.findall(r"`(\w+)`", requests):
            own[request] = set(re.findall(r"`(\w+)`", refusals))
    return own


@pytest.fixture
async def clients(attacked: Server, dial: Dial) -> dict[int, Raw]:
    """A user and the backend, logged in."""
    return {USER: await dial(attacked, USER), BACKEND: await dial(attacked, BACKEND)}


def sender_of(clients: dict[int, Raw], request: str) -> Raw:
    return clients[BACKEND if request in FOR_BACKEND else USER]


def test_tables_of_this_module_have_every_request() -> None:
    assert set(FIELDS) == {request.__name__ for request in REQUESTS}
    assert {len(fields_of(request)) - len(FIELDS[request.__name__]) for request in REQUESTS} == {0}
    assert {field.holds for field in EVERY_FIELD} == set(WRONG_TYPES)
    assert documented_refusals()["Withdraw"] == {"bad_key", "bad_amount", "key_reused", "not_enough_money"}


# --- fields: the connection stays open ------------------------------------------------------------------------


async def test_wrong_types_are_bad_requests(clients: dict[int, Raw]) -> None:
    for field in AFTER_LOGIN:
        for value in WRONG_TYPES[field.holds]:
            if (field.request in FOR_BACKEND | {"SendPacket"} and value == MANY) or (field.request, value) == (
                "PutUsers",
                [[1]],
            ):
                continue  # its lists may be long, and a user may have no name
            answer = await sender_of(clients, field.request).refused(field.kind, *field.replaced(value))
            assert (field, value, answer) == (field, value, "bad_request")


async def test_numbers_that_no_field_can_hold_are_bad_requests(clients: dict[int, Raw]) -> None:
    for field in (one for one in AFTER_LOGIN if one.holds == "int"):
        for value in TOO_LARGE:
            answer = await sender_of(clients, field.request).refused(field.kind, *field.replaced(value))
            assert (field, value, answer) == (field, value, "bad_request")


async def test_extreme_numbers_get_a_documented_answer(clients: dict[int, Raw]) -> None:
    own = documented_refusals()
    for field in (one for one in AFTER_LOGIN if one.holds == "int"):
        good = own[field.request] | ANY_REQUEST | {f"reply {wire.reply_to(field.kind)}"}
        for value in EXTREME_NUMBERS:
            answer = await sender_of(clients, field.request).refused(field.kind, *field.replaced(value))
            assert answer in good, (field, value)


NO_ID_FIRST = {"GetEntries", "GetStatement", "ListCampaigns"}  # a version of the wallet, a place in a list


async def test_ids_below_one_are_bad_requests(clients: dict[int, Raw]) -> None:
    for field in AFTER_LOGIN:
        if field.place == 0 and field.holds == "int" and field.request not in NO_ID_FIRST:
            for value in (0, -1, -(2**63)):
                if (field.request, value) == ("JoinGroup", 0):  # the group of the code
                    continue
                answer = await sender_of(clients, field.request).refused(field.kind, *field.replaced(value))
                assert answer == "bad_request", field


async def test_missing_fields_are_bad_requests(clients: dict[int, Raw]) -> None:
    for request, fields in FIELDS.items():
        least = len(fields) - MAY_BE_LEFT_OUT.get(request, 0)
        for count in range(least if request != "Login" else 0):
            answer = await sender_of(clients, request).refused(KINDS[request], *fields[:count])
            assert (request, count, answer) == (request, count, "bad_request")


async def test_fields_of_a_newer_client_are_ignored(clients: dict[int, Raw]) -> None:
    newer: list[Any] = [1.5, None, "text", {"a": [1]}, [[]] * 9, msgpack.ExtType(5, b"x")]
    assert await clients[USER].ask(wire.PING, *newer) == []
    assert await clients[USER].ask(wire.GET_BALANCE, *newer) == [0, 0]


async def test_texts_with_zero_bytes_are_refused(clients: dict[int, Raw], attacked: Server, dial: Dial) -> None:
    expected = {
        "name": "bad_name",
        "text": "bad_text",
        "key": "bad_key",
        "greeting": "bad_greeting",
        "personal": "bad_target",
        "sent": "bad_request",
        "pass": "bad_pass",
        "external": "bad_request",
        "members": "bad_request",
        "number": "bad_card",
        "holder": "bad_card",
        "phone": "bad_card",
        "six digits": "code_spent",
        "246810": "password_needed",
        "": "password_needed",
        "words": "bad_words",
        "key at a bank": "bad_card",  # this server has none
        "key of a refund": "bad_target",
        "hbl_": "bad_link",
        "bill": "bad_key",
        "5.bill": "bad_request",
        "enterprise_lucky": "bad_target",
        "event": "bad_key",
        "follow": "bad_request",
        "scene": "bad_scene",
        "bands": "bad_campaign",
        "cover": "bad_campaign",
        "pause": "bad_request",
    }
    group = (await clients[USER].ask(wire.CREATE_GROUP, "name"))[0]
    stranger = await dial(attacked, 9)
    assert await stranger.refused(wire.JOIN_GROUP, 0, "\0") == "bad_invite"
    assert await stranger.refused(wire.JOIN_GROUP, group, "\0") == "bad_invite"
    texts = [one for one in AFTER_LOGIN if one.holds == "str"]
    recorded = [one for one in texts if FIELDS[one.request][one.place] not in ("zh", "code")]
    for field in recorded:
        for value in ("\0", "a\0", "\0a", "a\0a"):
            fields = [group if one == GROUP else one for one in field.replaced(value)]
            answer = await sender_of(clients, field.request).refused(field.kind, *fields)
            assert answer == expected[FIELDS[field.request][field.place]], (field, value)


async def test_unknown_kinds_are_refused_by_name(clients: dict[int, Raw]) -> None:
    for kind in (-(2**63), -1, 0, 1, 2, 5, 17, 60, 110, 121, 200, 2**31, 2**64 - 1):
        for fields in ([], [1], [{"a": math.nan}], [b"\0" * 3000]):
            assert await clients[USER].refused(kind, *fields) == "unknown_request", kind


async def test_pongs_without_a_ping_are_ignored(clients: dict[int, Raw]) -> None:
    for seq in (0, 7, 2**32 - 1):
        await clients[USER].send(wire.PONG, seq)
    assert await clients[USER].ask(wire.PING) == []


async def test_reply_has_the_seq_of_its_request(clients: dict[int, Raw]) -> None:
    for seq in (0, 1, 2**31, 2**32 - 1):
        await clients[USER].send(wire.PING, seq)
        assert await clients[USER].read() == [wire.PONG, seq]


# --- frames: the connection is closed -------------------------------------------------------------------------


def not_messages() -> dict[str, bytes]:
    """Payloads that are not one array which begins with two whole numbers."""
    wrong_heads = {
        f"{name} as {part}": msgpack.packb([value, 1] if part == "kind" else [24, value])
        for part in ("kind", "seq")
        for name, value in {
            "text": "24",
            "true": True,
            "float": 24.0,
            "nan": math.nan,
            "nil": None,
            "array": [24],
            "map": {},
            "bytes": b"\x18",
        }.items()
    }
    wrong_seqs = {f"seq {seq}": msgpack.packb([24, seq]) for seq in (-1, -(2**63), 2**32, 2**63, 2**64 - 1)}
    not_text = {f"not UTF-8 {one!r}": b"\x93\x0b\x01" + bytes([0xA0 + len(one)]) + one for one in NOT_UTF8}
    return {
        "length 0": b"",
        "empty array": b"\x90",
        "kind alone": b"\x91\x18",
        "map": msgpack.packb({0: 24, 1: 1}),
        "number": b"\x18",
        "nil": b"\xc0",
        "text": msgpack.packb("hello"),
        "http": b"GET / HTTP/1.1\r\nHost: hongbao\r\n\r\n",
        "reserved byte": b"\xc1",
        "reserved byte in a field": b"\x93\x15\x01\xc1",
        "zeros": b"\0" * 100,
        "bytes behind the array": msgpack.packb([24, 1]) + b"\0",
        "two arrays": msgpack.packb([24, 1]) * 2,
        "half an array": msgpack.packb([24, 1])[:-1],
        "array of 2^32-1": b"\xdd\xff\xff\xff\xff\x18\x01",
        "map of 2^32-1 in a field": b"\x93\x18\x01\xdf\xff\xff\xff\xff",
        "text of 2^32-1 bytes": b"\x93\x0b\x01\xdb\xff\xff\xff\xff",
        "nested in the kind": b"\x91" * 400,
        "nested without an end": b"\x93\x18\x01" + b"\x91" * 400,
        **wrong_heads,
        **wrong_seqs,
        **not_text,
    }


async def test_invalid_message_closes_the_connection(attacked: Server, dial: Dial) -> None:
    for name, payload in not_messages().items():
        for user_id in (None, USER):
            client = await dial(attacked, user_id)
            await client.send_bytes(frame_of(payload) + framed(wire.PING, 7))
            assert (name, user_id, await client.goodbye()) == (name, user_id, BAD_FRAME)


async def test_deep_nesting_closes_the_connection(attacked: Server, dial: Dial) -> None:
    for head in (b"\x93\x63\x01", b"\x93\x18\x01", b"\x93\x15\x01", b""):
        client = await dial(attacked, USER)
        await client.send_bytes(frame_of(head + b"\x91" * (4095 - len(head)) + b"\x01"))
        assert await client.goodbye() == BAD_FRAME


@pytest.mark.parametrize(("user_id", "most"), [(None, 512), (USER, 4096)])
async def test_oversized_length_closes_the_connection_before_the_payload(
    attacked: Server, dial: Dial, user_id: int | None, most: int
) -> None:
    for length in (most + 1, most * 2, 1 << 20, 2**31, 2**32 - 1):
        client = await dial(attacked, user_id)
        await client.send_bytes(length.to_bytes(4, "big"))
        assert (length, await client.goodbye()) == (length, FRAME_TOO_LARGE)


async def test_bytes_after_an_oversized_length_are_not_read(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked, USER)
    await client.send_bytes((1 << 20).to_bytes(4, "big") + b"\x92\x03\x07" * 100_000)
    assert await client.goodbye() == FRAME_TOO_LARGE


async def test_frames_of_the_largest_size_are_read(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked)
    login = msgpack.packb([*client.login_message(USER), [], 0])
    padded = bytes([login[0] + 1]) + login[1:] + b"\xc5" + (512 - len(login) - 3).to_bytes(2, "big")
    await client.send_bytes(frame_of(padded.ljust(512, b"\0")))
    assert (await client.read())[0] == wire.WELCOME
    ping = b"\x93\x03\x07\xc5" + (4096 - 6).to_bytes(2, "big")
    await client.send_bytes(frame_of(ping.ljust(4096, b"\0")))
    assert await client.read() == [wire.PONG, 7]


async def test_requests_before_a_bad_frame_are_answered(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked, USER)
    await client.send_bytes(framed(wire.PING, 5) + frame_of(b"\xc1") + framed(wire.PING, 6))
    assert await client.read() == [wire.PONG, 5]
    assert await client.goodbye() == BAD_FRAME


async def test_truncated_frame_without_more_bytes_times_out(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked()
    parts = (b"\0", framed(wire.PING, 7)[:-1], (512).to_bytes(4, "big"), (512).to_bytes(4, "big") + b"\x92")
    silent, quick = {"login_timeout_s": 0.3}, {"ping_interval_s": 0.3, "pong_timeout_s": 0.2}
    for user_id, limits_s, goodbye in ((USER, quick, PING_TIMEOUT), (None, silent, LOGIN_TIMEOUT)):
        wire.use_timing(server, **limits_s)
        clients = [await dial(server, user_id) for _ in parts]
        for client, part in zip(clients, parts, strict=True):
            await client.send_bytes(part)
        assert [await client.goodbye() for client in clients] == [goodbye] * len(parts)


async def test_frames_may_be_split_at_any_byte(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked)
    for byte in framed(*client.login_message(USER)):
        await client.send_bytes(bytes([byte]))
    assert (await client.read())[0] == wire.WELCOME
    stream = b"".join(framed(wire.PING, seq) for seq in range(1, 40))
    for size in (1, 2, 3, 5, 6, 7, 8, 11):
        for start in range(0, len(stream), size):
            await client.send_bytes(stream[start : start + size])
        assert [(await client.read())[1] for _ in range(1, 40)] == list(range(1, 40))


async def test_thousands_of_small_frames_are_answered_in_order(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked, USER)
    await client.send_bytes(b"".join(framed(wire.PING, seq) for seq in range(20_000)))
    assert [await client.read() for _ in range(20_000)] == [[wire.PONG, seq] for seq in range(20_000)]
    await client.send_bytes(b"".join(framed(99, seq) for seq in range(5_000)))
    assert [(await client.read())[1] for _ in range(5_000)] == list(range(5_000))
    await client.send_bytes(frame_of(b"") * 20_000)
    assert await client.goodbye() == BAD_FRAME


# --- the login ------------------------------------------------------------------------------------------------


async def test_first_message_other_than_a_login_closes_the_connection(attacked: Server, dial: Dial) -> None:
    requests = {name: [KINDS[name], 1, *fields] for name, fields in FIELDS.items() if name != "Login"}
    for name, message in {**requests, "Pong": [wire.PONG, 0], "Hello": [1, 0], "unknown": [99, 1]}.items():
        client = await dial(attacked)
        await client.send(*message)
        assert (name, await client.goodbye()) == (name, LOGIN_EXPECTED)


async def test_request_before_the_welcome_closes_the_connection(attacked: Server, dial: Dial) -> None:
    for behind in ([wire.PING, 1], [wire.GET_BALANCE, 1], [wire.PONG, 0]):
        client = await dial(attacked)
        await client.send_bytes(framed(*client.login_message(USER)) + framed(*behind))
        assert (behind, await client.goodbye()) == (behind, LOGIN_EXPECTED)
    client = await dial(attacked)
    await client.send_bytes(framed(*client.login_message(USER)) * 2)
    assert await client.goodbye() == LOGIN_EXPECTED


async def test_malformed_login_closes_the_connection(attacked: Server, dial: Dial) -> None:
    for field in (one for one in EVERY_FIELD if one.request == "Login"):
        values = WRONG_TYPES[field.holds] + (TOO_LARGE if field.holds == "int" else [])
        values = [value for value in values if field.holds != "list" or value != ["1"]]  # a list of texts
        if field.place == 0:
            values = [*values, -1, -(2**63), 2**53, 2**63 - 1]
        for value in values:
            client = await dial(attacked)
            fields = [*client.login_message(USER)[2:], [], 0]
            fields[field.place] = value
            await client.send(wire.LOGIN, 1, *fields)
            assert (field, value, await client.goodbye()) == (field, value, LOGIN_EXPECTED)


async def test_login_without_a_valid_token_is_refused(attacked: Server, dial: Dial) -> None:
    other = (await dial(attacked, USER)).nonce
    cases: dict[str, tuple[dict[str, Any], Goodbye]] = {
        "wrong proof": ({"proof": b"\0" * 32}, LOGIN_REFUSED),
        "empty proof": ({"proof": b""}, LOGIN_REFUSED),
        "long proof": ({"proof": b"\0" * 300}, LOGIN_REFUSED),
        "proof for another connection": ({"proof": wire.proof_of(USER, other)}, LOGIN_REFUSED),
        "unknown key": ({"key_id": "other"}, LOGIN_REFUSED),
        "no key": ({"key_id": ""}, LOGIN_REFUSED),
        "key with a zero byte": ({"key_id": "test\0"}, LOGIN_REFUSED),
        "key with dots": ({"key_id": "1.test"}, LOGIN_REFUSED),
        "token of another user": ({"named_id": 2}, LOGIN_REFUSED),
        "token of a user, used as the backend": ({"named_id": BACKEND}, LOGIN_REFUSED),
        "expired": ({"expires_at_s": 1}, TOKEN_EXPIRED),
        "expired before 1970": ({"expires_at_s": -(2**63)}, TOKEN_EXPIRED),
        "expired, wrong proof": ({"expires_at_s": 1, "proof": b"\0" * 32}, LOGIN_REFUSED),
    }
    for name, (forged, goodbye) in cases.items():
        client = await dial(attacked)
        await client.send(*client.login_message(USER, **forged))
        assert (name, await client.goodbye()) == (name, goodbye)


async def test_login_with_the_latest_possible_expiry_is_accepted(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked)
    await client.send(*client.login_message(USER, expires_at_s=2**63 - 1))
    assert (await client.read())[0] == wire.WELCOME


async def test_login_with_a_later_expiry_than_its_token_is_refused(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked)
    changed = client.login_message(USER, expires_at_s=1)
    changed[3] = 2_000_000_000
    await client.send(*changed)
    assert await client.goodbye() == LOGIN_REFUSED


async def test_login_with_a_time_of_issue_that_its_token_has_not_is_refused(attacked: Server, dial: Dial) -> None:
    for issued_at_s in (1, 1_800_000_000, -1):
        client = await dial(attacked)
        await client.send(*client.login_message(USER), [], issued_at_s)
        assert (issued_at_s, await client.goodbye()) == (issued_at_s, LOGIN_REFUSED)


async def test_replayed_login_is_refused(attacked: Server, dial: Dial) -> None:
    first, second = await dial(attacked), await dial(attacked)
    assert first.nonce != second.nonce
    login = framed(*first.login_message(USER))
    await first.send_bytes(login)
    assert (await first.read())[0] == wire.WELCOME
    await second.send_bytes(login)
    assert await second.goodbye() == LOGIN_REFUSED


async def test_second_login_is_refused_and_the_user_stays_the_same(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked, USER)
    (group,) = await client.ask(wire.CREATE_GROUP, "name")
    for user_id in (USER, 2, BACKEND):
        assert await client.refused(wire.LOGIN, *client.login_message(user_id)[2:]) == "out_of_order"
    assert await client.ask(wire.LIST_MEMBERS, group) == [group, USER, [USER], [""], False, []]


async def test_connections_closed_during_the_login_are_removed(attacked: Server, dial: Dial) -> None:
    witness = await dial(attacked, USER)
    for sent in (b"", b"\0", b"login", b"login and more"):
        for number in range(20):
            client = await dial(attacked)
            login = framed(*client.login_message(2))
            await client.send_bytes(sent.replace(b"login", login))
            if number % 2:
                client.reset_at_close()
            client.close()
    async with wire.bounded():
        while len(attacked.app.hub.user_ids()) > 1 or len(attacked.app.listener.sessions) > 1:
            await witness.ask(wire.PING)


async def test_closed_connection_receives_nothing_more(attacked: Server, dial: Dial) -> None:
    client = await dial(attacked, USER)
    await client.send_bytes(frame_of(b""))
    assert await client.goodbye() == BAD_FRAME
    with pytest.raises(ConnectionEnded):
        await client.ask(wire.PING)
