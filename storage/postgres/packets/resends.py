"""Sending a packet again: to which groups it went, and the message that announces it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage import statements
from storage.postgres.chat import messages, users
from storage.postgres.chat.messages import Post

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class PacketInTooManyGroups(Exception):
    """The packet is in as many groups as one packet may be."""


class ResendStore:
    """Statements on packets that are sent again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, posts: Sequence[Post], receiver_id: int, group_id: int | None, groups_max: int
    ) -> list[int]:
        """Announce a packet again; the numbers of the messages. `group_id`: one more group, whose members may open.

        `receiver_id`: the one user who may open the packet, or 0. Raises PacketInTooManyGroups, SendBarred.
        """
        packet_id, sender_id, at_ms = posts[0].packet_id, posts[0].sender_id, posts[0].at_ms
        async with self._database.transaction() as connection:
            (why,) = await users.barred(connection, [(sender_id, receiver_id)])
            if why is not None:
                raise users.SendBarred(why)
            if group_id is not None:
                await connection.execute(_SQL["lock"], packet_id)  # groups that are added at once are counted
                if await connection.fetchval(_SQL["count"], packet_id, group_id) >= groups_max:
                    raise PacketInTooManyGroups
                await connection.execute(_SQL["add"], packet_id, group_id, at_ms)
            return await messages.append(connection, posts)

    async def find_outcome(self, posts: Sequence[Post]) -> list[int | None]:
        """The numbers of messages that `record` has made, had its reply been lost; None: not recorded."""
        columns = [
            [post.stream_id for post in posts],
            [post.packet_id for post in posts],
            [post.at_ms for post in posts],
        ]
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["find_outcome"], *columns)
        numbers = {row["place"]: row["message"] for row in rows}
        return [numbers.get(place) for place, _ in enumerate(posts, 1)]
