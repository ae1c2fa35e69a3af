"""PostgreSQL alone is dumped while users play; a server on the restored dump goes on without losing a fen.

What was told after the dump began may be missing from it, by definition. Nothing else may.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from redis import asyncio as aioredis

from client_sim.sdk.client import Client
from client_sim.sdk.pushes import Reloaded
from protocol import messages
from server.embedded.stores import postgres_program
from server.services.money.audit import Report, audit
from storage.postgres.database import Database
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import MakeParty, Party, until
from tests.upgrades.conftest import NewDatabase

GUESTS = 8
SHARES = 5  # fewer than guests: packets end, and some go away empty
PACKET_FEN = 50
PUT_IN_FEN = 100_000
# as docs/operations.md has it
MAKE_CLIENTS_RELOAD = """
    INSERT INTO streams SELECT user_id, 0 FROM wallets ON CONFLICT DO NOTHING;
    UPDATE streams SET last_message = last_message + 1000000;
"""
SENDER = 1
BUSY_S = 60  # whatever else the machine has to do


class Win(NamedTuple):
    """A share that somebody was told to have won."""

    packet_id: int
    user_id: int
    index: int
    amount_fen: int


class Evening:
    """Packets all the time; what users were told, in order."""

    def __init__(self, room: Party) -> None:
        self.room = room
        self.packets: list[int] = []
        self.wins: list[Win] = []
        self.is_over = False

    async def play(self) -> None:
        """Until it is over. Of three packets one is left half opened, one alone."""
        for number in itertools.count():
            if self.is_over:
                return
            packet_id = await self.room.lucky(PACKET_FEN, SHARES)
            self.packets.append(packet_id)
            guests = self.room.guests[: (GUESTS, 3, 0)[number % 3]]
            await asyncio.gather(*(self._opens(guest, packet_id) for guest in guests))
            await asyncio.sleep(0.005)  # the money lasts for 2,000 packets

    async def _opens(self, guest: Client, packet_id: int) -> None:
        told = await guest.open(packet_id)
        if told.answer != "gone":  # "claimed": the SDK asked again, as when a busy disk holds the record up
            self.wins.append(Win(packet_id, guest.user_id, told.index, told.amount_fen))

    async def goes_on(self) -> None:
        """Twenty more wins are told."""
        enough = len(self.wins) + 20
        await until(lambda: _is(len(self.wins) >= enough), BUSY_S)


async def _is(holds: bool) -> bool:
    return holds


async def run(program: str, *words: str | Path) -> None:
    """One of PostgreSQL's programs, to a good end."""
    process = await asyncio.create_subprocess_exec(postgres_program(program), *words)
    assert await process.wait() == 0


@pytest.mark.parametrize("redis_is", ["empty", "kept"])
async def test_dump_of_postgresql_under_load_restores_every_acknowledged_claim(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    new_database: NewDatabase,
    postgres_dsn: str,
    redis: aioredis.Redis,
    tmp_path: Path,
    redis_is: str,
) -> None:
    server = await start_server()
    evening = Evening(await party(server, GUESTS))
    playing = asyncio.create_task(evening.play())
    await evening.goes_on()
    before, packets_before = list(evening.wins), list(evening.packets)
    dump = tmp_path / "books.dump"
    await run("pg_dump", "--format=custom", f"--file={dump}", postgres_dsn)
    await evening.goes_on()
    seen = evening.room.guests[0].positions  # more than there will be
    evening.is_over = True
    await playing
    await server.kill()

    restored = await new_database()
    await run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored}", dump)
    await run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--command={MAKE_CLIENTS_RELOAD}", restored)
    if redis_is == "empty":
        await redis.flushall()
    again = await start_server(stores__postgres=restored)
    await a_client_that_saw_more_goes_on(again, connect, seen, evening.room.group)
    claims, packets = await in_the_books(restored)
    assert set(before) <= claims
    assert set(packets_before) <= packets
    assert claims <= set(evening.wins)  # or somebody would be paid who was told nothing
    told = await all_open_everything(again, connect, sorted(packets))
    kept = set(evening.wins) if redis_is == "kept" else claims
    assert_nobody_wins_twice(told, {win for win in kept if win.packet_id in packets}, packets)
    found = await the_books_when_all_is_settled(restored)
    assert [line for finding in found.findings for line in finding.discrepancies] == []
    assert found.sums.put_in_fen == PUT_IN_FEN
    assert found.sums.wallets_fen == PUT_IN_FEN  # every packet is opened to its end


@asynccontextmanager
async def books(dsn: str) -> AsyncIterator[Database]:
    """A database, as the program reaches it."""
    database = Database(dsn, pool_max=1, timeout_s=10)
    await database.open()
    yield database
    await database.close()


async def in_the_books(dsn: str) -> tuple[set[Win], set[int]]:
    """All claims and all packets."""
    async with books(dsn) as database, database.reading() as connection:
        rows = await connection.fetch("SELECT packet_id, user_id, index, amount_fen FROM claims")
        packets = await connection.fetch("SELECT packet_id FROM packets")
    return {Win(*row) for row in rows}, {row["packet_id"] for row in packets}


async def a_client_that_saw_more_goes_on(
    server: Server, connect: Connect, seen: dict[int, int], group_id: int
) -> None:
    """Numbers of messages begin anew behind the dump; a client would take them for those that it has."""
    guest = await connect(server, SENDER + 1, positions=seen)
    pushes = guest.pushes()
    async with asyncio.timeout(BUSY_S):
        while not isinstance(await anext(pushes), Reloaded):
            pass
        await (await connect(server, SENDER)).say(group_id, "we are back")
        while not isinstance(await anext(pushes), messages.TextPosted):
            pass


async def all_open_everything(server: Server, connect: Connect, packets: list[int]) -> dict[str, list[Win]]:
    """Everybody opens every packet; what they were told, by answer."""
    told: dict[str, list[Win]] = {"won": [], "claimed": [], "gone": []}
    guests = [await connect(server, SENDER + 1 + number) for number in range(GUESTS)]
    for packet_id in packets:
        for guest, opened in zip(
            guests, await asyncio.gather(*(one.open(packet_id) for one in guests)), strict=True
        ):
            told[opened.answer].append(Win(packet_id, guest.user_id, opened.index, opened.amount_fen))
    return told


def assert_nobody_wins_twice(told: dict[str, list[Win]], kept: set[Win], packets: set[int]) -> None:
    """Who had a share has that one; the others share what is left, all of it.

    A new share is told as claimed when the SDK had to ask again.
    """
    everything = [*told["claimed"], *told["won"]]
    assert kept <= set(told["claimed"])
    assert told["won"]
    assert len(everything) == len(packets) * SHARES
    assert len({(win.packet_id, win.user_id) for win in everything}) == len(everything)
    assert sum(win.amount_fen for win in everything) == len(packets) * PACKET_FEN


async def the_books_when_all_is_settled(dsn: str) -> Report:
    async with books(dsn) as database:

        async def nothing_waits() -> bool:
            async with database.reading() as connection:
                return bool(await connection.fetchval("SELECT NOT EXISTS (SELECT FROM settlement_queue)"))

        await until(nothing_waits, BUSY_S)
        return await audit(database)
