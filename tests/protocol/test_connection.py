"""One connection, fed with literal bytes at literal times: login, heartbeat, and all that a client can do wrong."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.client_connection import ClientConnection
from protocol.codes import REFUSALS, Close, Refusal, should_reconnect
from protocol.connection import (
    DETAIL_CHARS_MAX,
    ServerConnection,
    Sizes,
    Timing,
    refused,
)
from protocol.framing import FRAMES_AT_ONCE, FrameTooLarge, frame
from protocol.messages import Goodbye, Hello, Login, Message, Ping, Pong, Refused, Welcome, codec
from protocol.tokens import mint
from tests.cases import each

NONCE = bytes(range(16))
HELLO = Hello(0, 2, NONCE, "postgres", 25_000, 8_000, 1_800_000_000_000, {"shares_max": 500})
TIMING = Timing(login_timeout_s=5.0, ping_interval_s=25.0, pong_timeout_s=8.0)
SIZES = Sizes(before_login=512, after_login=4096)
TOKEN = mint(42, 1_900_000_000, "k1", b"key")
LOGIN = Login(1, 42, 1_900_000_000, "k1", TOKEN.proof(NONCE))
T0 = 100.0

WIRE = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text())["messages"]
FROM_CLIENT = {one.__name__ for one in messages.FROM_CLIENT}
REQUEST_FRAMES = [
    bytes.fromhex(vector["frame"])
    for vector in WIRE
    if vector["message"] in FROM_CLIENT - {"Ping", "Pong", "Login"}
]


def connected() -> ServerConnection:
    """A connection that has sent its hello, at T0."""
    connection = ServerConnection(HELLO, T0, TIMING, SIZES)
    assert outgoing(connection) == [HELLO]
    return connection


def logged_in(first_ping: float = 1.0) -> ServerConnection:
    """A connection whose login was accepted, at T0."""
    connection = connected()
    assert connection.receive_data(framed(LOGIN), T0) == [LOGIN]
    connection.admit(T0, first_ping)
    return connection


def framed(message: Message) -> bytes:
    return frame(messages.encode(message))


def packed(value: object) -> bytes:
    """A frame with any MessagePack value, packed by the independent codec."""
    return frame(msgpack.packb(value))


def outgoing(connection: ServerConnection) -> list[Message]:
    """The messages that the connection sends, decoded like a client would."""
    data, found = connection.data_to_send(), []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        assert len(data) >= 4 + length
        found.append(messages.decode_from_server(data[4 : 4 + length]))
        data = data[4 + length :]
    return found


def check_closed(connection: ServerConnection, code: Close) -> Goodbye:
    """The connection is closed for this reason, one Goodbye is the last message, and no deadline is left."""
    assert connection.closing is code
    *_, goodbye = outgoing(connection)
    assert isinstance(goodbye, Goodbye)
    assert (goodbye.code, goodbye.name) == (code, code.name.lower())
    assert goodbye.reconnect is should_reconnect(code)
    assert connection.next_deadline() == math.inf
    return goodbye


def check_refused(connection: ServerConnection, seq: int, refusal: Refusal) -> Refused:
    """The connection sends one refusal and nothing else, and stays open."""
    [answer] = outgoing(connection)
    assert isinstance(answer, Refused)
    assert (answer.seq, answer.code, answer.name) == (seq, refusal, refusal.name.lower())
    assert connection.closing is None
    return answer


# --- login ----------------------------------------------------------------------------------------------------


def test_server_sends_the_hello_first() -> None:
    assert ServerConnection(HELLO, T0, TIMING, SIZES).data_to_send() == framed(HELLO)


def test_login_is_returned_to_the_caller_that_admits_it() -> None:
    connection = connected()
    assert connection.receive_data(framed(LOGIN), T0) == [LOGIN]
    assert (connection.login_seen, connection.logged_in) == (True, False)
    connection.admit(T0, first_ping=1.0)
    assert connection.logged_in
    assert outgoing(connection) == []


@each("stream", REQUEST_FRAMES)
def test_request_before_the_login_closes_the_connection(stream: bytes) -> None:
    connection = connected()
    assert connection.receive_data(stream, T0) == []
    check_closed(connection, Close.LOGIN_EXPECTED)


@pytest.mark.parametrize(
    "message",
    [[3, 1], [4, 1], [99, 1], [10, 1], [10, 1, -1, 0, "k1", b""], [10, 1, 42, 0, "k1", "text"], [21, 1, "x"]],
    ids=str,
)
def test_first_message_other_than_a_complete_login_closes_the_connection(message: list[Any]) -> None:
    connection = connected()
    assert connection.receive_data(packed(message), T0) == []
    check_closed(connection, Close.LOGIN_EXPECTED)


@pytest.mark.parametrize(
    "stream", [framed(LOGIN), framed(Ping(2)), *REQUEST_FRAMES[:3]], ids=lambda s: s[4:8].hex()
)
def test_frame_before_the_welcome_closes_the_connection(stream: bytes) -> None:
    """The user must be known first: the login is returned, a frame that follows too early closes the connection."""
    connection = connected()
    assert connection.receive_data(framed(LOGIN) + stream, T0) == [LOGIN]
    check_closed(connection, Close.LOGIN_EXPECTED)
    connection.admit(T0, first_ping=1.0)
    assert not connection.logged_in
    assert connection.next_deadline() == math.inf


def test_a_request_pipelined_behind_a_login_is_read_if_its_last_byte_comes_after_the_welcome() -> None:
    connection = connected()
    grab = framed(messages.Grab(2, 7))
    assert connection.receive_data(framed(LOGIN) + grab[:-1], T0) == [LOGIN]
    connection.admit(T0, first_ping=1.0)
    assert connection.receive_data(grab[-1:], T0) == [messages.Grab(2, 7)]


def test_second_login_is_refused() -> None:
    connection = logged_in()
    assert connection.receive_data(framed(LOGIN), T0) == []
    check_refused(connection, 1, Refusal.OUT_OF_ORDER)


# --- sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [513, 4096, 2**31, 2**32 - 1])
def test_frame_before_the_login_above_512_bytes_closes_the_connection(length: int) -> None:
    connection = connected()
    assert connection.receive_data(length.to_bytes(4, "big"), T0) == []
    goodbye = check_closed(connection, Close.FRAME_TOO_LARGE)
    assert goodbye.detail == f"frame of {length} bytes, limit 512"


@pytest.mark.parametrize("length", [4097, 2**31, 2**32 - 1])
def test_frame_after_the_login_above_4096_bytes_closes_the_connection(length: int) -> None:
    connection = logged_in()
    assert connection.receive_data(length.to_bytes(4, "big"), T0) == []
    goodbye = check_closed(connection, Close.FRAME_TOO_LARGE)
    assert goodbye.detail == f"frame of {length} bytes, limit 4096"


def test_frame_of_exactly_the_limit_is_read() -> None:
    connection = logged_in()
    text = "x" * (4096 - len(messages.encode(messages.Say(1, 7, "x" * 300))) + 300)
    stream = framed(messages.Say(1, 7, text))
    assert len(stream) == 4 + 4096
    assert connection.receive_data(stream, T0) == [messages.Say(1, 7, text)]


def test_the_requests_before_a_frame_that_is_too_large_are_not_lost() -> None:
    connection = logged_in()
    grab = messages.Grab(2, 7)
    assert connection.receive_data(framed(grab) * 2 + b"\xff\xff\xff\xff", T0) == [grab, grab]
    check_closed(connection, Close.FRAME_TOO_LARGE)


# --- frames cut anywhere --------------------------------------------------------------------------------------


@each("stream", REQUEST_FRAMES)
def test_a_request_cut_at_any_byte_is_one_request(stream: bytes) -> None:
    whole = logged_in().receive_data(stream, T0)
    assert len(whole) == 1
    for cut in range(1, len(stream)):
        connection = logged_in()
        assert connection.receive_data(stream[:cut], T0) == []
        assert connection.receive_data(stream[cut:], T0) == whole
        assert outgoing(connection) == []


def test_login_and_requests_are_read_byte_by_byte() -> None:
    connection = connected()
    got = []
    for stream in (framed(LOGIN), *REQUEST_FRAMES):
        for i in range(len(stream)):
            got += connection.receive_data(stream[i : i + 1], T0)
        if not connection.logged_in:
            connection.admit(T0, first_ping=1.0)
    assert got == [LOGIN, *logged_in().receive_data(b"".join(REQUEST_FRAMES), T0)]
    assert outgoing(connection) == []


@each("stream", REQUEST_FRAMES)
def test_a_frame_whose_message_is_cut_short_is_a_bad_frame(stream: bytes) -> None:
    payload = stream[4:]
    for size in range(len(payload)):
        connection = logged_in()
        assert connection.receive_data(frame(payload[:size]), T0) == []
        check_closed(connection, Close.BAD_FRAME)


# --- invalid messages -----------------------------------------------------------------------------------------

INVALID_MESSAGES = {
    "empty": b"",
    "not MessagePack": b"\xc1",
    "a number": msgpack.packb(21),
    "a text": msgpack.packb("grab"),
    "nil": msgpack.packb(None),
    "an empty array": msgpack.packb([]),
    "a kind alone": msgpack.packb([21]),
    "a map": msgpack.packb({"kind": 21, "seq": 1}),
    "a map with numbers as keys": msgpack.packb({0: 21, 1: 1, 2: 7}),
    "a map with a map as key": b"\x81\x80\x01",
    "a kind that is text": msgpack.packb(["21", 1, 7]),
    "a kind that is true": msgpack.packb([True, 1, 7]),
    "a kind that is a fraction": msgpack.packb([21.0, 1, 7]),
    "a kind that is nil": msgpack.packb([None, 1, 7]),
    "a seq that is true": msgpack.packb([21, True, 7]),
    "a seq that is a fraction": msgpack.packb([21, 1.0, 7]),
    "a seq that is text": msgpack.packb([21, "1", 7]),
    "a seq below 0": msgpack.packb([21, -1, 7]),
    "a seq of 33 bits": msgpack.packb([21, 2**32, 7]),
    "two messages": msgpack.packb([21, 1, 7]) * 2,
    "a message and a byte": msgpack.packb([21, 1, 7]) + b"\0",
    "a message in an array": msgpack.packb([[21, 1, 7]]),
    "text that is not UTF-8": b"\x93\x0b\x01\xa1\xff",
    "an array that announces 4 billion elements": b"\xdd\xff\xff\xff\xff\x15\x01",
    "a text that announces 4 GB": b"\x93\x0b\x01\xdb\xff\xff\xff\xff",
    "arrays in arrays, 4,000 deep": b"\x91" * 4000 + b"\x01",
    "maps in maps, 2,000 deep": b"\x81\x01" * 2000 + b"\x01",
    "a request with arrays 4,000 deep": b"\x93\x15\x01" + b"\x91" * 4000 + b"\x01",
    "a request with arrays 4,000 deep after its fields": b"\x94\x15\x01\x07" + b"\x91" * 4000 + b"\x01",
}


@pytest.mark.parametrize("payload", INVALID_MESSAGES.values(), ids=INVALID_MESSAGES.keys())
def test_invalid_message_closes_the_connection(payload: bytes) -> None:
    connection = logged_in()
    assert connection.receive_data(frame(payload) + framed(messages.Grab(2, 7)), T0) == []
    goodbye = check_closed(connection, Close.BAD_FRAME)
    assert len(goodbye.detail) <= DETAIL_CHARS_MAX


@pytest.mark.parametrize(
    "payload", [p for p in INVALID_MESSAGES.values() if len(p) <= 512], ids=lambda p: p.hex()[:20]
)
def test_invalid_message_before_the_login_closes_the_connection(payload: bytes) -> None:
    connection = connected()
    assert connection.receive_data(frame(payload), T0) == []
    check_closed(connection, Close.BAD_FRAME)


# --- unknown kinds and malformed requests ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 1, 2, 9, 60, 110, 121, 200, 255, 2**64 - 1, -1, -(2**63)])
def test_unknown_kind_is_refused_and_the_connection_stays_open(kind: int) -> None:
    """Also the kinds of the server: a client must not send them."""
    connection = logged_in()
    after = messages.GetBalance(6)
    assert connection.receive_data(packed([kind, 5, "any"]) + framed(after), T0) == [after]
    assert check_refused(connection, 5, Refusal.UNKNOWN_REQUEST).detail == f"kind {kind}"


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ([21, 5], "packet_id: it is missing"),
        ([21, 5, 0], "packet_id: expected `int` >= 1"),
        ([21, 5, -7], "`int` >= 1"),
        ([21, 5, 2**63], "`int`"),
        ([21, 5, 2**64 - 1], "`int`"),
        ([21, 5, True], "got `bool`"),
        ([21, 5, 7.0], "got `float`"),
        ([21, 5, float("nan")], "got `float`"),
        ([21, 5, "7"], "got `str`"),
        ([21, 5, None], "got `None`"),
        ([21, 5, [7]], "got `array`"),
        ([21, 5, {"packet_id": 7}], "got `object`"),
        ([21, 5, b"\x07"], "got `bytes`"),
        ([22, 5, 7], "ticket: it is missing"),
        ([22, 5, 7, 2**63], "`int`"),
        ([11, 5, b"name"], "name: expected `str`, got `bytes`"),
        ([15, 5, 7, 8], "text: expected `str`, got `int`"),
        ([20, 5, "key", "lucky", 7, 100], "shares: it is missing"),
        ([20, 5, "key", "lucky", 7, 1.5, 2], "amount_fen: expected `int`, got `float`"),
        ([25, 5, "key", 0, 100], "user_id: expected `int` >= 1"),
        ([37, 5, [[7, 8]]], "users[0][1]: expected `str`, got `int`"),
        ([42, 5, 7, 1, [8, "9"]], "joined[1]: expected `int`, got `str`"),
        ([10, 5, 42], "expires_at_s: it is missing"),
        ([21, 5, {(): 1}], "got `object`"),
        ([21, 5, msgpack.ExtType(5, b"x")], "got `ext`"),
    ],
    ids=str,
)
def test_malformed_request_is_refused_with_the_reason(message: list[Any], detail: str) -> None:
    connection = logged_in()
    after = messages.GetBalance(6)
    assert connection.receive_data(packed(message) + framed(after), T0) == [after]
    told = check_refused(connection, 5, Refusal.BAD_REQUEST).detail
    assert detail in told
    field = told.partition(": ")[0].partition("[")[0]
    assert field in codec.CLASSES_FROM_CLIENT[message[0]].__struct_fields__


def test_elements_behind_the_last_field_are_ignored() -> None:
    connection = logged_in()
    assert connection.receive_data(packed([21, 5, 7, "later", {"more": [1]}]), T0) == [messages.Grab(5, 7)]
    assert outgoing(connection) == []


def test_a_field_with_a_default_may_be_left_out() -> None:
    [sent] = logged_in().receive_data(packed([20, 5, "key", "lucky", 7, 100, 2]), T0)
    assert sent == messages.SendPacket(5, "key", "lucky", 7, 100, 2, "")


# --- heartbeat ------------------------------------------------------------------------------------------------


def test_connection_without_a_login_is_closed_after_5_seconds() -> None:
    connection = connected()
    assert connection.next_deadline() == 105.0
    connection.handle_deadline(104.999)
    assert connection.closing is None
    connection.handle_deadline(105.0)
    assert check_closed(connection, Close.LOGIN_TIMEOUT).reconnect


def test_partial_login_does_not_extend_the_login_timeout() -> None:
    connection = connected()
    connection.receive_data(framed(LOGIN)[:-1], 104.0)
    assert connection.next_deadline() == 105.0


def test_login_timeout_includes_the_check_of_the_login() -> None:
    connection = connected()
    connection.receive_data(framed(LOGIN), 104.0)
    connection.handle_deadline(105.0)
    check_closed(connection, Close.LOGIN_TIMEOUT)


@pytest.mark.parametrize(("first_ping", "due"), [(0.5, 112.5), (0.75, 118.75), (1.0, 125.0)])
def test_first_ping_is_due_after_half_to_one_interval(first_ping: float, due: float) -> None:
    connection = logged_in(first_ping)
    assert connection.next_deadline() == due
    connection.handle_deadline(due - 0.001)
    assert outgoing(connection) == []
    connection.handle_deadline(due)
    assert outgoing(connection) == [Ping(0)]


def test_a_pong_in_time_sets_the_next_ping() -> None:
    connection = logged_in()
    connection.handle_deadline(125.0)
    assert connection.next_deadline() == 133.0
    assert connection.receive_data(framed(Pong(0)), 132.9) == []
    assert connection.next_deadline() == pytest.approx(157.9)
    connection.handle_deadline(133.0)
    assert connection.closing is None


def test_connection_without_a_pong_is_closed_after_8_seconds() -> None:
    connection = logged_in()
    connection.handle_deadline(125.0)
    assert outgoing(connection) == [Ping(0)]
    connection.receive_data(framed(messages.GetBalance(2)), 132.0)  # a request is not a pong
    connection.handle_deadline(132.999)
    assert connection.closing is None
    connection.handle_deadline(133.0)
    assert check_closed(connection, Close.PING_TIMEOUT).reconnect


def test_pong_without_a_ping_changes_nothing() -> None:
    connection = logged_in()
    assert connection.receive_data(framed(Pong(0)), 110.0) == []
    assert connection.next_deadline() == 125.0
    assert outgoing(connection) == []


def test_a_clients_ping_is_answered_with_its_seq() -> None:
    connection = logged_in()
    assert connection.receive_data(framed(Ping(77)), 110.0) == []
    assert outgoing(connection) == [Pong(77)]
    assert connection.next_deadline() == 125.0


# --- closing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", Close, ids=lambda code: code.name)
def test_first_close_is_final_and_nothing_follows_it(code: Close) -> None:
    connection = logged_in()
    connection.send(messages.Balance(2, 100))
    connection.close(code, "why")
    connection.close(Close.BAD_FRAME if code is not Close.BAD_FRAME else Close.SLOW_READER)
    connection.send(messages.Balance(3, 100))
    connection.send_frame(framed(messages.Balance(0, 100)))
    connection.refuse(4, Refusal.INTERNAL)
    connection.handle_deadline(1e9)
    goodbye = Goodbye(0, code, code.name.lower(), should_reconnect(code), "why")
    assert outgoing(connection) == [messages.Balance(2, 100), goodbye]
    assert connection.receive_data(b"".join(REQUEST_FRAMES), T0) == []
    assert connection.data_to_send() == b""
    assert connection.closing is code
    assert connection.next_deadline() == math.inf


def test_a_detail_is_cut_to_200_characters() -> None:
    connection = logged_in()
    connection.close(Close.BAD_FRAME, "长" * 1_000)
    assert check_closed(connection, Close.BAD_FRAME).detail == "长" * 200
    assert refused(1, Refusal.BAD_REQUEST, "长" * 1_000).detail == "长" * 200


# --- sending --------------------------------------------------------------------------------------------------


def test_queued_messages_are_returned_together_and_once() -> None:
    connection = logged_in()
    first, second = messages.Balance(2, 100), messages.Balance(0, 50)
    connection.send(first)
    connection.send_frame(framed(second))
    assert connection.data_to_send() == framed(first) + framed(second)
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("refusal", Refusal, ids=lambda refusal: refusal.name)
def test_refusal_has_the_fields_of_its_table_row(refusal: Refusal) -> None:
    row = REFUSALS[refusal]
    assert refused(9, refusal, "why") == Refused(
        9, refusal, refusal.name.lower(), row.temporary, row.retry_after_ms, "why"
    )
    assert refused(9, refusal, retry_after_ms=123).retry_after_ms == 123


# --- arbitrary bytes ------------------------------------------------------------------------------------------

steady = settings(deadline=None, derandomize=True, database=None, print_blob=True, max_examples=150)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
kinds = st.sampled_from(sorted(messages.KINDS_FROM_CLIENT)) | st.integers(-1, 255)
requests = st.builds(lambda kind, seq, rest: packed([kind, seq, *rest]), kinds, st.integers(0, 9), st.lists(values))
streams = st.lists(st.binary() | st.binary().map(frame) | values.map(packed) | requests, max_size=6).map(b"".join)


def check_documented_state(connection: ServerConnection, found: list[Message]) -> None:
    """Open with a future deadline, or closed with a Goodbye as the last message; all messages can be decoded."""
    sent = outgoing(connection)
    goodbyes = [message for message in sent if isinstance(message, Goodbye)]
    if connection.closing is None:
        assert goodbyes == []
        assert T0 < connection.next_deadline() < math.inf
    else:
        assert goodbyes == sent[-1:]
        assert goodbyes[0].code == connection.closing
        assert connection.next_deadline() == math.inf
    allowed = set(messages.FROM_CLIENT) - {Ping, Pong}
    assert all(type(message) in allowed for message in found)


@steady
@given(data=streams, cut=st.integers(0, 200))
@example(data=packed([21, True, 7]), cut=0)
def test_after_the_login_any_bytes_leave_a_documented_state(data: bytes, cut: int) -> None:
    connection = logged_in()
    found = connection.receive_data(data[:cut], T0) + connection.receive_data(data[cut:], T0)
    check_documented_state(connection, found)
    assert Login not in map(type, found)
    assert connection.closing in {None, Close.BAD_FRAME, Close.FRAME_TOO_LARGE}


@steady
@given(data=streams, cut=st.integers(0, 200))
@example(data=framed(LOGIN) + framed(LOGIN), cut=10)
def test_before_the_login_any_bytes_leave_a_documented_state(data: bytes, cut: int) -> None:
    connection = connected()
    found = connection.receive_data(data[:cut], T0) + connection.receive_data(data[cut:], T0)
    check_documented_state(connection, found)
    assert [type(message) for message in found] in ([], [Login])
    assert connection.login_seen == bool(found)
    assert connection.closing in {None, Close.BAD_FRAME, Close.FRAME_TOO_LARGE, Close.LOGIN_EXPECTED}


# --- the client's side ----------------------------------------------------------------------------------------


def test_client_and_server_complete_login_and_heartbeat() -> None:
    server, client = ServerConnection(HELLO, T0, TIMING, SIZES), ClientConnection(TOKEN)
    assert client.receive_data(server.data_to_send()) == []
    assert client.hello == HELLO
    [login] = server.receive_data(client.data_to_send(), T0)
    assert login == Login(0, 42, 1_900_000_000, "k1", TOKEN.proof(NONCE))
    server.admit(T0, first_ping=0.5)
    server.send(Welcome(0, 42, 1_000, []))
    assert client.receive_data(server.data_to_send()) == []
    assert client.welcome == Welcome(0, 42, 1_000, [])
    server.handle_deadline(112.5)
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send(), 113.0)
    assert server.next_deadline() == 138.0


def test_client_returns_replies_and_pushes_in_order() -> None:
    client = ClientConnection(TOKEN)
    words = [messages.Balance(5, 100), messages.BalanceChanged(0, 90, -10, "send"), refused(6, Refusal.NO_TICKET)]
    stream = b"".join(map(framed, words))
    assert client.receive_data(stream[:7]) + client.receive_data(stream[7:]) == words
    client.send(messages.GetBalance(7))
    assert client.data_to_send() == framed(messages.GetBalance(7))
    assert client.data_to_send() == b""


def test_the_client_keeps_the_goodbye() -> None:
    client = ClientConnection(TOKEN)
    goodbye = Goodbye(0, Close.SHUTTING_DOWN, "shutting_down", True, "")
    assert client.receive_data(framed(goodbye)) == []
    assert client.goodbye == goodbye


def test_client_raises_on_malformed_messages_of_a_server() -> None:
    with pytest.raises(FrameTooLarge):
        ClientConnection(TOKEN).receive_data(b"\xff\xff\xff\xff")
    with pytest.raises(msgspec.DecodeError):
        ClientConnection(TOKEN).receive_data(packed([124, 0, "a balance in words"]))


def test_client_ignores_unknown_kinds_of_a_newer_server() -> None:
    client = ClientConnection(TOKEN)
    stream = packed([99, 0, "news"]) + framed(messages.Balance(5, 100))
    assert client.receive_data(stream) == [messages.Balance(5, 100)]


# --- many frames at once --------------------------------------------------------------------------------------


def test_many_frames_are_returned_in_portions_in_order() -> None:
    connection, grabs = logged_in(), [messages.Grab(seq, 7) for seq in range(2 * FRAMES_AT_ONCE + 5)]
    got = connection.receive_data(b"".join(map(framed, grabs)) + b"\xff\xff\xff\xff", T0)
    assert (len(got), connection.has_more, connection.closing) == (FRAMES_AT_ONCE, True, None)
    got += connection.receive_data(b"", T0)
    assert (len(got), connection.has_more, connection.closing) == (2 * FRAMES_AT_ONCE, True, None)
    got += connection.receive_data(b"", T0)
    assert (got, connection.has_more) == (grabs, False)
    check_closed(connection, Close.FRAME_TOO_LARGE)


def test_frames_after_a_closing_frame_are_dropped() -> None:
    connection = logged_in()
    connection.receive_data(frame(b"\xc1") + framed(Ping(1)) * 2 * FRAMES_AT_ONCE, T0)
    assert not connection.has_more
    check_closed(connection, Close.BAD_FRAME)


@pytest.mark.parametrize(
    ("stream", "unmetered"),
    [
        (framed(messages.Grab(1, 7)) * 3, 0),
        (framed(Ping(1)) * 3, 3),
        (framed(Pong(1)) * 3, 3),
        (framed(LOGIN) * 2, 2),
        (packed([21, 5, "any"]) + packed([99, 5]), 2),
    ],
    ids=["requests", "pings", "pongs", "logins", "malformed"],
)
def test_unmetered_frames_are_counted(stream: bytes, unmetered: int) -> None:
    connection = logged_in()
    connection.receive_data(stream, T0)
    assert connection.unmetered == unmetered
    connection.receive_data(framed(messages.Grab(1, 7)), T0)
    assert connection.unmetered == 0


def test_expected_pong_is_not_counted_as_unmetered() -> None:
    connection = logged_in()
    connection.handle_deadline(connection.next_deadline())
    connection.receive_data(framed(Pong(0)) * 2, connection.next_deadline() - 1)
    assert connection.unmetered == 1
