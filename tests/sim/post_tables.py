"""Simulated tables of streams, the outbox and grab statistics."""

from __future__ import annotations

from collections.abc import Sequence

from storage.postgres.chat.grab_stats import GrabStatRow
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import Numbered, OutboxRow, folded, message_of


class PostTables:
    """Numbers of streams, posts that wait in the outbox, and the reminders that were posted."""

    def __init__(self) -> None:
        self.streams: dict[int, int] = {}
        self.outbox: list[OutboxRow] = []
        self.outbox_rows = 0
        self.inboxes: dict[int, list[MessageRow]] = {}  # reminders by stream
        self.grab_stats: dict[tuple[int, int], GrabStatRow] = {}  # by group and user

    def leave(self, stream_id: int, reminder: int, packet_id: int, user_ids: list[int] | None, at_ms: int) -> None:
        """A row of the outbox."""
        self.outbox_rows += 1
        self.outbox.append(OutboxRow(self.outbox_rows, stream_id, reminder, packet_id, user_ids, at_ms, None))

    def number(self, most: int) -> Numbered:
        rows, posts = self.outbox[:most], []
        for group in folded(rows):
            message = group[0].message
            if message is None:
                message = self.streams[group[0].stream_id] = self.streams.get(group[0].stream_id, 0) + 1
                self.inboxes.setdefault(group[0].stream_id, []).append(message_of(group, message))
                done = {row.outbox_id for row in group}
                self.outbox = [
                    row._replace(message=message) if row.outbox_id in done else row for row in self.outbox
                ]
            posts.append(message_of(group, message))
        return Numbered(posts, [row.outbox_id for row in rows])

    def forget(self, outbox_ids: Sequence[int]) -> None:
        self.outbox = [row for row in self.outbox if row.outbox_id not in set(outbox_ids)]

    def add_grab_stats(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        for new in rows:
            old = self.grab_stats.get(new[:2])
            if old is not None:
                sums = [before + added for before, added in zip(old[2:5], new[2:5], strict=True)]
                new = GrabStatRow(*new[:2], *sums, [*old.recent_ms, *new.recent_ms][-recent_max:])
            self.grab_stats[new[:2]] = new

    def grab_stats_of(self, group_id: int) -> list[GrabStatRow]:
        return [row for row in self.grab_stats.values() if row.group_id == group_id]
