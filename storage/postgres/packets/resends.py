"""Sending a packet again: to which groups it went, and the message that announces it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.chat.messages import Post
from storage.postgres.chat.users import SendBarred
from storage.postgres.packets.beside import HERE, ChatBeside

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class PacketInTooManyGroups(Exception):
    """The packet is in as many groups as one packet may be."""


class Keyed(NamedTuple):
    """The key of a request to send a packet again, and the group that it names (0: where it was sent)."""

    key: str
    group_id: int


class KeyedResend(NamedTuple):
    """What a key has done: the group that was named, and the message that its sender sees."""

    group_id: int
    stream_id: int
    message: int


class KeyTaken(Exception):
    """The key has sent this packet again already; nothing was recorded."""

    def __init__(self, before: KeyedResend, asked: Keyed) -> None:
        super().__init__(asked.key)
        self.before = before
        self.asked = asked


class ResendStore:
    """Statements on packets that are sent again."""

    def __init__(self, database: Database, chat: ChatBeside = HERE) -> None:
        """`chat`: the users and streams that the packets concern."""
        self._database = database
        self._chat = chat

    async def record(
        self,
        posts: Sequence[Post],
        receiver_id: int,
        group_id: int | None,
        groups_max: int,
        keyed: Keyed | None = None,
    ) -> list[int]:
        """Announce a packet again; the numbers of the messages. `group_id`: one more group, whose members may open.

        `receiver_id`: the one user who may open the packet, or 0. `keyed`: once per key of the packet.
        Raises PacketInTooManyGroups, SendBarred, KeyTaken.
        """
        packet_id, sender_id, at_ms = posts[0].packet_id, posts[0].sender_id, posts[0].at_ms
        assert packet_id is not None  # a text is not sent again
        async with self._database.transaction() as connection:
            if keyed is not None:
                await connection.execute(_SQL["lock"], packet_id)  # the same key at the same time waits here
                if (before := await _before(connection, packet_id, keyed.key)) is not None:
                    raise KeyTaken(before, keyed)
            (why,) = await self._chat.barred(connection, [(sender_id, receiver_id)])
            if why is not None:
                raise SendBarred(why)
            if group_id is not None:
                await connection.execute(_SQL["lock"], packet_id)  # groups that are added at once are counted
                if await connection.fetchval(_SQL["count"], packet_id, group_id) >= groups_max:
                    raise PacketInTooManyGroups
                await connection.execute(_SQL["add"], packet_id, group_id, at_ms)
            numbers = await self._chat.append(connection, posts)
            if keyed is not None:
                await connection.execute(_SQL["keep_key"], packet_id, *keyed, posts[0].stream_id, numbers[0])
            return numbers

    async def before(self, packet_id: int, key: str) -> KeyedResend | None:
        """What this key of a packet has done; None: nothing yet."""
        async with self._database.reading() as connection:
            return await _before(connection, packet_id, key)

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


async def _before(connection: Connection, packet_id: int, key: str) -> KeyedResend | None:
    row = await connection.fetchrow(_SQL["before"], packet_id, key)
    return None if row is None else KeyedResend(*row)
