"""Simulated tables of streams, the outbox and grab statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.core.ids import is_user
from storage.postgres.chat.grab_stats import GrabStatRow
from storage.postgres.chat.messages import MessageRow, Post, numbered
from storage.postgres.chat.outbox import OutboxRow, posts_of


class WaitingRow(NamedTuple):
    """Of one stream and one batch."""

    stream_id: int
    reminder: int
    packet_ids: list[int]
    at_ms: int


class PostTables:
    """Numbers of streams, posts that wait in the outbox, and the reminders that were posted."""

    def __init__(self) -> None:
        self.streams: dict[int, int] = {}
        self.outbox: list[WaitingRow] = []
        self.posted_claims: dict[int, int] = {}  # by packet
        self.posters: dict[tuple[int, int], object] = {}  # which server's store made a post
        self.inboxes: dict[int, list[MessageRow]] = {}  # reminders by stream
        self.grab_stats: dict[tuple[int, int], GrabStatRow] = {}  # by group and user

    def leave(self, stream_id: int, reminder: int, packet_ids: list[int], at_ms: int) -> None:
        """A row of the outbox."""
        self.outbox.append(WaitingRow(stream_id, reminder, packet_ids, at_ms))

    def post(self, most: int, state_of: Callable[[int], tuple[int, int]]) -> list[MessageRow]:
        """Posts of the oldest rows; `state_of` a packet are its version and its shares."""
        asked: dict[tuple[int, int, int], int] = {}  # of one post each -> the time of its first row
        packets = 0
        while self.outbox and packets < most:
            row = self.outbox.pop(0)
            packets += len(row.packet_ids)
            for packet_id in row.packet_ids:
                asked.setdefault((row.stream_id, row.reminder, packet_id), row.at_ms)
        batch = posts_of(
            OutboxRow(
                stream_id, is_user(stream_id), reminder, packet_id, at_ms, *state_of(packet_id),
                self.posted_claims.get(packet_id, 0),
            )
            for (stream_id, reminder, packet_id), at_ms in asked.items()
        )  # fmt: skip
        self.posted_claims |= batch.posted
        for packet_id in batch.finished:
            self.posted_claims.pop(packet_id, None)
        return [self.append(post) for post in batch.posts]

    def append(self, post: Post) -> MessageRow:
        """Under the next number of its stream."""
        number = self.streams[post.stream_id] = self.streams.get(post.stream_id, 0) + 1
        message = numbered(post, number)
        self.inboxes.setdefault(post.stream_id, []).append(message)
        return message

    def reminders_since(self, stream_id: int, number: int) -> list[MessageRow]:
        """The reminders of a stream from this number on."""
        return [post for post in self.inboxes.get(stream_id, ()) if post.message >= number]

    def posted_ones(self, posts: Sequence[MessageRow]) -> list[MessageRow | None]:
        """As they stand in their streams, with the claims that were posted under the number."""
        return [next(filter(_same(post), self.inboxes.get(post.stream_id, ())), None) for post in posts]

    def add_grab_stats(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        for new in rows:
            old = self.grab_stats.get(new[:2])
            if old is not None:
                sums = [before + added for before, added in zip(old[2:5], new[2:5], strict=True)]
                new = GrabStatRow(*new[:2], *sums, [*old.recent_ms, *new.recent_ms][-recent_max:])
            self.grab_stats[new[:2]] = new

    def grab_stats_of(self, group_id: int) -> list[GrabStatRow]:
        return [row for row in self.grab_stats.values() if row.group_id == group_id]


def _same(post: MessageRow) -> Callable[[MessageRow], bool]:
    return lambda one: one._replace(first_index=0, end_index=0) == post._replace(first_index=0, end_index=0)
