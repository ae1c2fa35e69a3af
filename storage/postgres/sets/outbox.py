"""The outbox of sets: what a set has to tell another one leaves in the transaction that it tells of.

It is told in two steps: first the other set records it under a key (stream, packet, topic, time), with all that
follows from it, in one transaction; then the row is deleted here. A server that is killed between the two tells it
again, and the key makes twice once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.chat import messages
from storage.postgres.chat.messages import MessageRow, Post, numbered
from storage.postgres.chat.outbox import SYSTEM, OutboxStore, ReminderKind
from storage.postgres.packets.packets import ClaimRow
from storage.postgres.sets.places import all_of, any_of, grouped, in_order

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
LOCK: Final = 0x73657473  # "sets": any number that nothing else locks in this database


class SetTopic(IntEnum):
    """What is told. The numbers stand in the records."""

    SENT = 0  # a packet, in a stream
    FINISH = 2  # of a packet, in the stream of a group
    BEST_LUCK = 5  # of a user, for the records by year
    WORDS = 6  # of a packet, said by a user in the stream of a group
    TURN = 7  # of a user who had the best luck, if the group has a relay


WITHOUT_POST: Final = (SetTopic.BEST_LUCK, SetTopic.TURN)


class ToldRow(NamedTuple):
    """A row of the outbox. `sender_id`: of its packet, the user who has said `text`, or whose turn it is."""

    outbox_id: int
    stream_id: int
    topic: int
    packet_id: int
    at_ms: int
    sender_id: int
    text: str | None

    @property
    def key(self) -> tuple[int, int, int, int]:
        """Packet, topic, stream and time: each is told once. Words are told once of each user."""
        told_of = self.sender_id if self.topic == SetTopic.WORDS else self.stream_id
        return self.packet_id, self.topic, told_of, self.at_ms

    @property
    def post(self) -> Post:
        """The message that it becomes in its stream."""
        if self.topic == SetTopic.WORDS:
            return Post(self.stream_id, self.sender_id, self.at_ms, self.text, None)
        if self.topic == SetTopic.SENT:
            return Post(self.stream_id, self.sender_id, self.at_ms, None, self.packet_id)
        reminder = ReminderKind.RELAY if self.topic == SetTopic.TURN else ReminderKind.FINISH
        return Post(self.stream_id, SYSTEM, self.at_ms, None, self.packet_id, reminder)


class SetPostStore:
    """Tells what one set has to tell. With one set there is nothing."""

    def __init__(self, sets: Sets, number: int) -> None:
        self._sets = sets
        self._database = sets.databases[number]
        self._writer = self._database.writer()

    async def tell(self, most: int) -> tuple[int, list[MessageRow]]:
        """Tell the oldest rows: how many were told, and their messages, also those that a try before this one made.

        What a set that is away is to be told waits, behind it nothing else. One server at a time tells, so that the
        posts of a stream stay in their order. Raises StoreUnavailable: some of them may have been told.
        """
        async with self._writer.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return 0, []
            after, rows = 0, list[ToldRow]()
            while not rows:
                found = [ToldRow(*row) for row in await connection.fetch(SQL["oldest"], after, most)]
                if not found:
                    return 0, []
                after = found[-1].outbox_id
                places = await self._sets.of_streams({row.stream_id for row in found}, written=True)
                rows = [row for row in found if not self._sets.databases[places[row.stream_id]].away]
            by_set = grouped(rows, lambda row: places[row.stream_id])
            calls = {number: _record(self._sets.databases[number], some) for number, some in by_set.items()}
            done = await any_of(calls)
            told = [row.outbox_id for number in done for row in by_set[number]]
            await connection.execute(SQL["remove"], told)
        return len(told), [post for posts in done.values() for post in posts]

    async def waiting(self) -> int:
        """How many rows wait."""
        async with self._database.reading() as connection:
            return int(await connection.fetchval(SQL["waiting"]))


async def tell_later(connection: Connection, rows: Sequence[tuple[int, int, int, int]]) -> None:
    """Have other sets told of (stream, topic, packet, time), in the caller's transaction."""
    if rows:
        await connection.execute(SQL["tell_later"], *(list(column) for column in zip(*rows, strict=True)))


