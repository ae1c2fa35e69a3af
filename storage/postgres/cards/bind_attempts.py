"""Attempts to bind a card: each is recorded before the bank is asked, and stays for a day if that declines it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.cards import payers

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
DAY_MS: Final = 86_400_000


class BindAttemptRow(NamedTuple):
    """An attempt; see migration 0025."""

    attempt_id: int
    user_id: int
    number_mac: bytes
    at_ms: int


class CountedBinds(NamedTuple):
    """Attempts of the last 24 hours that were declined or are being made, and when the oldest of them began."""

    of_user: int
    of_number: int
    user_since_ms: int
    number_since_ms: int


class BindAttemptStore:
    """Statements on attempts to bind a card."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, row: BindAttemptRow, judge: Callable[[CountedBinds], None]) -> None:
        """Record an attempt before it is made. Raises what `judge` raises; then nothing is recorded.

        Attempts of one user, and at one number, are judged one after the other.
        """
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            await connection.execute(_SQL["lock_number"], row.number_mac)
            since_ms = row.at_ms - DAY_MS
            await connection.execute(_SQL["delete_old"], since_ms)
            counted = await connection.fetchrow(_SQL["counted"], row.user_id, row.number_mac, since_ms)
            assert counted is not None
            judge(CountedBinds(*counted))
            await connection.execute(_SQL["insert"], *row)

    async def end(self, attempt_id: int) -> None:
        """The bank has not declined the attempt: it counts no more."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["remove"], attempt_id)


async def forget(connection: Connection, user_id: int) -> None:
    """Nothing is known of the attempts of a user any more."""
    await connection.execute(_SQL["forget"], user_id)
