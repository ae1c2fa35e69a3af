"""Users: known users with their names, bans, and revoked tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage import statements
from storage.postgres.chat.unique_names import unique_form
from storage.postgres.money import wallets
from storage.postgres.money.wallets import BalanceRow, HoldingRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class AccessRow(NamedTuple):
    """What the record says about the logins of a known user. `version` grows with each change of the user."""

    user_id: int
    version: int
    is_banned: bool
    tokens_from_s: int
    is_sponsor: bool = False  # no client logs in as a sponsor; told at a login


class Barred(StrEnum):
    """Why nothing is recorded that a user sends to another one."""

    BANNED = "banned"  # the sender
    NO_SUCH_USER = "no_such_user"  # the receiver is unknown or banned


class SendBarred(Exception):
    """Nothing is recorded that a user sends to another one; `why` says which of the two is the reason."""

    def __init__(self, why: Barred) -> None:
        super().__init__(why)
        self.why = why


class NameTaken(Exception):
    """Another user has chosen or been given a name that looks the same; nothing was recorded."""


class UserStore:
    """Statements on users. A row means that the user is known."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def know(self, user_ids: Sequence[int]) -> None:
        """Make users known; again is harmless."""
        async with self._database.reading() as connection:
            await know(connection, user_ids)

    async def unknown(self, user_ids: Sequence[int]) -> list[int]:
        """Those of these users who are not known, in order."""
        async with self._database.reading() as connection:
            return await are_unknown(connection, user_ids)

    async def restricted(self, user_ids: Sequence[int]) -> list[AccessRow]:
        """Those of these users who are banned, or had tokens revoked."""
        async with self._database.reading() as connection:
            return [AccessRow(*row) for row in await connection.fetch(_SQL["restricted"], user_ids)]

    async def passes_from(self, user_id: int, group_id: int) -> int | None:
        """From which time of issue on (seconds since 1970) passes of a user to a group hold; None: none holds."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["passes_from"], user_id, group_id)
        if row is None:
            return 0
        is_banned, tokens_from_s, ended_at_ms = row
        if is_banned:
            return None
        from_s: int = max(tokens_from_s, 0 if ended_at_ms is None else ended_at_ms // 1000 + 1)
        return from_s

    async def choose_name(self, user_id: int, name: str) -> None:
        """Call a user by a name that no other user has chosen or been given; "" takes the name away.

        Raises NameTaken.
        """
        form = unique_form(name) or None
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_SQL["lock_given_names_shared"])
                if await connection.fetchval(_SQL["is_given"], user_id, name, form):
                    raise NameTaken
                await connection.execute(_SQL["choose_name"], user_id, name, form)
        except asyncpg.UniqueViolationError:
            raise NameTaken from None

    async def put(self, names: Mapping[int, str], avatar_urls: Mapping[int, str] | None = None) -> list[int]:
        """Make users known and call them so, all of them or none. `avatar_urls` are of some of them.

        Other users who have chosen such a name lose it: which users.
        """
        user_ids, forms = list(names.keys()), [unique_form(name) for name in names.values()]
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_given_names"])
            lost = await connection.fetch(_SQL["take_names"], user_ids, forms)
            await connection.execute(_SQL["put"], user_ids, list(names.values()))
            await connection.execute(_SQL["give_names"], user_ids, forms)
            if avatar_urls:
                await connection.execute(_SQL["put_avatars"], list(avatar_urls), list(avatar_urls.values()))
        return [row["user_id"] for row in lost]

    async def names(self, user_ids: Sequence[int]) -> dict[int, str]:
        """The names of those who have one."""
        async with self._database.reading() as connection:
            return {row["user_id"]: row["name"] for row in await connection.fetch(_SQL["names"], user_ids)}

    async def avatar_urls(self, user_ids: Sequence[int]) -> dict[int, str]:
        """Where the pictures of users are, of those who have one."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["avatar_urls"], user_ids)
            return {row["user_id"]: row["avatar_url"] for row in rows}

    async def ban(self, user_id: int, banned_at_ms: int | None) -> AccessRow:
        """Ban a user, or let them in again (None). A packet they send meanwhile is recorded before, or never."""
        async with self._database.transaction() as connection:
            # a send holds its sender's wallet until its commit, and looks for bans when it has it
            await wallets.lock(connection, [user_id])
            (row,) = await connection.fetch(_SQL["ban"], user_id, banned_at_ms)
            return AccessRow(*row)

    async def revoke_tokens(self, user_id: int, tokens_from_s: int) -> AccessRow:
        """Refuse tokens of a user that were issued before, from now on."""
        async with self._database.reading() as connection:
            (row,) = await connection.fetch(_SQL["revoke_tokens"], user_id, tokens_from_s)
            return AccessRow(*row)


async def know(connection: Connection, user_ids: Sequence[int], timeout_s: float | None = None) -> None:
    """Make users known, in the caller's transaction; again is harmless."""
    if user_ids:
        await connection.execute(_SQL["know"], user_ids, timeout=timeout_s)


async def are_unknown(connection: Connection, user_ids: Sequence[int]) -> list[int]:
    """Those of these users who are not known, in order, over a connection of the caller's."""
    return [row["user_id"] for row in await connection.fetch(_SQL["unknown"], user_ids)]


async def at_login(
    connection: Connection, user_ids: Sequence[int]
) -> dict[int, tuple[HoldingRow, AccessRow | None]]:
    """What each of these users has, and what their login is judged by; None for an unknown user."""
    return {
        user_id: (
            HoldingRow(BalanceRow(fen, version), arriving_fen),
            None if access[0] is None else AccessRow(user_id, *access),
        )
        for user_id, fen, version, arriving_fen, *access in await connection.fetch(_SQL["at_login"], user_ids)
    }


async def barred(connection: Connection, pairs: Sequence[tuple[int, int]]) -> list[Barred | None]:
    """Of each pair of a sender and a receiver why nothing may be sent, or None. A group may be the receiver."""
    out_of_reach = await _out_of_reach(connection, {number for pair in pairs for number in pair}) if pairs else {}
    return [why_barred(sender_id, receiver_id, out_of_reach) for sender_id, receiver_id in pairs]


async def not_members(connection: Connection, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these (user, group) in which the user is not in the group, or the group is deleted.

    What is no group, and groups without a list of members, are left out.
    """
    columns = [user_id for user_id, _ in pairs], [group_id for _, group_id in pairs]
    return {(row["user_id"], row["group_id"]) for row in await connection.fetch(_SQL["not_members"], *columns)}


def why_barred(sender_id: int, receiver_id: int, out_of_reach: Mapping[int, bool]) -> Barred | None:
    """`out_of_reach`: the users who are banned (True) or unknown (False)."""
    if out_of_reach.get(sender_id):
        return Barred.BANNED
    return Barred.NO_SUCH_USER if receiver_id in out_of_reach else None


async def _out_of_reach(connection: Connection, ids: Collection[int]) -> dict[int, bool]:
    """Of these ids of users and groups the users who are banned (True) or unknown (False)."""
    return {row["user_id"]: row["is_known"] for row in await connection.fetch(_SQL["out_of_reach"], list(ids))}
