"""Only PostgreSQL is dumped, while users open packets; a server on the restored dump continues and loses no fen.

Results that were acknowledged after the start of the dump may be missing, by definition. Nothing else may.
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
from tests.conftest import SEED_KEYS, Connect, Server, StartServer
from tests.services.conftest import MakeParty, Party, until
from tests.upgrades.conftest import NewDatabase

GUESTS = 8
SHARES = 5  # fewer than guests: packets finish, and some guests get no share
PACKET_FEN = 50
PUT_IN_FEN = 100_000
# as docs/operations.md has it
MAKE_CLIENTS_RELOAD = """
    INSERT INTO streams SELECT user_id, 0 FROM wallets ON CONFLICT DO NOTHING;
    UPDATE streams SET last_message = last_message + 1000000;
"""
SENDER = 1
BUSY_S = 60  # for a busy machine


class Win(NamedTuple):
    """A share that a client received."""

    packet_id: int
    user_id: int
    index: int
    amount_fen: int


class Workload:
    """Sends packets continuously; keeps the shares that users received, in order."""

    def __init__(self, room: Party) -> None:
        self.room = room
        self.packets: list[int] = []
        self.wins: list[Win] = []
        self.is_stopped = False

    async def run_until_stopped(self) -> None:
        """Send until stopped. Of three packets one is opened by all, one by some, one by none."""
        for number in itertools.count():
            if self.is_stopped:
                return
            packet_id = await self.room.lucky(PACKET_FEN, SHARES)
            self.packets.append(packet_id)
            guests = self.room.guests[: (GUESTS, 3, 0)[number % 3]]
            await asyncio.gather(*(self._opens(guest, packet_id) for guest in guests))
            await asyncio.sleep(0.005)  # the money lasts for 2,000 packets

    async def _opens(self, guest: Client, packet_id: int) -> None:
        opened = await guest.open(packet_id)
        if opened.answer != "gone":  # "claimed": the SDK has retried, for example because of a busy disk
            self.wins.append(Win(packet_id, guest.user_id, opened.index, opened.amount_fen))

    async def more_wins(self) -> None:
        """Wait for twenty more wins."""
        enough = len(self.wins) + 20
        await until(lambda: _is(len(self.wins) >= enough), BUSY_S)


async def _is(holds: bool) -> bool:
    return holds


async def run(program: str, *words: str | Path) -> None:
    """Run one of PostgreSQL's programs; it must succeed."""
    process = await asyncio.create_subprocess_exec(postgres_program(program), *words)
    assert await process.wait() == 0


@pytest.mark.parametrize("redis_data", ["empty", "kept"])
async def test_dump_of_postgresql_under_load_restores_every_acknowledged_claim(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    new_database: NewDatabase,
    postgres_dsn: str,
    redis: aioredis.Redis,
    tmp_path: Path,
    redis_data: str,
) -> None:
    server = await start_server()
    workload = Workload(await party(server, GUESTS))
    running = asyncio.create_task(workload.run_until_stopped())
    await workload.more_wins()
    before, packets_before = list(workload.wins), list(workload.packets)
    dump = tmp_path / "books.dump"
    await run("pg_dump", "--format=custom", f"--file={dump}", postgres_dsn)
    await workload.more_wins()
    seen = workload.room.guests[0].positions  # later than the last messages of the dump
    workload.is_stopped = True
    await running
    await server.kill()

    restored = await new_database()
    await run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored}", dump)
    await run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--command={MAKE_CLIENTS_RELOAD}", restored)
    if redis_data == "empty":
        await redis.flushall()
    again = await start_server(stores__postgres=restored)
    await check_client_with_later_positions_reloads(again, connect, seen, workload.room.group)
    claims, packets = await recorded_claims_and_packets(restored)
    assert set(before) <= claims
    assert set(packets_before) <= packets
    assert claims <= set(workload.wins)  # no user is paid for a claim that was not acknowledged
    results = await open_all_packets_as_all_guests(again, connect, sorted(packets))
    kept = set(workload.wins) if redis_data == "kept" else claims
    check_shares_are_kept_and_complete(results, {win for win in kept if win.packet_id in packets}, packets)
    found = await audit_when_settled(restored)
    assert [line for finding in found.findings for line in finding.discrepancies] == []
    assert found.sums.put_in_fen == PUT_IN_FEN
    assert found.sums.wallets_fen == PUT_IN_FEN  # every packet is opened to its end


@asynccontextmanager
async def books(dsn: str) -> AsyncIterator[Database]:
    """A database, opened like the server opens it."""
    database = Database(dsn, pool_max=1, timeout_s=10)
    await database.open()
    yield database
    await database.close()


async def recorded_claims_and_packets(dsn: str) -> tuple[set[Win], set[int]]:
    """All claims and all packets."""
    async with books(dsn) as database, database.reading() as connection:
        rows = await connection.fetch("SELECT packet_id, user_id, index, amount_fen FROM claims")
        packets = await connection.fetch("SELECT packet_id FROM packets")
    return {Win(*row) for row in rows}, {row["packet_id"] for row in packets}


async def check_client_with_later_positions_reloads(
    server: Server, connect: Connect, seen: dict[int, int], group_id: int
) -> None:
    """Message numbers start again after the dump; a client must not take new messages for known ones."""
    guest = await connect(server, SENDER + 1, positions=seen)
    pushes = guest.pushes()
    async with asyncio.timeout(BUSY_S):
        # of the group: a reload of the inbox comes too, and a text said in between would be behind the reload
        while not (isinstance(push := await anext(pushes), Reloaded) and push.stream_id == group_id):
            pass
        await (await connect(server, SENDER)).say(group_id, "we are back")
        while not isinstance(await anext(pushes), messages.TextPosted):
            pass


async def open_all_packets_as_all_guests(
    server: Server, connect: Connect, packets: list[int]
) -> dict[str, list[Win]]:
    """All guests open every packet; the results by answer."""
    results: dict[str, list[Win]] = {"won": [], "claimed": [], "gone": []}
    guests = [await connect(server, SENDER + 1 + number) for number in range(GUESTS)]
    for packet_id in packets:
        for guest, opened in zip(
            guests, await asyncio.gather(*(one.open(packet_id) for one in guests)), strict=True
        ):
            results[opened.answer].append(Win(packet_id, guest.user_id, opened.index, opened.amount_fen))
    return results


def check_shares_are_kept_and_complete(results: dict[str, list[Win]], kept: set[Win], packets: set[int]) -> None:
    """Users with a share keep it; the others get the whole rest.

    The answer of a new share is `claimed` if the SDK had to retry.
    """
    everything = [*results["claimed"], *results["won"]]
    assert kept <= set(results["claimed"])
    assert results["won"]
    assert len(everything) == len(packets) * SHARES
    assert len({(win.packet_id, win.user_id) for win in everything}) == len(everything)
    assert sum(win.amount_fen for win in everything) == len(packets) * PACKET_FEN


async def audit_when_settled(dsn: str) -> Report:
    async with books(dsn) as database:

        async def queue_is_empty() -> bool:
            async with database.reading() as connection:
                return bool(await connection.fetchval("SELECT NOT EXISTS (SELECT FROM settlement_queue)"))

        await until(queue_is_empty, BUSY_S)
        return await audit(database, SEED_KEYS)
