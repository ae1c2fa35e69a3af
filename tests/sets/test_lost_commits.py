"""Transactions of all sets that fail at random, before their commit or behind it: each fen is in one place.

A seed draws which transaction fails, and on which side. What is between two commits of two sets is hit, too.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from server.services.reconciliation.breaks import BreakRefused
from server.services.reconciliation.corrections import CorrectionFacts, CorrectionService
from storage.errors import StoreUnavailable
from storage.postgres.database import Database, WriterConnection
from tests.reconciliation.books import ALICE, BOB
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, FindDiscrepancies, MakeCrowd, Sql, is_settled
from tests.sets.test_corrections import BREAK_OF_UNKNOWN_SIZE

ROUNDS = 40
CHANCE = 0.08  # of a transaction, on each side of its commit
IN_FLIGHT = "SELECT (SELECT count(*) FROM orders_between_sets) + (SELECT count(*) FROM corrections_between_sets)"
Reply = TypeVar("Reply")


class LostCommits:
    """Makes transactions of the server fail while `is_on`."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(f"lost commits {seed}")
        self.is_on = False
        self.before = self.behind = 0

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on, in every set."""
        for owner in (Database, WriterConnection):
            monkeypatch.setattr(owner, "transaction", self._failing(owner.transaction))

    def _failing(self, begin: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def transaction(owner: Any) -> AsyncIterator[Any]:
            fate = self._draw.random() if self.is_on else 0.5
            async with begin(owner) as connection:
                yield connection
                if fate < CHANCE:
                    self.before += 1
                    raise StoreUnavailable("killed before the commit")
            if fate > 1 - CHANCE:
                self.behind += 1
                raise StoreUnavailable("the reply to the commit is lost")

        return transaction


async def answered(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Repeat, with the same key, until the answer is final."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except ClientError as error:
                if not error.temporary:
                    raise
                await asyncio.sleep(0.02)


async def correct(books: CorrectionService, *correction: int) -> None:
    """A correction that two operators propose and approve, again until the answer is known."""
    made: CorrectionFacts | None = None
    async with asyncio.timeout(60):
        while made is None or made.state != "approved":
            try:
                if made is None:
                    shown = await books.dry_run(*correction)
                    made = await books.propose(*correction, ALICE, shown.digest)
                made = await books.approve(made.correction_id, BOB)
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            except BreakRefused as refused:
                if "look again" not in str(refused):  # a balance has changed meanwhile
                    raise


async def play(draw: random.Random, users: dict[int, Client], books: Books, group: int, number: int) -> None:
    """One thing that users do: a packet that all open, perhaps with words, or a transfer; or a correction."""
    sender_id, other_id = draw.sample(sorted(users), 2)
    sender, key = users[sender_id], f"play {number}"
    kind = draw.choice(("lucky", "lucky", "password", "personal", "transfer", "correction"))
    if kind == "correction":
        await correct(books.corrections, books.break_id, sender_id, other_id, draw.randint(1, 50))
        return
    if kind == "transfer":
        amount_fen = draw.randint(1, 50)
        await answered(lambda: sender.transfer(other_id, amount_fen, key=key))
        return
    words = "sesame" if kind == "password" else ""
    target_id, shares = (other_id, 1) if kind == "personal" else (group, draw.randint(1, len(users)))
    sent = await answered(lambda: sender.send_packet(kind, target_id, 600, shares, key=key, words=words))
    opens = [users[other_id]] if kind == "personal" else list(users.values())
    await asyncio.gather(
        *(answered(lambda one=one: one.open(sent.packet_id, patience_s=0.0, words=words)) for one in opens)
    )


class Books(NamedTuple):
    """What operators correct, and the break that they cite."""

    corrections: CorrectionService
    break_id: int


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 13))])
async def test_each_fen_is_in_one_place_whichever_commits_are_lost(
    crowd: MakeCrowd,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    one = await crowd(3, 3)
    users = dict(zip([*range(OLD, OLD + 3), *range(NEW, NEW + 3)], [*one.old, *one.new], strict=True))
    corrections = one.server.app.services.reconciliation.corrections
    books = Books(corrections, await sql.fetchval(BREAK_OF_UNKNOWN_SIZE))
    lost, draw = LostCommits(seed), random.Random(f"plays {seed}")
    lost.patch(monkeypatch)
    lost.is_on = True
    for number in range(0, ROUNDS, 2):
        await asyncio.gather(*(play(draw, users, books, one.group, place) for place in (number, number + 1)))
    assert await discrepancies() == []  # whatever is between two commits
    lost.is_on = False

    async def is_over() -> bool:
        in_flight = await sql.fetchval(IN_FLIGHT) + await other_sql.fetchval(IN_FLIGHT)
        return not in_flight and await is_settled(sql, other_sql)

    await until(is_over)
    assert await discrepancies() == []
    unopened = "SELECT coalesce(sum(total_fen - claimed_fen - refunded_fen), 0)::bigint FROM packets"
    left_fen = await sql.fetchval(unopened) + await other_sql.fetchval(unopened)
    assert sum([await user.balance() for user in users.values()]) + left_fen == len(users) * EACH_FEN
    assert lost.before > 0
    assert lost.behind > 0
