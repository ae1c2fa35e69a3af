"""Connections that are silent, do not read or exceed a limit are closed as documented; others are not affected."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import PATIENCE_S, Server, StartServer
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.raw import (
    LOGIN_TIMEOUT,
    PING_TIMEOUT,
    SHUTTING_DOWN,
    TOO_MANY_CONNECTIONS,
    ConnectionEnded,
    Raw,
    framed,
)

ALICE, BOB, SLOW = 1, 2, 3
TEXT = "x" * 2000
READS_ARE_FREE: dict[str, Any] = {  # the budget of a user would end the replies before the buffers are full
    "limits__read_bytes_per_s": 1_000_000_000,
    "limits__read_bytes_burst": 1_000_000_000,
}
FAST_PINGS = {"limits__ping_interval_s": 0.3, "limits__pong_timeout_s": 0.3}
LITTLE = 4096  # bytes in the socket of a client that does not read
MUCH = 1 << 28


async def say(client: Raw, group: int, count: int, at_once: int = 50) -> None:
    """Send many texts to a group, in portions, so that the server never waits until we read."""
    for first in range(10_000, 10_000 + count, at_once):
        seqs = range(first, first + at_once)
        await client.send_bytes(b"".join(framed(wire.SAY, seq, group, TEXT) for seq in seqs))
        assert {reply[0] for reply in await client.replies(seqs)} == {wire.reply_to(wire.SAY)}


async def until_alone(server: Server, witness: Raw) -> None:
    """Wait until only the witness is connected. Bounded."""
    async with wire.bounded():
        while len(server.app.listener.sessions) != 1:
            await witness.ask(wire.PING)


async def ask_for_more_than_fits(slow: Raw, group: int) -> None:
    """Ask for some megabytes: more than the server can send while we do not read."""
    await slow.send_bytes(b"".join(framed(wire.CATCH_UP, seq, group, 0) for seq in range(1, 41)))


# --- pings ----------------------------------------------------------------------------------------------------


async def test_client_that_answers_pings_stays_connected(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked(**FAST_PINGS)
    wire.use_timing(server, ping_interval_s=0.2, pong_timeout_s=PATIENCE_S)
    client = await dial(server, ALICE)
    assert client.hello[5:7] == [200, PATIENCE_S * 1000]
    for _ in range(4):
        assert await client.read() == [wire.PING, 0]
        await client.send(wire.PONG, 0)
    assert await client.ask(wire.PING) == []


async def test_client_without_a_pong_is_closed(start_attacked: StartServer, dial: Dial) -> None:
    client = await dial(await start_attacked(**FAST_PINGS), ALICE)
    assert await client.read() == [wire.PING, 0]
    assert await client.goodbye() == PING_TIMEOUT


async def test_other_messages_do_not_count_as_a_pong(start_attacked: StartServer, dial: Dial) -> None:
    client = await dial(await start_attacked(**FAST_PINGS), ALICE)
    async with wire.bounded():
        while (await client.read())[0] != wire.GOODBYE:  # each reply is followed by two more requests
            await client.send_bytes(framed(wire.PING, 7) + framed(wire.GET_BALANCE, 8))
    with pytest.raises(ConnectionEnded):
        await client.read()


async def test_pong_before_its_ping_does_not_count(start_attacked: StartServer, dial: Dial) -> None:
    client = await dial(await start_attacked(**FAST_PINGS), ALICE)
    for _ in range(100):
        await client.send(wire.PONG, 0)
    assert await client.read() == [wire.PING, 0]
    assert await client.goodbye() == PING_TIMEOUT


async def test_connection_without_a_login_is_closed(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked(limits__login_timeout_s=0.3)
    silent, slow = await dial(server), await dial(server)
    login = framed(*slow.login_message(ALICE))
    await slow.send_bytes(login[:-1])
    assert await silent.goodbye() == LOGIN_TIMEOUT
    assert await slow.goodbye() == LOGIN_TIMEOUT


# --- clients that do not read ---------------------------------------------------------------------------------


async def test_slow_reader_of_pushes_is_closed_and_others_receive_all(
    start_attacked: StartServer, dial: Dial
) -> None:
    server = await start_attacked(limits__outgoing_bytes_max=1 << 16)
    alice, bob = await dial(server, ALICE), await dial(server, BOB)
    slow = await dial(server, SLOW, receive_bytes=LITTLE)
    (group,) = await alice.ask(wire.CREATE_GROUP, "family")
    for client in (bob, slow):
        await client.join(group, alice)
    numbers: list[int] = []
    async with wire.bounded():
        while not server.app.listener.slow_readers:
            await say(alice, group, 20, at_once=20)
            numbers += [(await bob.push(wire.TEXT_POSTED))[1] for _ in range(20)]
    assert numbers == list(range(1, len(numbers) + 1))
    await slow.skip_to_end()
    assert len(server.app.listener.sessions) == 2


async def test_slow_reader_of_replies_is_closed(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked(limits__outgoing_bytes_max=1 << 16, **READS_ARE_FREE)
    alice = await dial(server, ALICE)
    (group,) = await alice.ask(wire.CREATE_GROUP, "family")
    await say(alice, group, 200, at_once=20)
    slow = await dial(server, ALICE, receive_bytes=LITTLE)
    await ask_for_more_than_fits(slow, group)
    await until_alone(server, alice)


async def start_with_slow_reader(start: StartServer, dial: Dial) -> tuple[Server, Raw, Raw]:
    """A server, a witness, and a client that does not read the many replies that wait for it."""
    server = await start(limits__outgoing_bytes_max=MUCH, **FAST_PINGS)
    alice = await dial(server, ALICE)
    (group,) = await alice.ask(wire.CREATE_GROUP, "family")
    await say(alice, group, 200)
    slow = await dial(server, ALICE, receive_bytes=LITTLE)
    await ask_for_more_than_fits(slow, group)
    while (message := await slow.read())[0] != wire.reply_to(wire.CATCH_UP):
        assert message[0] == wire.PING  # the last ping that this client answers
        await slow.send(wire.PONG, 0)
    return server, alice, slow


async def test_client_that_never_reads_is_removed_after_the_goodbye(
    start_attacked: StartServer, dial: Dial
) -> None:
    """Bytes that wait for such a client must not keep its connection open, or a few of them fill the server."""
    server, alice, _ = await start_with_slow_reader(start_attacked, dial)
    await until_alone(server, alice)


async def test_client_that_never_reads_is_removed_after_its_half_close(
    start_attacked: StartServer, dial: Dial
) -> None:
    server, alice, slow = await start_with_slow_reader(start_attacked, dial)
    slow.send_no_more()
    await until_alone(server, alice)


# --- the limit of connections, and the shutdown ---------------------------------------------------------------


async def test_connection_above_the_limit_is_closed(start_server: StartServer, dial: Dial) -> None:
    server = await start_server(limits__connections_max=2)
    alice, bob = await dial(server, ALICE), await dial(server)
    for _ in range(3):
        assert await (await dial(server)).goodbye() == TOO_MANY_CONNECTIONS
    assert await alice.ask(wire.PING) == []
    bob.close()
    await until_alone(server, alice)
    assert await (await dial(server, BOB)).ask(wire.PING) == []


async def test_shutdown_is_announced_on_all_connections(start_server: StartServer, dial: Dial) -> None:
    server = await start_server()
    clients = [await dial(server, ALICE), await dial(server, BOB), await dial(server)]
    stopping = asyncio.create_task(server.stop())
    assert [await client.goodbye() for client in clients] == [SHUTTING_DOWN] * 3
    await stopping
