"""PostgreSQL freezes while requests are in flight: each client receives a temporary error before any timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bench.chaos.proxy import Proxy
from protocol import messages
from server import embedded
from tests.conftest import PATIENCE_S, StartServer
from tests.outages.test_stores_away import (
    TEMPORARY,
    Outage,
    frozen,
    long_statements,
    nothing_waits,
    patient_send,
    refusal,
    send,
    stalled,
)
from tests.services.conftest import MakeParty, Party, until

__all__ = ["long_statements"]

BooksBalance = Callable[[], Awaitable[None]]
ROUNDS_S = (0.0, 0.1, 0.3, 0.5, 0.8)  # before, around and after the moment at which the server detects the outage


@pytest.mark.usefixtures("long_statements")
@pytest.mark.parametrize("durability", ["postgres", "redis"])
@pytest.mark.parametrize("outage", [stalled, frozen])
async def test_requests_in_flight_when_postgres_freezes_are_broken_off(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    stores: embedded.StoreAddresses,
    books_balance: BooksBalance,
    outage: Outage,
    durability: str,
) -> None:
    """The effect of these requests is unknown; a retry with the same keys, tickets and packets finds it out."""
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, stores__durability=durability), len(ROUNDS_S))
    loaded, unloaded = await room.lucky(1_000, 5), await room.lucky(1_000, 5)
    for guest in room.guests:
        assert (await guest.grab(loaded)).ticket
    del room.server.app.services.live_packets._by_id[unloaded]
    async with outage(proxy, stores), asyncio.timeout(PATIENCE_S):
        rounds = await asyncio.gather(
            *(requests(room, number, loaded, unloaded, durability) for number in range(5))
        )
    assert {name for answers in rounds for name in answers} <= TEMPORARY, rounds
    again = await asyncio.gather(*(patient_send(room, f"k{number}") for number in range(5)))
    assert len({sent.packet_id for sent in again}) == 5
    for packet_id in (loaded, unloaded):
        opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
        assert {one.answer for one in opened} <= {"won", "claimed"}
        assert sum(one.amount_fen for one in opened) == 1_000

    async def done() -> bool:
        return nothing_waits(room.server)

    await until(done)
    await books_balance()


async def requests(room: Party, number: int, loaded: int, unloaded: int, durability: str) -> list[str]:
    """At once: a send, an open, a grab of a packet that must be loaded, and two requests without a batch."""
    await asyncio.sleep(ROUNDS_S[number])
    guest = room.guests[number]
    asked: list[Awaitable[object]] = [
        send(room.sender, room.group, f"k{number}"),
        guest._ask(messages.Grab(0, unloaded), messages.Grabbed),
        guest.balance(),
        guest.say(room.group, "hello?"),
    ]
    if durability == "postgres":
        asked.append(guest.open(loaded, patience_s=0))
    return await asyncio.gather(*(refusal(one) for one in asked))
