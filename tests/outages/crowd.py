"""Users who send and open continuously, and the comparison of their answers with the books."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from server.config import Config, found_seed_keys
from server.services.money.audit import audit
from storage.postgres.database import Database
from tests.outages.cluster import READY_TIMEOUT_S, token
from tests.services.conftest import until

GUESTS = 8
CLAIMS = 40  # so many more show that the service works


class Crowd:
    """SDK clients that send and open continuously, and remember the answers."""

    def __init__(self, clients: list[Client], group: int, chance: random.Random) -> None:
        self.clients = clients
        self.group = group
        self.chance = chance
        self.sent: dict[int, int] = {}  # packet -> fen
        self.won: dict[tuple[int, int], int] = {}  # (packet, user) -> fen
        self.contradictions: list[str] = []
        self.refused: Counter[str] = Counter()  # temporary errors by name

    async def sends(self, number: int) -> None:
        key = f"send {number}"
        while True:
            try:
                sent = await self.clients[0].send_packet("lucky", self.group, 100, GUESTS, key=key)
            except ClientError as error:
                await self._wait_to_retry(error)
                continue
            self.sent[sent.packet_id] = 100
            await asyncio.gather(*(self.opens(one, sent.packet_id) for one in self.clients))
            return

    async def opens(self, client: Client, packet_id: int) -> None:
        while True:
            try:
                opened = await client.open(packet_id, patience_s=0.0)
            except ClientError as error:
                await self._wait_to_retry(error)
                continue
            assert opened.answer in ("won", "claimed"), opened
            place = (packet_id, client.user_id)
            if self.won.setdefault(place, opened.amount_fen) != opened.amount_fen:
                self.contradictions.append(f"{place}")
            return

    async def _wait_to_retry(self, error: ClientError) -> None:
        """Wait until the request may be repeated; an error that is not temporary fails the test."""
        if not error.temporary:
            raise error
        self.refused[error.name] += 1
        await asyncio.sleep(0.05 + error.retry_after_ms / 1000)

    async def until_stopped(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await self.sends(number)
            await asyncio.sleep(self.chance.uniform(0.0, 0.02))


@asynccontextmanager
async def start_crowd(url: str, seed: int) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url, token(1 + n), timeout_s=60)) for n in range(GUESTS)]
        async with Client(url, token(0)) as backend:
            await backend.top_up(1, 10_000_000, key="all")
            group = await backend.put_group("crowd", "crowd", clients[0].user_id)
            await backend.sync_members(group, 1, [one.user_id for one in clients])
        yield Crowd(clients, group, random.Random(seed))


async def until_more_claims(crowd: Crowd) -> None:
    wanted = len(crowd.won) + CLAIMS

    async def holds() -> bool:
        return len(crowd.won) >= wanted

    await until(holds, READY_TIMEOUT_S)


async def check_books(dsn: str, data: Path, crowd: Crowd) -> None:
    """The same, with the seed keys of a server's data folder."""
    await compare_with_books(dsn, found_seed_keys(Config(), data), crowd)


async def compare_with_books(dsn: str, seed_keys: Mapping[str, bytes], crowd: Crowd) -> None:
    """The answers agree with the books, and the audit finds nothing."""
    database = Database(dsn, pool_max=1, timeout_s=10)
    await database.open()

    async def all_recorded() -> bool:  # with durability redis the record follows the answer
        async with database.reading() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM claims") >= len(crowd.won))

    try:
        await until(all_recorded)
        async with database.reading() as connection:
            rows = await connection.fetch("SELECT packet_id, user_id, amount_fen FROM claims")
            sent = {row["packet_id"] for row in await connection.fetch("SELECT packet_id FROM packets")}
        found = await audit(database, seed_keys)
    finally:
        await database.close()
    assert crowd.contradictions == []
    assert {(row["packet_id"], row["user_id"]): row["amount_fen"] for row in rows} == crowd.won
    assert sent == crowd.sent.keys()
    assert [line for finding in found.findings for line in finding.discrepancies] == []
