"""Frames of WebSocket: messages whole and in fragments, pings, closes, and what ends the connection."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import messages
from protocol.connection import ServerConnection, Sizes, Timing
from protocol.framing import FRAMES_AT_ONCE, Framing, FramingError
from protocol.websocket import WebSocketClientFraming, WebSocketFraming, answer, frame
from tests.cases import each
from tests.conftest import PATIENCE_S, Server, StartServer
from tests.websocket.conftest import LISTEN, dial_websocket
from tests.websocket.raw import (
    BINARY,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    WebSocketRaw,
    ws_frame,
)
from tests.wire import raw as wire
from tests.wire.raw import BAD_FRAME, FRAME_TOO_LARGE

ALICE = 101
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text())["messages"]
BALANCE = msgpack.packb([wire.GET_BALANCE, 7])

BAD: dict[str, tuple[bytes, wire.Goodbye]] = {
    "text": (ws_frame(BALANCE, TEXT), BAD_FRAME),
    "text in fragments": (ws_frame(b"a", TEXT, 0) + ws_frame(b"b", CONTINUATION), BAD_FRAME),
    "not masked": (ws_frame(BALANCE, mask=None), BAD_FRAME),
    "compressed": (ws_frame(BALANCE, first=FIN | COMPRESSED), BAD_FRAME),
    "reserved bit": (ws_frame(BALANCE, first=FIN | 0x10), BAD_FRAME),
    "unknown opcode": (ws_frame(BALANCE, 3), BAD_FRAME),
    "continuation of nothing": (ws_frame(BALANCE, CONTINUATION), BAD_FRAME),
    "a new message inside another": (ws_frame(b"a", first=0) + ws_frame(b"b"), BAD_FRAME),
    "ping in fragments": (ws_frame(b"", PING, 0), BAD_FRAME),
    "a long ping": (ws_frame(bytes(126), PING), BAD_FRAME),
    "a close of one byte": (ws_frame(b"a", CLOSE), BAD_FRAME),
    "a close with a reserved code": (ws_frame(struct.pack(">H", 1005), CLOSE), BAD_FRAME),
    "a close that is not UTF-8": (ws_frame(struct.pack(">H", 1000) + b"\xff", CLOSE), BAD_FRAME),
    "an empty message": (ws_frame(b""), BAD_FRAME),
    "not MessagePack": (ws_frame(b"\xc1"), BAD_FRAME),
    "a frame of TCP": (ws_frame(wire.frame(BALANCE)), BAD_FRAME),
    "two messages in one frame": (ws_frame(BALANCE + BALANCE), BAD_FRAME),
    "one byte too many": (ws_frame(bytes(4097)), FRAME_TOO_LARGE),
    "the head of a huge frame": (ws_frame(bytes(1 << 20))[:14], FRAME_TOO_LARGE),
    "the largest length": (bytes([FIN | BINARY, 0xFF]) + b"\x7f" + b"\xff" * 7, FRAME_TOO_LARGE),
    "too large in fragments": (ws_frame(bytes(4000), first=0) + ws_frame(bytes(97), CONTINUATION), FRAME_TOO_LARGE),
}


async def test_bad_frame_ends_the_connection_with_its_goodbye_and_close_code(server: Server) -> None:
    for case, (data, goodbye) in BAD.items():
        client = await dial_websocket(server, ALICE)
        await client.send_bytes(ws_frame(msgpack.packb([wire.PING, 7])) + data)
        assert await client.read() == [wire.PONG, 7], case  # what came before it is answered
        assert await client.goodbye() == goodbye, case
        assert client.closed == (goodbye.code, goodbye.name), case


async def test_messages_before_the_login_are_smaller(server: Server) -> None:
    client = await dial_websocket(server)
    await client.send_bytes(ws_frame(bytes(513)))
    assert await client.goodbye() == FRAME_TOO_LARGE


async def test_backend_may_send_larger_messages(server: Server) -> None:
    backend = await dial_websocket(server, 0)
    users = [[user_id, f"name {user_id}"] for user_id in range(1, 500)]
    assert len(msgpack.packb(users)) > 4096
    await backend.ask(wire.PUT_USERS, users)


@each("size", [1, 2, 3, 100])
async def test_message_may_come_in_fragments_with_pings_between_them(server: Server, size: int) -> None:
    client = await dial_websocket(server, ALICE)
    payload = msgpack.packb([wire.CREATE_GROUP, 1, "a" * 60])
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)] + [b""]
    for number, piece in enumerate(pieces):
        opcode = CONTINUATION if number else BINARY
        await client.send_bytes(ws_frame(piece, opcode, FIN if number == len(pieces) - 1 else 0))
        await client.send_bytes(ws_frame(bytes([number]), PING))
    client.last_seq = 1
    assert (await client.reply(1))[0] == wire.reply_to(wire.CREATE_GROUP)
    await client.ask(wire.GET_BALANCE)
    assert client.pongs == [bytes([number]) for number in range(len(pieces))]


async def test_heartbeat_is_that_of_tcp_and_a_pong_of_websocket_is_none(start_server: StartServer) -> None:
    server = await start_server(**LISTEN)
    wire.use_timing(server, ping_interval_s=0.2, pong_timeout_s=PATIENCE_S)
    client = await dial_websocket(server, ALICE)
    assert (await client.read())[0] == wire.PING
    (session,) = server.app.listener.sessions.values()
    connection = session.connection
    connection._timing = connection._timing._replace(pong_timeout_s=0.2)  # of the next ping
    await client.send(wire.PONG, 0)
    assert (await client.read())[0] == wire.PING
    await client.send_bytes(ws_frame(b"", PONG))
    assert await client.goodbye() == wire.PING_TIMEOUT
    assert client.closed == (3002, "ping_timeout")


async def test_close_of_the_client_is_answered_and_counts_for_nothing(server: Server) -> None:
    client = await dial_websocket(server, ALICE)
    await client.send_bytes(ws_frame(struct.pack(">H", 1001) + b"bye", CLOSE) + ws_frame(BALANCE))
    assert await client.read_frame() == (CLOSE, struct.pack(">H", 1000))
    await client.at_end()
    assert server.app.operations.status()["closes"] == {}


async def test_half_a_message_at_the_end_of_the_stream_leaves_nothing(server: Server) -> None:
    halves = (ws_frame(BALANCE)[:3], ws_frame(BALANCE, first=0), ws_frame(bytes(4000))[:2000])
    for half in halves:
        client = await dial_websocket(server, ALICE)
        await client.send_bytes(half)
        client.close()
    for part in (b"GET", b""):
        silent = await WebSocketRaw.open(server)
        await silent.send_bytes(part)
        silent.close()
    async with wire.bounded():
        while server.app.listener.sessions:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert server.app.hub.user_ids() == []
    server.app.listener.addresses.tidy(float("inf"))
    assert len(server.app.listener.addresses) == 0


async def test_shutdown_closes_with_the_code_of_the_goodbye(start_server: StartServer) -> None:
    server = await start_server(**LISTEN)
    client, waiting = await dial_websocket(server, ALICE), await WebSocketRaw.open(server)
    await waiting.send_bytes(b"GET")
    async with wire.bounded():
        while len(server.app.listener.sessions) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await server.stop()
    assert await client.goodbye() == wire.SHUTTING_DOWN
    assert client.closed == (3000, "shutting_down")
    assert (await waiting.answer())[::2] == (503, b"shutting_down\n")
    waiting.close()


@pytest.mark.parametrize(
    "flood",
    [ws_frame(b"", PING), ws_frame(b"", PONG), ws_frame(b"", CONTINUATION, 0)],
    ids=["pings", "pongs", "empty fragments"],
)
async def test_flood_of_frames_without_a_message_pauses_its_connection(
    start_server: StartServer, flood: bytes
) -> None:
    server = await start_server(**LISTEN, limits__requests_per_s=20, limits__requests_burst=40)
    client = await dial_websocket(server, ALICE)
    start = ws_frame(b"", BINARY, 0) if flood == ws_frame(b"", CONTINUATION, 0) else b""
    await client.send_bytes(start + flood * 150)  # not so many that they are served in turns
    (session,) = server.app.listener.sessions.values()
    async with wire.bounded():
        while not session.reading.paused:  # noqa: ASYNC110
            await asyncio.sleep(0)


# --- the vectors ----------------------------------------------------------------------------------------------


def server_side(framing: Framing | None) -> ServerConnection:
    """A connection that is logged in."""
    hello = messages.Hello(0, 2, bytes(16), "postgres", 1, 1, 0, {})
    connection = ServerConnection(hello, 0.0, Timing(), Sizes(before_login=1 << 20, after_login=1 << 20), framing)
    connection.login_seen = True
    connection.admit(0.0, 1.0)
    connection.data_to_send()
    return connection


@each("vector", VECTORS)
def test_vector_travels_over_websocket_as_over_tcp(vector: dict[str, Any]) -> None:
    framed = bytes.fromhex(vector["frame"])
    payload, kind = framed[4:], msgpack.unpackb(framed[4:])[0]
    if kind in messages.KINDS_FROM_CLIENT:
        tcp, websocket = server_side(None), server_side(WebSocketFraming())
        assert websocket.receive_data(ws_frame(payload), 0.0) == tcp.receive_data(framed, 0.0)
        assert websocket.closing == tcp.closing
    if kind in messages.KINDS_FROM_SERVER:
        payloads: list[bytes] = []
        client = client_side()
        client.take(frame(payload), payloads)
        assert payloads == [payload]


def client_side() -> WebSocketClientFraming:
    """The framing of a client after the upgrade."""
    client = WebSocketClientFraming("ws://localhost")
    client.frame_bytes_max = 1 << 20
    client.take(answer(client.take_control(), ()).response, [])
    return client


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20])
def test_payload_of_each_size_reaches_the_other_side(size: int) -> None:
    payload, at_client, at_server = bytes(size), [], []  # type: ignore[var-annotated]
    client, server = client_side(), WebSocketFraming()
    server.frame_bytes_max = size
    client.take(server.frame(payload), at_client)
    server.take(client.frame(payload), at_server)
    while server.unread:
        server.take(b"", at_server)
    while client.unread:
        client.take(b"", at_client)
    assert at_client == at_server == [payload]


def test_very_many_frames_of_one_read_are_taken_in_turns() -> None:
    framing, payloads = WebSocketFraming(), []  # type: ignore[var-annotated]
    framing.frame_bytes_max = 10
    pings = framing.take(ws_frame(b"", PING) * 10_000, payloads)
    assert FRAMES_AT_ONCE <= pings < FRAMES_AT_ONCE + 341
    assert framing.unread
    connection = server_side(WebSocketFraming())
    found = connection.receive_data(ws_frame(BALANCE) * 1000, 0.0)
    while connection.has_more:
        found += connection.receive_data(b"", 0.0)
    assert len(found) == 1000


@given(st.lists(st.binary(max_size=40) | st.builds(ws_frame, st.binary(max_size=40), st.integers(0, 15))))
def test_any_bytes_are_messages_or_a_bad_frame(chunks: list[bytes]) -> None:
    framing, payloads = WebSocketFraming(), []  # type: ignore[var-annotated]
    framing.frame_bytes_max = 32
    try:
        for chunk in chunks:
            framing.take(chunk, payloads)
    except FramingError:
        assert framing.unread == b""
    assert all(len(payload) <= 32 for payload in payloads)
    assert sum(map(len, framing._parts)) <= 32


pieces = st.lists(
    st.builds(
        ws_frame,
        st.binary(max_size=40) | st.sampled_from([bytes(125), bytes(126), bytes(300)]),
        st.sampled_from([BINARY, BINARY, BINARY, CONTINUATION, PING, TEXT, CLOSE]),
        st.sampled_from([FIN, FIN, FIN, 0, FIN | COMPRESSED]),
        st.sampled_from([b"\x01\x02\x03\x04", bytes(4), None]),
    )
    | st.binary(max_size=10)
    | st.just(bytes([FIN | BINARY, 0xFE, 0, 3]) + bytes(7)),  # a size in more bytes than it needs
    max_size=8,
)


def taken(framing: WebSocketFraming, chunks: list[bytes]) -> tuple[list[bytes], str, bytes, bool]:
    """Messages, the fault, what is to be sent, and whether the client has ended it."""
    payloads: list[bytes] = []
    fault = ""
    framing.frame_bytes_max = 200
    try:
        for chunk in chunks:
            framing.take(chunk, payloads)
    except FramingError as error:
        fault = str(error)
    return payloads, fault, framing.take_control(), framing.ended


@given(pieces, st.lists(st.integers(0, 400), max_size=6))
def test_small_frames_are_taken_as_the_library_takes_them(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frames)
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    chunks = [data[start:stop] for start, stop in itertools.pairwise(places)]
    by_library = WebSocketFraming()
    by_library._owed = 1 << 30
    assert taken(WebSocketFraming(), chunks) == taken(by_library, chunks)


def test_small_frame_of_a_later_read_ends_no_message_in_fragments() -> None:
    framing, payloads = WebSocketFraming(), []  # type: ignore[var-annotated]
    framing.frame_bytes_max = 200
    framing.take(ws_frame(b"a", first=0), payloads)
    with pytest.raises(FramingError):
        framing.take(ws_frame(b"b"), payloads)
    assert payloads == []


@given(st.binary(max_size=400))
def test_any_request_gets_an_answer_of_http(head: bytes) -> None:
    made = answer(head + b"\r\n\r\n", ())
    assert made.response.startswith(b"HTTP/1.1 ")
    assert not made.is_accepted