async def tell_words_later(connection: Connection, said: Sequence[tuple[int, Post]]) -> None:
    """Have another set told of what users have said of packets, in the caller's transaction."""
    if said:
        rows = [(post.stream_id, packet_id, post.at_ms, post.sender_id, post.text) for packet_id, post in said]
        await connection.execute(SQL["tell_words_later"], *(list(column) for column in zip(*rows, strict=True)))


async def _record(database: Database, rows: Sequence[ToldRow]) -> list[MessageRow]:
    """Record in a set what it is told, each once; the messages of all of it, in the order of their numbers."""
    columns = [list(column) for column in zip(*(row.key for row in rows), strict=True)]
    async with database.transaction() as connection:
        fresh = {tuple(row) for row in await connection.fetch(SQL["note_told"], *columns)}
        told = [row for row in rows if row.key in fresh]
        best = [row for row in told if row.topic == SetTopic.BEST_LUCK]
        if best:
            await connection.execute(
                SQL["count_best_lucks"], [row.stream_id for row in best], [row.at_ms for row in best]
            )
        turns = await _turns(connection, [row for row in told if row.topic == SetTopic.TURN])
        posts = [row.post for row in told if row.topic not in WITHOUT_POST or row.key in turns]
        again = [row.post for row in rows if row.key not in fresh and row.topic != SetTopic.BEST_LUCK]
        made = await _posted_before(connection, again) if again else []
        numbers = await messages.append(connection, posts) if posts else []
    return made + [numbered(post, number) for post, number in zip(posts, numbers, strict=True)]


async def _posted_before(connection: Connection, posts: Sequence[Post]) -> list[MessageRow]:
    """Their messages, as far as they became some: perhaps no user was told of them."""
    columns = [[post[column] for post in posts] for column in (0, 1, 2, 4, 5)]
    rows = await connection.fetch(SQL["posted_before"], *columns)
    found = [numbered(posts[row["place"] - 1], row["message"]) for row in rows]
    return sorted(found, key=lambda row: (row.stream_id, row.message))


async def _turns(connection: Connection, rows: Sequence[ToldRow]) -> set[tuple[int, int, int, int]]:
    """Record whose turn it is in groups that have a relay: the keys of the rows that a post follows."""
    if not rows:
        return set()
    columns = [[row[column] for row in rows] for column in (3, 1, 5)]
    found = {tuple(row) for row in await connection.fetch(SQL["put_turns"], *columns)}
    return {row.key for row in rows if (row.packet_id, row.stream_id) in found}


class SetOutboxStore(OutboxStore):
    """The outboxes of all sets, each emptied by itself, and what their posts tell of."""

    def __init__(self, sets: Sets, stores: Sequence[OutboxStore]) -> None:
        self._sets = sets
        self._stores = stores

    @property
    def parts(self) -> Sequence[OutboxStore]:
        """One for each set."""
        return self._stores

    async def post(self, most: int) -> list[MessageRow]:
        """In one set after the other; the server asks each by itself (`parts`)."""
        return [post for one in self._stores for post in await one.post(most)]

    async def waiting(self) -> int:
        """In all sets."""
        return sum((await all_of({number: one.waiting() for number, one in enumerate(self._stores)})).values())

    async def find_outcome(self, posts: Sequence[MessageRow]) -> list[MessageRow | None]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        places = await self._sets.of_streams({post.stream_id for post in posts})
        return await in_order(
            posts,
            lambda post: places[post.stream_id],
            lambda number, some: self._stores[number].find_outcome(some),
        )

    async def claims(self, asked: Iterable[tuple[int, int, int]]) -> dict[int, list[ClaimRow]]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = grouped(asked, lambda one: self._sets.of_packet(one[0]))
        found = await all_of({number: self._stores[number].claims(some) for number, some in by_set.items()})
        return {packet_id: claims for some in found.values() for packet_id, claims in some.items()}

    async def best_lucks(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = self._sets.packets_by_set(packet_ids)
        found = await all_of({number: self._stores[number].best_lucks(ids) for number, ids in by_set.items()})
        return {packet_id: claim for some in found.values() for packet_id, claim in some.items()}
