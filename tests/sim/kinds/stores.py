"""Simulated stores of packets that wait, of words, admissions and bills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from storage.postgres.enterprise import bills
from storage.postgres.enterprise.bills import BillDay, BillRow, NewBill
from storage.postgres.packets import admissions, scheduled, words
from storage.postgres.packets.admissions import AdmissionRow, AdmittedRow, AskedAdmission
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.scheduled import Cancelled, DuePackets, PostedPacket
from storage.postgres.packets.words import Matches, Saying, Spoken


class SimScheduled(scheduled.ScheduledStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def waiting(self, sender_id: int) -> list[PacketRow]:
        return await self._line.call("waiting", lambda: self._tables.waiting_of(sender_id))

    async def post(
        self, now_ms: int, most: int, streams_of: Callable[[PacketRow], tuple[int, ...]], held: Any = None
    ) -> DuePackets:
        change = now_ms, most, streams_of
        return await self._line.call("post_scheduled", lambda: self._tables.post_scheduled(*change))

    async def find_posted(self, posted: Sequence[PostedPacket]) -> list[PostedPacket | None]:
        def read() -> list[PostedPacket | None]:
            return [one if self._tables.posts.get(one.row.packet_id) == one.messages else None for one in posted]

        return await self._line.call("find_posted", read)

    async def cancel(self, packet_id: int, sender_id: int, now_ms: int) -> Cancelled | None:
        change = packet_id, sender_id, now_ms
        return await self._line.call("cancel", lambda: self._tables.cancel_scheduled(*change))

    async def is_senders(self, packet_id: int, sender_id: int) -> bool:
        def read() -> bool:
            row = self._tables.scheduled.get(packet_id)
            return row is not None and row.sender_id == sender_id

        return await self._line.call("is_senders", read)


class SimWords(words.WordsStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def say(
        self, sayings: Sequence[Saying], matches: Matches, attempts_max: int, now_ms: int
    ) -> list[Spoken]:
        change = list(sayings), matches, attempts_max, now_ms
        return await self._line.call("say", lambda: self._tables.say_words(*change))

    async def said(self, packet_ids: Sequence[int]) -> dict[int, set[int]]:
        return await self._line.call("said", lambda: self._tables.said_words(packet_ids))


class SimAdmissions(admissions.AdmissionStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def admit(
        self, asked: Sequence[AskedAdmission], kinds: Sequence[str], depth_max: int
    ) -> list[AdmissionRow | None]:
        frozen = list(asked)
        return await self._line.call("admit", lambda: self._tables.admit(frozen, kinds, depth_max))

    async def of_packets(self, packet_ids: Sequence[int]) -> list[AdmittedRow]:
        if not self._tables.admissions:
            return []  # without a call: worlds in which nothing is passed on are as they were before links
        return await self._line.call("admissions", lambda: self._tables.admissions_of(packet_ids))

    async def of_user(self, user_id: int) -> list[AdmittedRow]:
        return await self._line.call("admissions_of", lambda: self._tables.admissions_of_user(user_id))


class SimBills(bills.BillStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def is_sponsor(self, user_id: int) -> bool:
        return await self._line.call("is_sponsor", lambda: user_id in self._tables.sponsors)

    async def begin(self, bill: NewBill, day: BillDay) -> BillRow:
        return await self._line.call("begin_bill", lambda: self._tables.begin_bill(bill, day))

    async def fail(self, sponsor_id: int, number: str, reason: str, now_ms: int) -> None:
        await self._line.call("fail_bill", lambda: self._tables.fail_bill(sponsor_id, number, reason))

    async def find(self, sponsor_id: int, number: str) -> BillRow | None:
        return await self._line.call("find_bill", lambda: self._tables.find_bill(sponsor_id, number))
