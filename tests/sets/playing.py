"""Users of both sets who send and open without pause and keep what they were told; the books must agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from tests.sets.conftest import Crowd

PAUSE_S = 0.05


class Players:
    """One packet after the other, from senders of both sets in turn; every user opens each."""

    def __init__(self, one: Crowd) -> None:
        self._one = one
        self._users = [*one.old, *one.new]
        self.told: dict[tuple[int, int], int] = {}  # (packet, user) -> fen
        self.contradictions: list[tuple[int, int]] = []

    async def play(self, stop: asyncio.Event) -> None:
        """Until stopped; what was begun is finished, however often it has to be repeated."""
        number = 0
        while not stop.is_set():
            sender = (self._one.old, self._one.new)[number % 2][0]
            packet_id = await self._send(sender, f"play {number}")
            await asyncio.gather(*(self._open(user, packet_id) for user in self._users))
            number += 1

    async def more_claims(self, count: int = 40) -> None:
        """Until so many more were told."""
        wanted = len(self.told) + count
        async with asyncio.timeout(120):
            while len(self.told) < wanted:  # noqa: ASYNC110
                await asyncio.sleep(PAUSE_S)

    async def _send(self, sender: Client, key: str) -> int:
        while True:
            try:
                sent = await sender.send_packet("lucky", self._one.group, 600, len(self._users), key=key)
            except ClientError as error:
                if not error.temporary:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return sent.packet_id

    async def _open(self, user: Client, packet_id: int) -> None:
        while True:
            try:
                opened = await user.open(packet_id, patience_s=0.0)
            except ClientError as error:
                if not error.temporary:
                    raise
                await asyncio.sleep(PAUSE_S)
                continue
            assert opened.answer in ("won", "claimed"), opened
            place = packet_id, user.user_id
            if self.told.setdefault(place, opened.amount_fen) != opened.amount_fen:
                self.contradictions.append(place)
            return


async def claims_in(dsns: Sequence[str]) -> dict[tuple[int, int], int]:
    """The claims of all sets."""
    found: dict[tuple[int, int], int] = {}
    for dsn in dsns:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch("SELECT packet_id, user_id, amount_fen FROM claims")
        await connection.close()
        found |= {(packet_id, user_id): amount_fen for packet_id, user_id, amount_fen in rows}
    return found


async def all_settled(dsns: Sequence[str]) -> bool:
    """Nothing waits in any set."""
    for dsn in dsns:
        connection = await asyncpg.connect(dsn)
        waiting = await connection.fetchval(
            "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM outbox)"
            " + (SELECT count(*) FROM set_outbox)"
        )
        await connection.close()
        if waiting:
            return False
    return True
