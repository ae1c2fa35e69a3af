"""The cost of one address, one user or one recording for all others is bounded."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any

import psutil
import pytest

from protocol import messages
from server.core.decisions import Answer
from server.core.limits import Limits
from server.net.address_limits import AddressLimits, address_of
from tests.conftest import Server, StartServer
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.raw import (
    LOGIN_REFUSED,
    LOGIN_TIMEOUT,
    PING_TIMEOUT,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_FAILED_LOGINS,
    ConnectionEnded,
    Goodbye,
    Raw,
    framed,
)

ALICE, BOB, CAROL = 1, 2, 3
RICH_FEN = 100_000
MIB = 1 << 20
SILENT = 10
BUSY_S = 0.05
QUEUED = 100


async def fail_to_log_in(server: Server, dial: Dial, **wrong: Any) -> Goodbye:
    client = await dial(server)
    login = client.login_message(ALICE, **(wrong or {"proof": b"wrong" * 7}))
    await client.send(*login)
    return await client.goodbye()


# --- many connections at once ---------------------------------------------------------------------------------


async def test_connections_that_wait_are_accepted_many_in_a_turn_of_the_loop(start_attacked: StartServer) -> None:
    """A login behind a thousand silent connections must not wait for a thousand turns of a busy server."""
    server = await start_attacked()
    listener, port = server.app.listener, int(server.url.rsplit(":", 1)[1])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(QUEUED)]
    turns = 0
    while listener.accepted < QUEUED:
        time.sleep(BUSY_S)  # noqa: ASYNC251  the loop is busy otherwise
        await asyncio.sleep(0)
        turns += 1
    assert turns < QUEUED / 10
    for one in silent:
        one.close()
    while listener.sessions:  # noqa: ASYNC110  no event is set
        await asyncio.sleep(0.01)


# --- slow senders ---------------------------------------------------------------------------------------------


async def test_client_that_sends_single_bytes_times_out_like_a_silent_one(
    start_attacked: StartServer, dial: Dial
) -> None:
    server = await start_attacked()
    wire.use_timing(server, ping_interval_s=0.4, pong_timeout_s=0.2)
    after = await dial(server, BOB)
    wire.use_timing(server, login_timeout_s=0.4)
    before = await dial(server)
    ping = framed(wire.PING, 7)
    slow_sends = [
        asyncio.create_task(send_slowly(before, framed(*before.login_message(ALICE)))),
        asyncio.create_task(send_slowly(after, ping * 100)),
    ]
    assert await before.goodbye() == LOGIN_TIMEOUT
    assert await after.goodbye() == PING_TIMEOUT
    for one in slow_sends:
        one.cancel()


async def send_slowly(client: Raw, data: bytes) -> None:
    for byte in data:
        await client.send_bytes(bytes([byte]))
        await asyncio.sleep(0.05)


# --- clients that do not read ---------------------------------------------------------------------------------


async def test_clients_that_never_read_are_closed_and_hold_a_bounded_buffer(
    start_attacked: StartServer, dial: Dial
) -> None:
    """Ten clients do not read many pushes: each is closed, and its buffer before that is bounded."""
    server = await start_attacked(limits__outgoing_bytes_max=128 << 10)
    alice, bob = await dial(server, ALICE), await dial(server, BOB)
    (group,) = await alice.ask(wire.CREATE_GROUP, "storm")
    await bob.join(group, alice)
    silent = [await dial(server, CAROL, receive_bytes=4096) for _ in range(SILENT)]
    await silent[0].join(group, alice)
    before = psutil.Process(os.getpid()).memory_info().rss
    numbers: list[int] = []
    most = 0
    while server.app.listener.slow_readers < SILENT:
        assert len(numbers) < 10_000
        seqs = range(10_000, 10_020)
        await alice.send_bytes(b"".join(framed(wire.SAY, seq, group, "x" * 2000) for seq in seqs))
        await alice.replies(seqs)
        numbers += [(await bob.push(wire.TEXT_POSTED))[1] for _ in seqs]
        alice.pushes.clear()
        waiting = [one.transport.get_write_buffer_size() for one in server.app.listener.sessions.values()]
        most = max(most, *waiting)
    assert numbers == list(range(1, len(numbers) + 1))
    assert most <= (128 << 10) + 20 * 2100  # one turn of the event loop adds this before the check
    grown = psutil.Process(os.getpid()).memory_info().rss - before
    assert grown < 32 * MIB


# --- many from one address ------------------------------------------------------------------------------------


async def test_connections_above_the_limit_of_an_address_are_closed(start_server: StartServer, dial: Dial) -> None:
    server = await start_server(limits__connections_of_address_max=50)
    alice = await dial(server, ALICE)
    flood = [await dial(server) for _ in range(49)]
    for _ in range(200):
        assert await (await dial(server)).goodbye() == TOO_MANY_CONNECTIONS
    assert await alice.ask(wire.PING) == []
    assert len(server.app.listener.sessions) <= 51
    flood.pop().close()
    async with wire.bounded():
        while len(server.app.listener.sessions) > 49:
            await alice.ask(wire.PING)
    assert await (await dial(server, BOB)).ask(wire.PING) == []


async def test_connections_after_too_many_failed_logins_of_an_address_are_closed(
    start_server: StartServer, dial: Dial
) -> None:
    server = await start_server(
        limits__failed_logins_of_address_burst=20, limits__failed_logins_of_address_per_s=0.001
    )
    alice = await dial(server, ALICE)
    outcomes = [await fail_to_log_in(server, dial) for _ in range(20)]
    assert outcomes == [LOGIN_REFUSED] * 20
    for _ in range(50):
        assert await (await dial(server)).goodbye() == TOO_MANY_FAILED_LOGINS
    assert await alice.ask(wire.PING) == []  # existing connections stay


async def test_budget_of_failed_logins_refills(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked(
        limits__failed_logins_of_address_burst=5, limits__failed_logins_of_address_per_s=5
    )
    for _ in range(5):
        await fail_to_log_in(server, dial, expires_at_s=1)
    async with wire.bounded():
        while (await try_to_log_in(await dial(server)))[0] != wire.WELCOME:
            pass


async def try_to_log_in(client: Raw) -> list[Any]:
    await client.send(*client.login_message(BOB))
    try:
        return await client.read()
    except ConnectionEnded:
        return [0]


async def test_successful_logins_do_not_use_the_budget(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked(
        limits__failed_logins_of_address_burst=1, limits__failed_logins_of_address_per_s=0.001
    )
    for _ in range(40):
        (await dial(server, ALICE)).close()


def test_addresses_without_connections_and_failures_are_forgotten() -> None:
    addresses = AddressLimits(
        Limits(
            connections_of_address_max=2,
            failed_logins_of_address_per_s=1.0,
            failed_logins_of_address_burst=2.0,
        )
    )
    for number in range(1000):
        assert addresses.enter(number.to_bytes(4, "big"), 0.0) is None
        addresses.leave(number.to_bytes(4, "big"))
    addresses.failed(bytes(4), 0.0)
    addresses.tidy(0.5)
    assert len(addresses) == 1
    addresses.tidy(1.5)
    assert len(addresses) == 0


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("127.0.0.1", 5), b"\x7f\0\0\1"),
        (("::ffff:127.0.0.1", 5, 0, 0), b"\x7f\0\0\1"),
        (("2001:db8::1", 5, 0, 0), b"\x20\x01\x0d\xb8\0\0\0\0"),
        (("2001:db8::ffff:2", 5, 0, 0), b"\x20\x01\x0d\xb8\0\0\0\0"),
        (("fe80::1%eth0", 5, 0, 2), b"\xfe\x80\0\0\0\0\0\0"),
        ("", b""),
        (None, b""),
    ],
)
def test_an_address_is_a_host_or_an_ipv6_network(peer: object, address: bytes) -> None:
    assert address_of(peer) == address


# --- recordings -----------------------------------------------------------------------------------------------


async def test_repeated_frames_act_once_and_for_the_user_of_the_connection(
    attacked: Server, dial: Dial, sql: Any
) -> None:
    """Frames contain no user: a repetition returns the first result; another user acts only for itself."""
    backend = await dial(attacked, 0)
    for user_id in (ALICE, BOB):
        await backend.ask(wire.TOP_UP, "start", user_id, RICH_FEN)
    alice, bob = await dial(attacked, ALICE), await dial(attacked, BOB)
    (group,) = await alice.ask(wire.CREATE_GROUP, "family")
    send = framed(wire.SEND_PACKET, 5, "key", "lucky", group, 1000, 1, "")
    await alice.send_bytes(send)
    packet_id = (await alice.reply(5))[2]
    again = await dial(attacked, ALICE)
    await again.send_bytes(send * 3)
    assert [(await again.reply(5))[2] for _ in range(3)] == [packet_id] * 3
    await bob.send_bytes(send)
    assert (await bob.reply(5))[3] == "not_a_member"
    grab = framed(wire.GRAB, 6, packet_id)
    await alice.send_bytes(grab)
    ticket = (await alice.reply(6))[4]
    opening = framed(wire.OPEN, 7, packet_id, ticket)
    await bob.send_bytes(opening)
    assert (await bob.reply(7))[3] == Answer.NOT_ALLOWED
    await alice.send_bytes(opening)
    assert (await alice.reply(7))[3:5] == ["won", 1000]
    await again.send_bytes(opening * 3)
    assert [(await again.reply(7))[3:5] for _ in range(3)] == [["claimed", 1000]] * 3
    top_up = framed(wire.TOP_UP, 8, "start", ALICE, RICH_FEN)
    await backend.send_bytes(top_up * 3)
    for _ in range(3):
        assert (await backend.reply(8))[0] == wire.reply_to(wire.TOP_UP)
    await bob.send_bytes(top_up)
    assert (await bob.reply(8))[3] == "forbidden"
    assert await sql.fetchval("SELECT count(*) FROM packets") == 1
    assert await sql.fetchval("SELECT count(*) FROM claims") == 1
    assert await sql.fetchval("SELECT sum(amount_fen) FROM transfers WHERE kind = 1") == 2 * RICH_FEN


# --- many frames ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [[wire.PING, 1], [wire.PONG, 1], [wire.STOP_WATCHING, 1, 1], [wire.GRAB, 1, 1], [99, 1], [wire.LOGIN, 1]],
    ids=["ping", "pong", "stop-watching", "grab", "unknown", "login"],
)
async def test_flood_of_frames_does_not_delay_other_connections(
    start_attacked: StartServer, dial: Dial, monkeypatch: pytest.MonkeyPatch, fields: list[int]
) -> None:
    """For all frames, metered and unmetered: one connection gets only its share of the turns."""
    server = await start_attacked(limits__requests_per_s=20.0, limits__requests_burst=40.0)
    flooder, honest = await dial(server, ALICE), await dial(server, BOB)
    read, decode = [], messages.decode_from_client
    monkeypatch.setattr(messages, "decode_from_client", lambda payload: read.append(payload) or decode(payload))
    flood = asyncio.create_task(flooder.send_bytes(framed(*fields) * 50_000))
    for _ in range(5):
        await asyncio.sleep(0.05)
        await honest.ask(wire.GET_BALANCE)
    flood.cancel()
    assert len(read) < 2_000
