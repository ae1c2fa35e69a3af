"""Simulated tables of packets that wait, of words and of admissions, with the rules of their statements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.core.ids import is_user
from storage.postgres.change_feed import Change, Topic
from storage.postgres.chat.groups import GroupKind
from storage.postgres.packets.admissions import NEWEST, AdmissionRow, AdmittedRow, AskedAdmission
from storage.postgres.packets.packets import ClaimRow, PacketRow
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.packets.scheduled import (
    CANCELLED,
    POSTED,
    WAITING_MAX,
    Cancelled,
    DuePackets,
    PostedPacket,
)
from storage.postgres.packets.words import Matches, Saying, Spoken, WordsOutcome
from tests.sim.change_feed import FeedTables
from tests.sim.group_tables import Group

WAITING, RETURNED = "waiting", "returned"


@dataclass
class ScheduledPacket:
    """A row of the table, without its key."""

    sender_id: int
    send_at_ms: int
    state: str = WAITING


class ScheduledTables:
    """Packets that wait for their time. Every method is one transaction."""

    packets: dict[int, PacketRow]
    posts: dict[int, dict[int, int]]
    streams: dict[int, int]
    groups: dict[int, Group]
    journal: list[tuple[Any, ...]]
    is_banned: Callable[[int], bool]
    is_known: Callable[[int], bool]
    refund: Callable[[Sequence[int], int], list[RefundRow]]

    def __init__(self) -> None:
        self.scheduled: dict[int, ScheduledPacket] = {}
        self.ended_s: dict[int, float] = {}  # when a packet ended to wait

    def schedule(self, row: PacketRow) -> None:
        """A packet that was just paid waits."""
        assert row.send_at_ms is not None
        self.scheduled[row.packet_id] = ScheduledPacket(row.sender_id, row.send_at_ms)

    def waits(self, packet_id: int) -> bool:
        """It is a scheduled packet whose time has not come."""
        return packet_id in self.scheduled and self.scheduled[packet_id].state == WAITING

    def is_hidden(self, packet_id: int) -> bool:
        """It is a scheduled packet that was not posted."""
        return packet_id in self.scheduled and self.scheduled[packet_id].state != POSTED

    def waiting_of(self, sender_id: int) -> list[PacketRow]:
        mine = [one for one, row in self.scheduled.items() if row.sender_id == sender_id and row.state == WAITING]
        ordered = sorted(mine, key=lambda one: (self.scheduled[one].send_at_ms, one))
        return [self.packets[one]._replace(is_hidden=True) for one in ordered]

    def has_too_many(self, sender_id: int) -> bool:
        return len(self.waiting_of(sender_id)) >= WAITING_MAX

    def due_scheduled(self, now_ms: int, most: int) -> list[int]:
        found = [one for one, row in self.scheduled.items() if row.state == WAITING and row.send_at_ms <= now_ms]
        return sorted(found, key=lambda one: self.scheduled[one].send_at_ms)[:most]

    def post_scheduled(self, now_ms: int, most: int, streams_of: Any) -> DuePackets:
        taken = self.due_scheduled(now_ms, most)
        posted: list[PostedPacket] = []
        barred: list[int] = []
        for packet_id in taken:
            row = self.packets[packet_id]
            if row.expires_at_ms <= now_ms:
                self.end_waiting(packet_id, RETURNED)
            elif self.may_not_send(row):
                self.end_waiting(packet_id, RETURNED)
                barred.append(packet_id)
            else:
                self.end_waiting(packet_id, POSTED, self.is_banned(row.sender_id) or self.has_left(row))
                posted.append(PostedPacket(row, self.announce(row, streams_of(row)), now_ms))
        return DuePackets(posted, self.refund(barred, now_ms), len(taken))

    def end_waiting(self, packet_id: int, state: str, *about: bool) -> None:
        """`about` a posted packet: whether its sender could not send it now."""
        self.scheduled[packet_id].state = state
        self.ended_s[packet_id] = asyncio.get_running_loop().time()
        self.journal.append((state, packet_id, *about))

    def announce(self, row: PacketRow, stream_ids: Sequence[int]) -> dict[int, int]:
        """A message in each of these streams."""
        numbers = {stream_id: self.streams.get(stream_id, 0) + 1 for stream_id in stream_ids}
        self.streams |= numbers
        self.posts[row.packet_id] = numbers
        return numbers

    def may_not_send(self, row: PacketRow) -> bool:
        """Its sender is banned or gone from the group, or its receiver is banned or unknown."""
        if self.is_banned(row.sender_id):
            return True
        if is_user(row.target_id):
            return self.is_banned(row.target_id) or not self.is_known(row.target_id)
        return self.has_left(row)

    def has_left(self, row: PacketRow) -> bool:
        """Its sender is not in its group, or the group is deleted."""
        group = self.groups.get(row.target_id)
        if group is None or group.kind is GroupKind.SIGNED:
            return False
        return group.is_deleted or row.sender_id not in group.members

    def cancel_scheduled(self, packet_id: int, sender_id: int, now_ms: int) -> Cancelled | None:
        row = self.scheduled.get(packet_id)
        if row is None or row.sender_id != sender_id:
            return None
        if row.state == WAITING:
            self.end_waiting(packet_id, CANCELLED)
            (refund,) = self.refund([packet_id], now_ms)
            return Cancelled(refund.refunded_fen, refund)
        return Cancelled(self.packets[packet_id].refunded_fen, None) if row.state == CANCELLED else None


@dataclass
class Attempts:
    """A row of the table of attempts, without its key."""

    attempts: int = 0
    said_at_ms: int | None = None


class WordTables:
    """The words of packets, and who has tried to say them. Every method is one transaction."""

    packets: dict[int, PacketRow]
    streams: dict[int, int]

    def __init__(self) -> None:
        self.words_said: dict[tuple[int, int], Attempts] = {}  # by packet and user
        self.texts: dict[tuple[int, int], tuple[int, str]] = {}  # by stream and number: who has said what

    def has_said(self, packet_id: int, user_id: int) -> bool:
        row = self.words_said.get((packet_id, user_id))
        return row is not None and row.said_at_ms is not None

    def say_words(
        self, sayings: Sequence[Saying], matches: Matches, attempts_max: int, now_ms: int
    ) -> list[Spoken]:
        outcomes: dict[int, Spoken] = {}
        waiting = list(range(len(sayings)))
        while waiting:  # of one user at one packet one at a time: the texts of the others come first
            firsts = {(sayings[one].packet_id, sayings[one].user_id): one for one in reversed(waiting)}
            now = sorted(firsts.values())
            for place in now:
                outcomes[place] = self.say_one(sayings[place], matches, attempts_max, now_ms)
            waiting = [one for one in waiting if one not in now]
        return [outcomes[place] for place in range(len(sayings))]

    def say_one(self, one: Saying, matches: Matches, attempts_max: int, now_ms: int) -> Spoken:
        if self.has_said(one.packet_id, one.user_id):
            return Spoken(WordsOutcome.RIGHT)
        attempts = self.count_attempt(one.packet_id, one.user_id, attempts_max)
        if attempts is None:
            return Spoken(WordsOutcome.SPENT)
        packet = self.packets.get(one.packet_id)
        if packet is None or packet.words is None or not matches(packet.words, one.words):
            return Spoken(WordsOutcome.WRONG, attempts)
        self.words_said[one.packet_id, one.user_id].said_at_ms = now_ms
        return Spoken(WordsOutcome.RIGHT, message=self.append_text(one))

    def count_attempt(self, packet_id: int, user_id: int, attempts_max: int) -> int | None:
        """How many attempts were made; None: too many before."""
        row = self.words_said.setdefault((packet_id, user_id), Attempts())
        if row.attempts and row.attempts >= attempts_max:
            return None
        row.attempts += 1
        return row.attempts

    def append_text(self, one: Saying) -> int:
        """Under the next number of its stream."""
        stream_id = one.text.stream_id
        number = self.streams[stream_id] = self.streams.get(stream_id, 0) + 1
        self.texts[stream_id, number] = (one.text.sender_id, one.text.text or "")
        return number

    def said_words(self, packet_ids: Sequence[int]) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for packet_id, user_id in self.words_said:
            if packet_id in packet_ids and self.has_said(packet_id, user_id):
                found.setdefault(packet_id, set()).add(user_id)
        return found


class AdmissionTables:
    """Who was admitted to packets that are passed on. Every method is one transaction."""

    packets: dict[int, PacketRow]
    claims: dict[int, list[ClaimRow]]
    feed: FeedTables

    def __init__(self) -> None:
        self.admissions: dict[tuple[int, int], AdmissionRow] = {}  # by packet and user
        self._number = 0

    def admit(
        self, asked: Sequence[AskedAdmission], kinds: Sequence[str], depth_max: int
    ) -> list[AdmissionRow | None]:
        before = dict(self.admissions)  # links are judged by what stood in the books before all of them
        for one in sorted(asked, key=lambda one: (one.packet_id, one.user_id, one.depth)):
            key = one.packet_id, one.user_id
            if key not in self.admissions and self.may_admit(one, kinds, depth_max, before):
                self._number += 1
                row = AdmissionRow(*key, one.from_user, one.depth, self._number)
                self.admissions[key] = row
                self.feed.notify(Topic.CHANGE, Change("admission", one.user_id, self._number))
        return [self.admissions.get((one.packet_id, one.user_id)) for one in asked]

    def may_admit(
        self,
        one: AskedAdmission,
        kinds: Sequence[str],
        depth_max: int,
        before: dict[tuple[int, int], AdmissionRow],
    ) -> bool:
        """The maker of the link has a recorded claim, and is as deep as it says."""
        packet = self.packets.get(one.packet_id)
        if packet is None or packet.kind not in kinds or one.user_id in (packet.target_id, packet.sender_id):
            return False
        if all(claim.user_id != one.from_user for claim in self.claims[one.packet_id]) or one.depth > depth_max:
            return False
        maker = before.get((one.packet_id, one.from_user))
        depth = 0 if one.from_user == packet.target_id else None if maker is None else maker.depth
        return depth is not None and one.depth == 1 + depth

    def admissions_of(self, packet_ids: Sequence[int]) -> list[AdmittedRow]:
        return [AdmittedRow(*one[:2], one.depth) for one in self.admissions.values() if one.packet_id in packet_ids]

    def admissions_of_user(self, user_id: int) -> list[AdmittedRow]:
        mine = [one for one in self.admissions.values() if one.user_id == user_id]
        newest = sorted(mine, key=lambda one: -one.number)[:NEWEST]
        return [AdmittedRow(*one[:2], one.depth) for one in newest]
