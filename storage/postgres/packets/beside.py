"""The chat beside the packets: what a transaction that moves packets reads and writes of users and streams.

With one set both are in the database of the packets. With several, users and groups are in set 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from storage.postgres.chat import messages, users

if TYPE_CHECKING:
    from storage.postgres.chat.messages import Post
    from storage.postgres.chat.users import Barred
    from storage.postgres.database import Connection


class ChatBeside(Protocol):
    """Users and streams, as a transaction on packets meets them."""

    @property
    def is_here(self) -> bool:
        """Both are in the database of the packets, so one statement may concern all of them."""
        ...

    async def barred(self, connection: Connection, pairs: Sequence[tuple[int, int]]) -> list[Barred | None]:
        """Of each pair of a sender and a receiver why nothing may be sent, or None; asked with the wallets held."""
        ...

    async def not_members(self, connection: Connection, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Of each pair of a user and a group those in which the user is not in the group, or the group is gone.

        Groups without a list of members are not checked.
        """
        ...

    async def append(self, connection: Connection, posts: Sequence[Post]) -> list[int]:
        """Number and record announcements; 0 for those that are numbered later, in another set."""
        ...

    async def append_words(self, connection: Connection, said: Sequence[tuple[int, Post]]) -> list[int]:
        """Number and record texts, each with the packet whose words it is; 0 for those that are numbered later."""
        ...


class _Here:
    """Both are in the same database."""

    is_here = True

    async def barred(self, connection: Connection, pairs: Sequence[tuple[int, int]]) -> list[Barred | None]:
        return await users.barred(connection, pairs)

    async def not_members(self, connection: Connection, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        return await users.not_members(connection, pairs)

    async def append(self, connection: Connection, posts: Sequence[Post]) -> list[int]:
        return await messages.append(connection, posts)

    async def append_words(self, connection: Connection, said: Sequence[tuple[int, Post]]) -> list[int]:
        return await messages.append(connection, [post for _, post in said])


HERE: Final[ChatBeside] = _Here()
