"""Streams of messages: a group's, or a user's inbox. Numbers run without a gap, so a client sees what it missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.chat import users
from storage.postgres.chat.users import Barred

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class Post(NamedTuple):
    """A message to be: a text, a packet, or a reminder of what became of one (see outbox).

    A reminder of claims names those with first_index <= index < end_index.
    """

    stream_id: int
    sender_id: int
    at_ms: int
    text: str | None
    packet_id: int | None
    reminder: int | None = None
    first_index: int | None = None
    end_index: int | None = None


class MessageRow(NamedTuple):
    """A message as it is recorded: a text, the announcement of a packet, or a reminder; see Post."""

    stream_id: int
    message: int
    sender_id: int
    at_ms: int
    text: str | None
    packet_id: int | None
    reminder: int | None = None
    first_index: int | None = None
    end_index: int | None = None


class StreamReader(NamedTuple):
    """A user who reads a stream."""

    stream_id: int
    user_id: int


class StreamBounds(NamedTuple):
    """The last message of a stream, and the one behind which it begins for a reader, since they joined."""

    last_message: int
    begins_at: int


class Stretch(NamedTuple):
    """Messages of a stream by their numbers, both ends included."""

    stream_id: int
    first: int
    last: int


def numbered(post: Post, number: int) -> MessageRow:
    """The post under its number."""
    return MessageRow(
        post.stream_id,
        number,
        post.sender_id,
        post.at_ms,
        post.text,
        post.packet_id,
        post.reminder,
        post.first_index,
        post.end_index,
    )


class MessageStore:
    """Statements on streams."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = database.writer()

    async def append(self, posts: Sequence[Post], receivers: Mapping[int, int]) -> list[int | Barred]:
        """Record messages in one transaction; their numbers, in the order of the posts, or why one is not recorded.

        `receivers`: of posts in one-to-one chats, by their places, the users who read them there.
        """
        pairs = [(posts[place].sender_id, receiver_id) for place, receiver_id in receivers.items()]
        async with self._writer.transaction() as connection:
            reasons = dict(zip(receivers, await users.barred(connection, pairs), strict=True))
            barred = {place: why for place, why in reasons.items() if why is not None}
            recorded = [post for place, post in enumerate(posts) if place not in barred]
            numbers = iter(await append(connection, recorded))
        return [barred.get(place) or next(numbers) for place in range(len(posts))]

    async def positions(self, readers: Sequence[StreamReader]) -> list[StreamBounds]:
        """Where each stream stands, and where it begins for its reader."""
        async with self._database.reading() as connection:
            stream_ids, user_ids = [one.stream_id for one in readers], [one.user_id for one in readers]
            return [StreamBounds(*row) for row in await connection.fetch(_SQL["positions"], stream_ids, user_ids)]

    async def after(self, stream_id: int, message: int, most: int) -> list[MessageRow]:
        """Up to `most` messages after `message`."""
        async with self._database.reading() as connection:
            return [MessageRow(*row) for row in await connection.fetch(_SQL["after"], stream_id, message, most)]

    async def between(self, stretches: Sequence[Stretch]) -> list[MessageRow]:
        """All messages of these stretches, each stretch in order."""
        columns = [list(column) for column in zip(*stretches, strict=True)]
        async with self._database.reading() as connection:
            return [MessageRow(*row) for row in await connection.fetch(_SQL["between"], *columns)]

    async def newest_of(
        self, user_ids: Sequence[int], stream_ids: Sequence[int], since_ms: int
    ) -> list[MessageRow]:
        """The last message of each stream of these users, and of these streams, if it was posted since then."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["newest_of"], user_ids, stream_ids, since_ms)
        return [MessageRow(*row) for row in rows]

    async def last(self, stream_id: int) -> int:
        """The number of the last message of a stream; 0 if there is none yet."""
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["last_message"], stream_id) or 0


async def append(connection: Connection, posts: Sequence[Post]) -> list[int]:
    """Number and record messages inside a transaction of the caller's."""
    added = Counter(post.stream_id for post in posts)
    rows = await connection.fetch(_SQL["advance"], list(added), list(added.values()))
    following = {row["stream_id"]: row["last_message"] - added[row["stream_id"]] for row in rows}
    numbers: list[int] = []
    for post in posts:
        following[post.stream_id] += 1
        numbers.append(following[post.stream_id])
    records = [numbered(post, number) for post, number in zip(posts, numbers, strict=True)]
    await connection.copy_records_to_table("messages", columns=MessageRow._fields, records=records)
    return numbers
