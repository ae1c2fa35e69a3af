"""Packets with words, for a later time, and that are passed on, over sets: all of each is in the set of the packet.

Right words are said in groups, whose streams are in set 0: they leave by the outbox of sets, as announcements do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.packets.admissions import AdmissionStore
from storage.postgres.packets.packets import PacketStore
from storage.postgres.packets.scheduled import DuePackets, PostedPacket, ScheduledStore
from storage.postgres.packets.words import WordsStore
from storage.postgres.sets.places import USER_ID_MAX, all_of, any_of, grouped, settled
from storage.postgres.sets.sends import ChatOfSets

if TYPE_CHECKING:
    from storage.postgres.packets.admissions import AdmissionRow, AdmittedRow, AskedAdmission
    from storage.postgres.packets.packets import PacketRow
    from storage.postgres.packets.scheduled import Cancelled, Held
    from storage.postgres.packets.words import Matches, Saying, Spoken
    from storage.postgres.sets.places import Sets

USER_BITS: Final = USER_ID_MAX.bit_length()


class SetScheduledStore(ScheduledStore):
    """Scheduled packets of all sets, each posted from the set of its sender."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [
            ScheduledStore(one, PacketStore(one), ChatOfSets(sets, number))
            for number, one in enumerate(sets.databases)
        ]

    async def waiting(self, sender_id: int) -> list[PacketRow]:
        """In the set of the sender."""
        return await self._stores[(await self._sets.of_users([sender_id]))[sender_id]].waiting(sender_id)

    async def post(
        self, now_ms: int, most: int, streams_of: Callable[[PacketRow], tuple[int, ...]], held: Held | None = None
    ) -> DuePackets:
        """A transaction in each set that answers, of up to `most` packets. Raises Unanswered if none does."""
        in_doubt: list[PostedPacket] = []

        async def post(store: ScheduledStore) -> DuePackets:
            try:
                return await store.post(now_ms, most, streams_of, held)
            except Unanswered as unanswered:
                in_doubt.extend(unanswered.asked)
                raise

        try:
            done = await any_of({number: post(one) for number, one in enumerate(self._stores)})
        except StoreUnavailable as error:
            raise Unanswered(error, in_doubt) from error
        return DuePackets(
            [one for due in done.values() for one in due.posted],
            [one for due in done.values() for one in due.refunds],
            max(due.taken for due in done.values()),
            in_doubt,
        )

    async def find_posted(self, posted: Sequence[PostedPacket]) -> list[PostedPacket | None]:
        """Each in its set. Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = grouped(range(len(posted)), lambda place: self._sets.of_packet(posted[place].row.packet_id))
        asked = {number: [posted[place] for place in places] for number, places in by_set.items()}
        done = await all_of({number: self._stores[number].find_posted(some) for number, some in asked.items()})
        found: dict[int, PostedPacket | None] = {}
        for number, some in done.items():
            found |= zip(by_set[number], some, strict=True)
        return [found[place] for place in range(len(posted))]

    async def cancel(self, packet_id: int, sender_id: int, now_ms: int) -> Cancelled | None:
        """In the set of the packet."""
        return await self._stores[self._sets.of_packet(packet_id)].cancel(packet_id, sender_id, now_ms)

    async def is_senders(self, packet_id: int, sender_id: int) -> bool:
        """In the set of the packet."""
        return await self._stores[self._sets.of_packet(packet_id)].is_senders(packet_id, sender_id)


class SetWordsStore(WordsStore):
    """The words of packets of all sets."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [WordsStore(one, ChatOfSets(sets, number)) for number, one in enumerate(sets.databases)]

    async def say(
        self, sayings: Sequence[Saying], matches: Matches, attempts_max: int, now_ms: int
    ) -> Sequence[Spoken | StoreUnavailable]:
        """A transaction in each set; what is said of packets whose set gives no answer is answered by the error."""
        by_set = grouped(range(len(sayings)), lambda place: self._sets.of_packet(sayings[place].packet_id))
        parts = {number: [sayings[place] for place in places] for number, places in by_set.items()}
        how = matches, attempts_max, now_ms
        done, failed = await settled(
            {number: self._stores[number].say(part, *how) for number, part in parts.items()}
        )
        spoken: dict[int, Spoken | StoreUnavailable] = {
            place: failed[number] for number in failed for place in by_set[number]
        }
        for number, some in done.items():
            spoken |= zip(by_set[number], some, strict=True)
        return [spoken[place] for place in range(len(sayings))]

    async def said(self, packet_ids: Sequence[int]) -> dict[int, set[int]]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = self._sets.packets_by_set(packet_ids)
        found = await all_of({number: self._stores[number].said(ids) for number, ids in by_set.items()})
        return {packet_id: users for some in found.values() for packet_id, users in some.items()}


class SetAdmissionStore(AdmissionStore):
    """Admissions to packets of all sets.

    Their numbers grow in each set by itself, so servers tell each other of them by user and set: a server that has
    followed a later number of another set has not followed this one.
    """

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [AdmissionStore(one) for one in sets.databases]

    async def admit(
        self, asked: Sequence[AskedAdmission], kinds: Sequence[str], depth_max: int
    ) -> list[AdmissionRow | None]:
        """In the sets of the packets. None, too, if the set gives no answer: then ask again."""
        by_set = grouped(range(len(asked)), lambda place: self._sets.of_packet(asked[place].packet_id))
        parts = {number: [asked[place] for place in places] for number, places in by_set.items()}
        done = await any_of(
            {number: self._stores[number].admit(part, kinds, depth_max) for number, part in parts.items()}
        )
        rows: dict[int, AdmissionRow | None] = {}
        for number, some in done.items():
            rows |= zip(by_set[number], some, strict=True)
        return [rows.get(place) for place in range(len(asked))]

    def change_of(self, row: AdmissionRow) -> int:
        """The set above the bits of the user; of set 0 it is the user, as its triggers say."""
        return self._sets.of_packet(row.packet_id) << USER_BITS | row.user_id

    async def of_change(self, change: int) -> list[AdmittedRow]:
        """From the set that was told."""
        return await self._stores[change >> USER_BITS].of_user(change & USER_ID_MAX)

    async def of_packets(self, packet_ids: Sequence[int]) -> list[AdmittedRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = self._sets.packets_by_set(packet_ids)
        found = await all_of({number: self._stores[number].of_packets(ids) for number, ids in by_set.items()})
        return [row for rows in found.values() for row in rows]

    async def of_user(self, user_id: int) -> list[AdmittedRow]:
        """In all sets."""
        found = await all_of({number: one.of_user(user_id) for number, one in enumerate(self._stores)})
        return [row for rows in found.values() for row in rows]
