"""Every message byte by byte: the vectors, our codec and the independent `msgpack` package agree."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from protocol import messages
from protocol.codes import CLOSES, REFUSALS, Close, Refusal, should_reconnect
from protocol.messages import FROM_CLIENT, FROM_SERVER, REQUESTS, Message, kind_of
from tests.cases import each

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "wire.json").read_text())["messages"]
EVERY_CLASS = sorted({*FROM_CLIENT, *FROM_SERVER}, key=kind_of)
CLASSES = {one.__name__: one for one in EVERY_CLASS}
each_vector = each("vector", VECTORS)


def plain(value: Any) -> Any:
    """The value of a vector's array: `{"bytes": hex}` is binary, all else is as in JSON."""
    if isinstance(value, dict) and value.keys() == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    return [plain(item) for item in value] if isinstance(value, list) else value


def payload_of(vector: dict[str, Any]) -> bytes:
    """The vector's frame without its length, which must be correct."""
    framed = bytes.fromhex(vector["frame"])
    (length,) = struct.unpack(">I", framed[:4])
    assert length == len(framed) - 4
    return framed[4:]


# --- the vectors ----------------------------------------------------------------------------------------------


def test_every_message_has_a_vector() -> None:
    assert {vector["message"] for vector in VECTORS} == CLASSES.keys()


@each_vector
def test_msgpack_packs_the_vector_to_the_same_bytes_and_back(vector: dict[str, Any]) -> None:
    assert msgpack.packb(plain(vector["array"])) == payload_of(vector)
    assert msgpack.unpackb(payload_of(vector)) == plain(vector["array"])


@each_vector
def test_our_codec_reads_the_vector_and_writes_the_same_bytes(vector: dict[str, Any]) -> None:
    of = CLASSES[vector["message"]]
    decoders = [
        decode
        for classes, decode in (
            (FROM_CLIENT, messages.decode_from_client),
            (FROM_SERVER, messages.decode_from_server),
        )
        if of in classes
    ]
    for decode in decoders:
        message = decode(payload_of(vector))
        assert type(message) is of
        assert msgspec.to_builtins(message, builtin_types=(bytes,)) == plain(vector["array"])
        assert messages.encode(message) == payload_of(vector)


@each_vector
def test_a_reader_ignores_elements_behind_the_last_one_it_knows(vector: dict[str, Any]) -> None:
    longer = msgpack.packb([*plain(vector["array"]), "new", {"in": [2, 0, 30]}])
    decode = (
        messages.decode_from_server if CLASSES[vector["message"]] in FROM_SERVER else messages.decode_from_client
    )
    assert messages.encode(decode(longer)) == payload_of(vector)


# --- the tables -----------------------------------------------------------------------------------------------


def test_a_reply_is_its_request_plus_100() -> None:
    for request, reply in REQUESTS.items():
        if request is not messages.Ping:
            assert kind_of(reply) == kind_of(request) + messages.REPLY_OFFSET


def test_no_kind_has_two_meanings() -> None:
    assert len({kind_of(one) for one in EVERY_CLASS}) == len(EVERY_CLASS)


def test_every_message_class_is_in_a_table() -> None:
    tagged = {
        one
        for one in vars(messages).values()
        if isinstance(one, type) and issubclass(one, Message) and one is not Message
    }
    assert tagged == set(EVERY_CLASS)


def test_the_envelope_is_read_without_the_rest() -> None:
    assert messages.decode_envelope(msgpack.packb([99, 7, {"any": "thing"}])) == (99, 7)
    for wrong in ([99], [99, -1], [99, 2**32], [True, 1], [99, True], [99.0, 1], ["99", 1], {"kind": 99}, 99):
        with pytest.raises(msgspec.ValidationError):
            messages.decode_envelope(msgpack.packb(wrong))


# --- the codes ------------------------------------------------------------------------------------------------


def test_every_refusal_and_every_close_has_a_row() -> None:
    assert list(REFUSALS) == list(Refusal)
    assert list(CLOSES) == list(Close)


def test_permanent_refusal_has_no_retry_time() -> None:
    for row in REFUSALS.values():
        assert row.retry_after_ms == 0 or row.temporary


def test_number_range_of_a_close_tells_whether_to_reconnect() -> None:
    assert [code.name for code in Close if should_reconnect(code)] == [
        "SHUTTING_DOWN",
        "SLOW_READER",
        "PING_TIMEOUT",
        "TOO_MANY_CONNECTIONS",
        "LOGIN_TIMEOUT",
        "STORES_AWAY",
        "TOO_MANY_FAILED_LOGINS",
        "BY_OPERATOR",
    ]
    assert all(3000 <= code < 4000 for code in Close)
    assert (should_reconnect(3499), should_reconnect(3500)) == (True, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ClaimSeen", messages.ClaimNotice),
        ("ClaimsSeen", messages.ResultUpdate),
        ("Place", messages.StreamPosition),
        ("ReactionLine", messages.GrabStatLine),
        ("Reactions", messages.GrabStats),
        ("ReactionsShown", messages.GrabStatsShown),
    ],
)
def test_class_under_its_old_name_is_found_with_a_warning(old: str, new: type) -> None:
    with pytest.deprecated_call(match=f"{old} is now {new.__name__}"):
        assert getattr(messages, old) is new


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = messages.Nonsense
