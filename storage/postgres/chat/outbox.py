"""The outbox: posts that were written in the transaction that moved the money, and wait for their number.

The settlement and the refund write rows (see their statements). `number` posts them to their streams, in their
order, and leaves the rows; the caller pushes the posts and forgets the rows afterwards. So a post is made once and
pushed at least once, also after a crash at any point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.chat import messages
from storage.postgres.chat.messages import MessageRow, Post
from storage.postgres.packets.packets import ClaimRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
_LOCK = 0x6F757462  # "outb": any number that nothing else locks in this database
SYSTEM = 0  # the sender of a reminder


class ReminderKind(IntEnum):
    """What became of a packet. The numbers stand in the records."""

    CLAIMS = 1
    FINISH = 2
    REFUND = 3


class OutboxRow(NamedTuple):
    """A post that waits for its number or, once `message` is set, to be pushed."""

    outbox_id: int
    stream_id: int
    reminder: int
    packet_id: int
    user_ids: Sequence[int] | None
    at_ms: int
    message: int | None


class Numbered(NamedTuple):
    """Posts that stand in their streams, in their order, and the rows to be forgotten once they are pushed."""

    posts: list[MessageRow]
    outbox_ids: list[int]


class OutboxStore:
    """Statements on the outbox, and on what its posts tell of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lane = database.lane()

    async def number(self, most: int) -> Numbered:
        """Post the oldest rows to their streams, in one transaction. Raises StoreUnavailable: ask again."""
        async with self._lane.transaction() as connection:
            if not await connection.fetchval(_SQL["try_lock"], _LOCK):
                return Numbered([], [])
            rows = [OutboxRow(*row) for row in await connection.fetch(_SQL["take"], most)]
            groups = folded(rows)
            again = [message_of(group, group[0].message) for group in groups if group[0].message is not None]
            new = [group for group in groups if group[0].message is None]
            posts = [*again, *(await _number(connection, new) if new else ())]
        return Numbered(posts, [row.outbox_id for row in rows])

    async def forget(self, outbox_ids: Sequence[int]) -> None:
        """These were pushed."""
        async with self._lane.alone() as connection:
            await connection.execute(_SQL["forget"], outbox_ids)

    async def claims(self, claimed: Iterable[tuple[int, int]]) -> dict[int, list[ClaimRow]]:
        """The claims of these (packet, user) by packet."""
        packet_ids, user_ids = [], []
        for packet_id, user_id in claimed:
            packet_ids.append(packet_id)
            user_ids.append(user_id)
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["claims"], packet_ids, user_ids)
        found: dict[int, list[ClaimRow]] = {}
        for row in rows:
            found.setdefault(row["packet_id"], []).append(ClaimRow(*row))
        return found

    async def best_lucks(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        """The best luck of each of these packets that has one."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["best_lucks"], packet_ids)
        return {row["packet_id"]: ClaimRow(*row) for row in rows}


def folded(rows: Iterable[OutboxRow]) -> list[list[OutboxRow]]:
    """Rows that are one post each, in their order: the claims on one packet are told together."""
    groups: dict[tuple[int, int, int, int | None], list[OutboxRow]] = {}
    for row in rows:
        groups.setdefault((row.stream_id, row.packet_id, row.reminder, row.message), []).append(row)
    return list(groups.values())


def message_of(group: Sequence[OutboxRow], message: int) -> MessageRow:
    """The post that these rows are, under its number."""
    first = group[0]
    user_ids = [user_id for row in group for user_id in row.user_ids or ()] or None
    return MessageRow(
        first.stream_id, message, SYSTEM, first.at_ms, None, first.packet_id, first.reminder, user_ids
    )


async def _number(connection: Connection, groups: Sequence[list[OutboxRow]]) -> list[MessageRow]:
    """Append new posts to their streams, and write down which number each row has got."""
    rows = [message_of(group, 0) for group in groups]
    posts = [Post(row[0], row[2], row[3], None, *row[5:]) for row in rows]
    numbers = await messages.append(connection, posts)
    ids = [row.outbox_id for group in groups for row in group]
    numbered = [number for group, number in zip(groups, numbers, strict=True) for _ in group]
    await connection.execute(_SQL["number"], ids, numbered)
    return [row._replace(message=number) for row, number in zip(rows, numbers, strict=True)]
