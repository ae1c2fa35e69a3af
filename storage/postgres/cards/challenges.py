"""Codes that were sent to phones, and the attempts at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.cards import payers

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
DAY_MS = 86_400_000


class ChallengeRow(NamedTuple):
    """A challenge; see migration 0018."""

    challenge_id: int
    user_id: int
    purpose: str
    card_id: int | None
    gateway: str
    card_ref: str
    bank: str
    last4: str
    sealed: bytes | None
    key_id: str
    code_mac: bytes
    mac_key_id: str
    attempts: int
    sends: int
    sent_at_ms: int
    expires_at_ms: int
    used_at_ms: int | None
    created_at_ms: int


class Sends(NamedTuple):
    """Codes sent in the last 24 hours, for a user and for a card, and when the last one for the card was sent."""

    of_user: int
    of_card: int
    last_at_ms: int


class ChallengeStore:
    """Statements on challenges."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: ChallengeRow, judge: Callable[[Sends], None]) -> None:
        """Record a challenge before its code is sent. Raises what `judge` raises; codes for one card are judged one
        after the other, and so are those for one user.
        """
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            await connection.execute(_SQL["lock_card"], row.gateway, row.card_ref)
            since_ms = row.created_at_ms - DAY_MS
            await connection.execute(_SQL["delete_old"], row.user_id, since_ms)
            counted = await connection.fetchrow(_SQL["sends"], row.user_id, row.gateway, row.card_ref, since_ms)
            assert counted is not None
            judge(Sends(*counted))
            await connection.execute(_SQL["insert"], *row)

    async def send_again(
        self,
        challenge_id: int,
        user_id: int,
        now_ms: int,
        change: Callable[[ChallengeRow], ChallengeRow],
        judge: Callable[[Sends], None],
    ) -> ChallengeRow | None:
        """Change a challenge before its code is sent again, judged as a new one. None: the user has no such one.

        Raises what `change` and `judge` raise.
        """
        async with self._database.transaction() as connection:
            await payers.lock(connection, user_id)
            row = await connection.fetchrow(_SQL["lock"], challenge_id, user_id)
            if row is None:
                return None
            after = change(ChallengeRow(*row))
            await connection.execute(_SQL["lock_card"], after.gateway, after.card_ref)
            asked = user_id, after.gateway, after.card_ref, now_ms - DAY_MS
            counted = await connection.fetchrow(_SQL["sends"], *asked)
            assert counted is not None
            judge(Sends(*counted))
            await _change(connection, after)
            return after

    async def change(
        self, challenge_id: int, user_id: int, change: Callable[[ChallengeRow], ChallengeRow]
    ) -> ChallengeRow | None:
        """Change a challenge under its lock: attempts, the time of use. None: the user has no such one.

        Raises what `change` raises.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["lock"], challenge_id, user_id)
            if row is None:
                return None
            after = change(ChallengeRow(*row))
            await _change(connection, after)
            return after

    async def use(self, challenge_id: int, at_ms: int) -> bool:
        """Use the code of a challenge up; of many at once one succeeds."""
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["use"], challenge_id, at_ms) is not None

    async def release(self, challenge_id: int, used_at_ms: int) -> None:
        """What the code was used for did not happen: it may be used again while it is valid."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["release"], challenge_id, used_at_ms)

    async def remove(self, challenge_id: int) -> None:
        """Its code was not sent."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["remove"], challenge_id)


async def _change(connection: Connection, after: ChallengeRow) -> None:
    columns = after.code_mac, after.mac_key_id, after.attempts, after.sends, after.sent_at_ms
    await connection.execute(_SQL["change"], after.challenge_id, *columns, after.expires_at_ms, after.used_at_ms)
