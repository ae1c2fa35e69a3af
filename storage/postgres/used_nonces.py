"""Nonces that were accepted, one row each, until their time is too old to be accepted anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)
FORGET_MAX: Final = 50_000  # rows of one statement: some ten seconds of a busy API


class NonceMark(NamedTuple):
    """A nonce as it is kept. `mark`: 16 bytes; `time_s`: the time of signing, as the request says."""

    time_s: int
    mark: bytes


class UsedNonceStore:
    """Statements on used nonces. All raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def use(self, marks: Sequence[NonceMark]) -> list[bool]:
        """Record nonces; for each whether it is accepted. Twice in one call: the first one is."""
        times, digests = [one.time_s for one in marks], [one.mark for one in marks]
        async with self._database.reading() as connection:
            new = {NonceMark(*row) for row in await connection.fetch(_SQL["use"], times, digests)}
        accepted = []
        for one in marks:
            accepted.append(one in new)
            new.discard(one)
        return accepted

    async def forget(self, before_s: int) -> None:
        """Delete what was signed before, and accept nothing of that time any more."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["forget"], before_s, FORGET_MAX)
