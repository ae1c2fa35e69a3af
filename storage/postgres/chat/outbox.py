"""The outbox: posts that were written in the transaction that moved the money, and wait for their number.

The settlement and the refund write rows (see their statements). `post` makes messages of them in their streams, and
removes the rows, in one transaction: so each post is made once. A client that was away finds it in the stream; to
push it to the clients that are there is the caller's part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.chat import messages
from storage.postgres.chat.messages import MessageRow, Post, numbered
from storage.postgres.packets.packets import ClaimRow

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)
_LOCK = 0x6F757462  # "outb": any number that nothing else locks in this database
SYSTEM = 0  # the sender of a reminder


class ReminderKind(IntEnum):
    """What became of a packet. The numbers stand in the records."""

    CLAIMS = 1
    FINISH = 2
    REFUND = 3
    RELAY = 4  # whose turn it is to send the next one


class OutboxRow(NamedTuple):
    """What one stream is to be told of one packet, and the packet as it is now.

    `posted`: so many of its claims stand in earlier posts.
    """

    stream_id: int
    is_inbox: bool  # of the sender; otherwise a group's
    reminder: int
    packet_id: int
    at_ms: int
    version: int
    shares: int
    posted: int


class PostBatch(NamedTuple):
    """Posts in their order, and how many claims of which packets stand in posts after them."""

    posts: list[Post]
    posted: dict[int, int]  # of packets that are not full
    finished: list[int]  # packets of which everything is told


class OutboxStore:
    """Statements on the outbox, and on what its posts tell of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = database.writer(plan_each_time=True)

    @property
    def parts(self) -> Sequence[OutboxStore]:
        """The outboxes that are emptied each by itself: one for each set of PostgreSQL."""
        return [self]

    async def post(self, most: int) -> list[MessageRow]:
        """Post the oldest rows, of about `most` packets.

        Raises Unanswered with the posts that perhaps stand in their streams.
        """
        posts: list[MessageRow] = []
        try:
            async with self._writer.transaction() as connection:
                if not await connection.fetchval(_SQL["try_lock"], _LOCK):
                    return []
                batch = posts_of(OutboxRow(*row) for row in await connection.fetch(_SQL["take"], most))
                numbers = await messages.append(connection, batch.posts) if batch.posts else []
                if batch.posted:
                    await connection.execute(_SQL["remember"], list(batch.posted), list(batch.posted.values()))
                if batch.finished:
                    await connection.execute(_SQL["forget"], batch.finished)
                posts = [numbered(post, number) for post, number in zip(batch.posts, numbers, strict=True)]
        except StoreUnavailable as error:
            raise Unanswered(error, posts) from error
        return posts

    async def waiting(self) -> int:
        """How many rows wait."""
        async with self._database.reading() as connection:
            return int(await connection.fetchval(_SQL["waiting"]))

    async def find_outcome(self, posts: Sequence[MessageRow]) -> list[MessageRow | None]:
        """These posts as they stand in their streams; None: not this one."""
        columns = [
            [post.stream_id for post in posts],
            [post.message for post in posts],
            [post.at_ms for post in posts],
            [post.packet_id for post in posts],
            [post.reminder for post in posts],
        ]
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["find_outcome"], *columns)
        found = {place: {"first_index": first, "end_index": end} for place, first, end in rows}
        return [post._replace(**found[place]) if place in found else None for place, post in enumerate(posts, 1)]

    async def claims(self, asked: Iterable[tuple[int, int, int]]) -> dict[int, list[ClaimRow]]:
        """The claims of these (packet, first index, end index) by packet, in the order of their indexes."""
        columns = list(zip(*asked, strict=True)) or [(), (), ()]
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["claims"], *columns)
        found: dict[int, list[ClaimRow]] = {}
        for row in rows:
            found.setdefault(row["packet_id"], []).append(ClaimRow(*row))
        return found

    async def best_lucks(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        """The best luck of each of these packets that has one."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["best_lucks"], packet_ids)
        return {row["packet_id"]: ClaimRow(*row) for row in rows}


def posts_of(rows: Iterable[OutboxRow]) -> PostBatch:
    """The posts that these rows become.

    The claims of a packet are told in the order of their indexes, each once: by one post all that were made since
    the last one. What a full packet has left to tell goes with its finish.
    """
    batch = PostBatch([], {}, [])
    for row in rows:
        if row.reminder == ReminderKind.CLAIMS:
            if row.posted < row.version < row.shares:
                batch.posts.append(_post(row, ReminderKind.CLAIMS, row.posted, row.version))
                batch.posted[row.packet_id] = row.version
            continue
        if row.reminder == ReminderKind.FINISH and row.is_inbox:
            if row.posted < row.shares:
                batch.posts.append(_post(row, ReminderKind.CLAIMS, row.posted, row.shares))
            batch.finished.append(row.packet_id)
        batch.posts.append(_post(row, ReminderKind(row.reminder)))
    return batch


def _post(row: OutboxRow, reminder: ReminderKind, first: int | None = None, end: int | None = None) -> Post:
    return Post(row.stream_id, SYSTEM, row.at_ms, None, row.packet_id, reminder, first, end)
