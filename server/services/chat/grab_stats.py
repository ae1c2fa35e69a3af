"""Who grabs first, and who never sends: what the owner of a group may know of its members.

A reaction is the time from the post of a packet in a group to a member's first ticket for it. Gathered in memory,
added to the records within seconds: statistics, so a crash may lose the latest, a storm some of its grabs, and
those of packets that this process has not posted itself are not counted. The sender's own grab does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from statistics import median_low
from typing import NamedTuple, Protocol

import structlog

from server.core.ids import is_user
from server.services.chat.groups import GroupService
from server.services.packets.grab_open import Admission
from server.services.runtime.bus import Bus
from server.services.runtime.events import PacketPost
from storage.errors import StoreUnavailable
from storage.postgres.chat import grab_stats
from storage.postgres.chat.grab_stats import GrabStatRow

LOG = structlog.get_logger()
FLUSH_S = 1.0
MORE_S = 0.1  # between two writes while members wait
ROWS_MAX = 200  # members written at once: 2,000 took 15 ms of the loop, for which opens waited
TALLIES_MAX = 20_000  # members who wait to be written; of more nothing is counted
TOLD_APART_MAX = (
    200_000  # users whose first ticket for a packet is remembered, over all packets; the oldest give way
)
GRABS_MAX = 10_000  # counted at once
CHUNK = 500  # of them before the loop serves others
RECENT_MAX = 31
REACTION_MS_MAX = 2**31 - 1  # what a column holds; a packet may live longer than these 24.8 days


class MemberGrabStats(NamedTuple):
    """What the owner sees of one member; `median_ms` is 0 if they never grabbed."""

    user_id: int
    median_ms: int
    grabs: int
    first_places: int
    sent_packets: int


class TakesAdmissions(Protocol):
    """Where the grabs are found that were given a ticket."""

    def take_admissions(self, most: int, /) -> list[Admission]: ...


class Race:
    """One packet in one group: who has grabbed it there."""

    __slots__ = ("group_id", "posted_at_ms", "sender_id", "users")

    def __init__(self, group_id: int, posted_at_ms: int, sender_id: int) -> None:
        self.group_id = group_id
        self.posted_at_ms = posted_at_ms
        self.sender_id = sender_id
        self.users: set[int] | None = None  # None: no user yet


class Tally:
    """What is not recorded yet of one member of a group."""

    __slots__ = ("first_places", "grabs", "recent_ms", "sent_packets")

    def __init__(
        self, grabs: int = 0, first_places: int = 0, sent_packets: int = 0, recent_ms: list[int] | None = None
    ) -> None:
        self.grabs = grabs
        self.first_places = first_places
        self.sent_packets = sent_packets
        self.recent_ms = recent_ms or []

    def plus(self, later: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.grabs + later.grabs,
            self.first_places + later.first_places,
            self.sent_packets + later.sent_packets,
            (self.recent_ms + later.recent_ms)[-RECENT_MAX:],
        )


class GrabStatService:
    """Gathers and tells reactions. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self, store: grab_stats.GrabStatStore, opens: TakesAdmissions, groups: GroupService, bus: Bus
    ) -> None:
        self._store = store
        self._opens = opens
        self._groups = groups
        self._races: dict[int, list[Race]] = {}  # by packet, in the order of the posts
        self._told_apart = 0
        self._tallies: dict[tuple[int, int], Tally] = {}  # by group and user
        bus.subscribe(self._on_post, PacketPost)

    async def of_group(self, owner_id: int, group_id: int) -> list[MemberGrabStats]:
        """All members, the fastest first, members without a grab last. Only for the owner."""
        group = await self._groups.owned_by(owner_id, group_id)
        known = {row.user_id: row for row in await self._store.of_group(group_id)}
        lines = [_line(user_id, known.get(user_id)) for user_id in group.members]
        return sorted(lines, key=lambda line: (line.median_ms == 0, line.median_ms, line.user_id))

    # --- gathering --------------------------------------------------------------------------------------------

    def _on_post(self, event: PacketPost, audience: Collection[int]) -> None:
        """A packet was posted in a group: the race is on, and its sender has sent one."""
        if is_user(event.stream_id) or event.terms.chat_id:
            return
        terms, races = event.terms, self._races.setdefault(event.terms.packet_id, [])
        if any(race.group_id == event.stream_id for race in races):
            return  # posted there before
        races.append(Race(event.stream_id, event.at_ms, terms.sender_id))
        self._told_apart += 1
        tally = self._tally(event.stream_id, terms.sender_id)
        if tally is not None:
            tally.sent_packets += 1
        self._forget_oldest()

    async def take(self) -> None:
        """Count the grabs since the last time."""
        for _ in range(0, GRABS_MAX, CHUNK):
            admissions = self._opens.take_admissions(CHUNK)
            if not admissions:
                return
            for admission in admissions:
                for race in self._races.get(admission.packet_id, ()):
                    self._grabbed(race, admission.user_id, admission.at_ms)
            self._forget_oldest()
            await asyncio.sleep(0)

    def _grabbed(self, race: Race, user_id: int, at_ms: int) -> None:
        users = race.users
        if user_id == race.sender_id or (users is not None and user_id in users):
            return
        if user_id not in self._groups.members(race.group_id) or at_ms < race.posted_at_ms:
            return
        is_first = users is None
        if users is None:
            users = race.users = set()
        users.add(user_id)
        self._told_apart += 1
        reaction_ms = min(max(at_ms - race.posted_at_ms, 1), REACTION_MS_MAX)  # 0 means: never grabbed
        tally = self._tally(race.group_id, user_id)
        if tally is not None:
            tally.grabs += 1
            tally.first_places += is_first
            tally.recent_ms = [*tally.recent_ms, reaction_ms][-RECENT_MAX:]

    def _tally(self, group_id: int, user_id: int) -> Tally | None:
        """What is not recorded yet of a member, to be added to; None: of no further member anything is counted."""
        key = (group_id, user_id)
        tally = self._tallies.get(key)
        if tally is None and len(self._tallies) < TALLIES_MAX:
            tally = self._tallies[key] = Tally()
        return tally

    def _forget_oldest(self) -> None:
        while self._told_apart > TOLD_APART_MAX:
            races = self._races.pop(next(iter(self._races)))
            self._told_apart -= sum(1 + len(race.users or ()) for race in races)

    # --- recording --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Count and record, once a second if no members wait. Never ends; a defect costs statistics only."""
        more = False
        while True:
            await asyncio.sleep(MORE_S if more else FLUSH_S)
            more = False  # a store that is away is asked again in a second
            try:
                await self.take()
                await self.flush()
                more = bool(self._tallies)
            except StoreUnavailable as error:
                LOG.debug("grab_stats_wait", why=str(error))
            except Exception:
                LOG.exception("grab_stats_lost")

    async def flush(self) -> None:
        """Record what was counted, at most ROWS_MAX members. Raises StoreUnavailable: then it is kept."""
        keys = list(self._tallies)[:ROWS_MAX]
        taken = {key: self._tallies.pop(key) for key in keys}
        if not taken:
            return
        try:
            await self._store.add([_row(key, tally) for key, tally in taken.items()], RECENT_MAX)
        except StoreUnavailable:
            self._give_back(taken)
            raise

    def _give_back(self, taken: dict[tuple[int, int], Tally]) -> None:
        """Put it before what was counted meanwhile."""
        for key, tally in taken.items():
            later = self._tallies.pop(key, Tally())
            if len(self._tallies) < TALLIES_MAX:
                self._tallies[key] = tally.plus(later)


def _row(key: tuple[int, int], tally: Tally) -> GrabStatRow:
    return GrabStatRow(*key, tally.grabs, tally.first_places, tally.sent_packets, tally.recent_ms)


def _line(user_id: int, row: GrabStatRow | None) -> MemberGrabStats:
    if row is None:
        return MemberGrabStats(user_id, 0, 0, 0, 0)
    median_ms = median_low(row.recent_ms) if row.recent_ms else 0
    return MemberGrabStats(user_id, median_ms, row.grabs, row.first_places, row.sent_packets)
