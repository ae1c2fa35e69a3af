"""Users of both sets with cards of one bank, and what their payments have moved in which set."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import asyncpg

from client_sim.sdk.client import Client
from tests.cards.conftest import HOLDER, NUMBER, PASSWORD, PHONE, Bank
from tests.conftest import PATIENCE_S, Server
from tests.sets.conftest import Crowd, MakeCrowd, Sql


class Payers(NamedTuple):
    """A crowd whose server has a bank; the records of each set."""

    crowd: Crowd
    bank: Bank
    sets: tuple[Sql, Sql]

    @property
    def users(self) -> tuple[Client, Client]:
        """The first user of each set."""
        return self.crowd.old[0], self.crowd.new[0]

    async def bound(self, user: Client, number: str = NUMBER, holder: str = HOLDER) -> int:
        """A card of a user."""
        return await bound(self.bank, user, number, holder)

    async def ended(self, number: int, key: str, server: Server | None = None) -> asyncpg.Record:
        """The payment of a key in a set, once it has ended; it is asked again without waits."""
        return await ended(self.sets[number], key, server or self.crowd.server)

    async def numbers(self) -> tuple[int, int]:
        """How many payments are in each set."""
        counts = [await one.fetchval("SELECT count(*) FROM payments") for one in self.sets]
        return counts[0], counts[1]


async def payers_of(
    crowd: MakeCrowd, bank: Bank, sets: tuple[Sql, Sql], old: int = 1, new: int = 1, **words: Any
) -> Payers:
    """So many users of each set."""
    return Payers(await crowd(old, new, **words), bank, sets)


async def bound(bank: Bank, user: Client, number: str = NUMBER, holder: str = HOLDER) -> int:
    """The id of a card that the user has from now on."""
    offered = await user.bind_card(number, holder, PHONE)
    return (await user.confirm_card(offered.challenge_id, bank.code, PASSWORD)).card_id


async def ended(sql: Sql, key: str, server: Server) -> asyncpg.Record:
    """The payment of a key, once it has ended."""
    attempts = server.app.services.payments.attempts
    assert attempts is not None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            row = await sql.fetchrow("SELECT * FROM payments WHERE key = $1", key)
            assert row is not None
            if row["state"] in ("succeeded", "failed"):
                return row
            await sql.execute("UPDATE payments SET next_try_ms = 0 WHERE state IN ('unknown', 'submitted')")
            attempts.look()
            await asyncio.sleep(0.02)
