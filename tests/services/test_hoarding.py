"""Users who grab and never open, against users who open, on a server with real stores; the test turns the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NoTicket
from server.clock import Clock
from tests.conftest import Connect, Server, StartServer, TurnedClock
from tests.services.conftest import MakeParty, Party

HOARDERS, USERS, SHARES = 8, 20, 2
STEP_MS = 100  # the hoarders grab at each step, before the users who open
WITHIN_MS = 4_000


async def hoard(hoarders: Sequence[Client], packet_id: int) -> list[str]:
    """Every hoarder grabs; the answers."""
    return [reply.answer for reply in await asyncio.gather(*(one.grab(packet_id) for one in hoarders))]


async def times_of_wins(
    clock: TurnedClock, connect: Connect, room: Party, packet_id: int, reconnect: bool
) -> list[int]:
    """When shares were won, in ms after the packet was hoarded."""
    hoarders, users = room.guests[:HOARDERS], room.guests[HOARDERS:]
    assert await hoard(hoarders, packet_id) == ["ticket"] * HOARDERS
    waits_ms = dict.fromkeys(users, 0)
    times: list[int] = []
    for now_ms in range(0, WITHIN_MS + STEP_MS, STEP_MS):
        clock.ahead_ms = now_ms
        if reconnect and now_ms % 1_000 == 0:
            hoarders = await come_again(connect, room.server, hoarders)
        await hoard(hoarders, packet_id)
        for user in [one for one, wait_ms in waits_ms.items() if wait_ms <= now_ms]:
            grabbed = await user.grab(packet_id)
            waits_ms[user] = now_ms + grabbed.retry_after_ms
            if grabbed.answer == "ticket":
                assert (await user.open_with(packet_id, grabbed.ticket)).answer == "won"
                times.append(now_ms)
                break
        if len(times) == SHARES:
            break
    return times


async def come_again(connect: Connect, server: Server, users: Sequence[Client]) -> list[Client]:
    """The same users, on new connections."""
    for one in users:
        await one.close()
    return [await connect(server, one.user_id) for one in users]


@pytest.mark.parametrize("reconnect", [False, True], ids=["", "and connect again"])
async def test_eight_users_who_hoard_keep_twenty_others_out_for_less_than_four_seconds(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    server_clock: TurnedClock,
    reconnect: bool,
) -> None:
    """Both shares; the packet has 2 × 4 tickets, and the 8 hold them all."""
    room = await party(await start_server(), HOARDERS + USERS)
    server_clock.stopped_ms = Clock().now_ms()
    packet_id = await room.lucky(1_000, SHARES)
    times = await times_of_wins(server_clock, connect, room, packet_id, reconnect)
    assert len(times) == SHARES, f"won at {times} ms"
    assert times[0] >= 3_000  # within the grace of the tickets no user loses one


async def test_user_whose_ticket_was_taken_receives_no_ticket_and_waits_behind_the_others(
    start_server: StartServer, party: MakeParty, server_clock: TurnedClock
) -> None:
    room = await party(await start_server(limits__tickets_per_share=1), 2)
    server_clock.stopped_ms = Clock().now_ms()
    packet_id = await room.lucky(1_000, 1)
    slow, waiter = room.guests
    first = await slow.grab(packet_id)
    server_clock.ahead_ms = 2_750
    busy = await waiter.grab(packet_id)
    assert (busy.answer, busy.retry_after_ms) == ("busy", 250)
    server_clock.ahead_ms += busy.retry_after_ms
    taken = await waiter.grab(packet_id)
    with pytest.raises(NoTicket):
        await slow.open_with(packet_id, first.ticket)
    assert (await slow.grab(packet_id)).answer == "busy"
    server_clock.ahead_ms += 5_750
    behind = await slow.grab(packet_id)
    assert (behind.answer, behind.retry_after_ms) == ("busy", 250)  # twice the grace, because one was wasted
    assert (await waiter.open_with(packet_id, taken.ticket)).answer == "won"


async def test_ticket_belongs_to_the_user_and_not_to_the_connection(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(limits__tickets_per_share=1), 2)
    packet_id = await room.lucky(1_000, 1)
    first, other = room.guests
    grabbed = await first.grab(packet_id)
    second = await connect(room.server, first.user_id)
    await first.close()
    assert (await second.grab(packet_id)).ticket == grabbed.ticket
    assert (await other.grab(packet_id)).answer == "busy"
    assert (await second.open_with(packet_id, grabbed.ticket)).answer == "won"
