"""One row for each user who pays: the lock under which cards and payments are counted, and the pay password."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class Password(NamedTuple):
    """A pay password as it is recorded. `pepper_id`: the key that its pepper was made from."""

    password_hash: str
    pepper_id: str


class Tries(NamedTuple):
    """Attempts that have failed or are being made, and until when no other one is accepted."""

    failures: int
    locked_until_ms: int


class CountedAttempt(NamedTuple):
    """An attempt that was counted: the password to compare with, and the tries with it."""

    password: Password
    tries: Tries


class OverDayLimit(Exception):
    """With the amount the user would have paid more than the limit of the day; nothing was recorded."""

    def __init__(self, spent_fen: int) -> None:
        super().__init__(f"{spent_fen} fen since the day began")
        self.spent_fen = spent_fen


class DayLimit(NamedTuple):
    """What a user may pay from a moment on. `limit_fen` 0: any amount."""

    since_ms: int
    limit_fen: int


class PayerStore:
    """Statements on pay passwords."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def password(self, user_id: int) -> Password | None:
        """The pay password of a user; None: there is none."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["password"], user_id)
        return None if row is None else Password(*row)

    async def attempt(self, user_id: int, counted: Callable[[Tries], Tries]) -> CountedAttempt | None:
        """Count an attempt before it is made; None: there is no password. Raises what `counted` raises."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["tries"], user_id)
            if row is None:
                return None
            tries = counted(Tries(row["failures"], row["locked_until_ms"]))
            await connection.execute(_SQL["count"], user_id, *tries)
            return CountedAttempt(Password(row["password_hash"], row["pepper_id"]), tries)

    async def fitted(self, user_id: int, compared: Password, replacement: Password | None) -> bool:
        """An attempt has fitted this password: the tries begin again. False: there is another one by now.

        `replacement`: what takes its place.
        """
        after = replacement or compared
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["fitted"], user_id, *compared, *after) is not None

    async def put(self, user_id: int, password: Password, *, only_first: bool = False) -> bool:
        """Give a user this password, and no failed tries. `only_first`: False if there is one."""
        async with self._database.transaction() as connection:
            await lock(connection, user_id)
            if only_first:
                return await set_first(connection, user_id, password)
            await connection.execute(_SQL["put"], user_id, *password)
            return True


async def lock(connection: Connection, user_id: int) -> None:
    """Hold the row of a user, made if there is none, to the end of the transaction; before any wallet is locked."""
    if await connection.fetchrow(_SQL["lock"], user_id) is None:
        await connection.execute(_SQL["make"], user_id)
        await connection.execute(_SQL["lock"], user_id)


async def set_first(connection: Connection, user_id: int, password: Password) -> bool:
    """Give a user whose row is locked a password. False: there is one, and it stays."""
    return await connection.fetchval(_SQL["put_first"], user_id, *password) is not None


async def forget(connection: Connection, user_id: int) -> None:
    """The user has no password any more."""
    await connection.execute(_SQL["forget"], user_id)


async def check_day(connection: Connection, user_id: int, amount_fen: int, day: DayLimit) -> None:
    """Lock the row of a user, and raise OverDayLimit if an amount is too much for the day.

    Whatever else the user pays waits for this transaction, so it is counted, or it counts this.
    """
    await lock(connection, user_id)
    if day.limit_fen:
        spent_fen = await connection.fetchval(_SQL["spent"], user_id, day.since_ms)
        if spent_fen + amount_fen > day.limit_fen:
            raise OverDayLimit(spent_fen)
