"""One-to-one chats: a group of two users for good, one for each pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import statements
from storage.postgres.chat import users
from storage.postgres.chat.memberships import Recorded, TooManyGroups, lock_user

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
BACKEND = 0


class NoSuchUser(Exception):
    """The other user is unknown or banned."""


class ChatStore:
    """Statements on one-to-one chats. Again is harmless: the chat that exists is found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, group_id: int, user_id: int, other_id: int, now_ms: int, chats_max: int) -> Recorded:
        """The chat of a user with another one, made under `group_id`. Raises NoSuchUser, TooManyGroups."""
        async with self._database.transaction() as connection:
            await lock_user(connection, user_id)
            if await connection.fetchval(_SQL["is_reachable"], other_id) is None:
                raise NoSuchUser
            if (found := await _find(connection, user_id, other_id)) is not None:
                return found
            if await connection.fetchval(_SQL["chats_of"], user_id) >= chats_max:
                raise TooManyGroups
            return await _make(connection, group_id, user_id, other_id, now_ms, user_id)

    async def put(self, group_id: int, user_id: int, other_id: int, now_ms: int) -> Recorded:
        """The chat of two users, who are known from now on."""
        async with self._database.transaction() as connection:
            await users.know(connection, [user_id, other_id])
            found = await _find(connection, user_id, other_id)
            return found or await _make(connection, group_id, user_id, other_id, now_ms, BACKEND)


def _pair(one: int, other: int) -> str:
    return f"{min(one, other)}:{max(one, other)}"


async def _find(connection: Connection, one: int, other: int) -> Recorded | None:
    row = await connection.fetchrow(_SQL["find"], _pair(one, other))
    return None if row is None else Recorded(*row)


async def _make(connection: Connection, group_id: int, one: int, other: int, now_ms: int, by: int) -> Recorded:
    row = await connection.fetchrow(_SQL["make"], group_id, _pair(one, other), [one, other], now_ms, by)
    if row is not None:
        return Recorded(*row)
    found = await _find(connection, one, other)  # the other user has opened it at the same time
    assert found is not None
    return found
