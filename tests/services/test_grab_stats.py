"""Grab statistics: measured from the post, counted once a packet, shown to the owner, and no burden on grabs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from client_sim.sdk.errors import NotAMember, NotOwner
from server.core.amounts import Caps
from server.core.kinds import PacketKind
from server.core.packet_request import Terms
from server.services.chat import grab_stats as service
from server.services.chat.grab_stats import RECENT_MAX, GrabStatService, MemberGrabStats
from server.services.packets.grab_open import ADMISSIONS_MAX, Admission
from server.services.runtime.bus import Bus
from server.services.runtime.events import PacketPost
from storage.errors import StoreUnavailable
from storage.postgres.chat import grab_stats as store
from storage.postgres.chat.grab_stats import GrabStatRow
from storage.postgres.database import Database
from tests.conftest import Connect, Server
from tests.services.conftest import MakeParty, until

GROUP, SECOND = 2**59, 2**59 + 1
T0 = 1_800_000_000_000


def posted(packet_id: int, at_ms: int = T0, sender_id: int = 1, group_id: int = GROUP) -> PacketPost:
    terms = Terms(packet_id, PacketKind.LUCKY, sender_id, GROUP, 100, 5, Caps(), "", bytes(32), T0, T0 + 1)
    return PacketPost(group_id, 1, terms, at_ms)


class World:
    """Grab statistics without a server: two groups, and the grabs that a test adds."""

    def __init__(self, stat_store: Any) -> None:
        self.members = {GROUP: {1, 2, 3, 4}, SECOND: {1, 3, 9}}
        self.admissions: list[Admission] = []
        groups = SimpleNamespace(members=self.members.__getitem__, owned_by=self._owned_by)
        self._bus = Bus()
        self.grab_stats = GrabStatService(stat_store, self, groups, self._bus)  # type: ignore[arg-type]

    def post(self, event: PacketPost) -> None:
        """A packet is posted."""
        self._bus.publish(event)

    def take_admissions(self, most: int) -> list[Admission]:
        """The grabs that the test added."""
        taken, self.admissions = self.admissions[:most], self.admissions[most:]
        return taken

    async def _owned_by(self, user_id: int, group_id: int) -> Any:
        return SimpleNamespace(members=self.members[group_id])

    async def grabs(self, *admissions: tuple[int, int, int]) -> None:
        self.admissions += [Admission(*one) for one in admissions]
        await self.grab_stats.take()


@pytest.fixture
def world(database: Database) -> World:
    return World(store.GrabStatStore(database))


async def test_fastest_members_are_listed_first_and_members_without_grabs_last(world: World) -> None:
    for packet_id, (two, three) in enumerate([(300, 100), (500, 900), (400, 200)], start=1):
        world.post(posted(packet_id))
        grabs = sorted([(packet_id, 2, T0 + two), (packet_id, 3, T0 + three)], key=lambda one: one[2])
        await world.grabs(
            (packet_id, 1, T0 + 1), *grabs, (packet_id, 2, T0 + 9_000)
        )  # a grab of the sender does not count
    await world.grab_stats.flush()
    assert await world.grab_stats.of_group(1, GROUP) == [
        MemberGrabStats(3, 200, 3, 2, 0),
        MemberGrabStats(2, 400, 3, 1, 0),
        MemberGrabStats(1, 0, 0, 0, 3),
        MemberGrabStats(4, 0, 0, 0, 0),
    ]


async def test_sums_grow_and_the_last_31_reaction_times_are_kept(world: World) -> None:
    for round_ in range(4):
        for packet_id in range(round_ * 10 + 1, round_ * 10 + 11):
            world.post(posted(packet_id))
            await world.grabs((packet_id, 2, T0 + packet_id))
        await world.grab_stats.flush()
    [row] = [row for row in await world.grab_stats._store.of_group(GROUP) if row.user_id == 2]
    assert (row.grabs, row.first_places, list(row.recent_ms)) == (40, 40, list(range(40 - RECENT_MAX + 1, 41)))


async def test_reaction_time_of_a_month_is_capped(world: World) -> None:
    world.post(posted(1))
    await world.grabs((1, 2, T0 + 30 * 86_400_000))
    await world.grab_stats.flush()
    assert (await world.grab_stats.of_group(1, GROUP))[0] == MemberGrabStats(2, 2**31 - 1, 1, 1, 0)


async def test_packet_that_is_sent_again_is_one_race_in_each_group(world: World) -> None:
    world.post(posted(7))
    await world.grabs((7, 3, T0 + 50))
    world.post(posted(7, T0 + 1_000))  # again in the same group: no second race, not counted as sent
    world.post(posted(7, T0 + 1_000, group_id=SECOND))
    await world.grabs((7, 9, T0 + 1_200), (7, 2, T0 + 1_300), (7, 3, T0 + 1_400), (8, 2, T0))
    await world.grab_stats.flush()
    assert await world.grab_stats.of_group(1, SECOND) == [
        MemberGrabStats(9, 200, 1, 1, 0),
        MemberGrabStats(3, 400, 1, 0, 0),
        MemberGrabStats(1, 0, 0, 0, 1),
    ]
    assert (await world.grab_stats.of_group(1, GROUP))[:2] == [
        MemberGrabStats(3, 50, 1, 1, 0),
        MemberGrabStats(2, 1_300, 1, 0, 0),
    ]


async def test_members_who_left_are_not_listed(world: World) -> None:
    world.post(posted(1))
    await world.grabs((1, 2, T0 + 5))
    await world.grab_stats.flush()
    world.members[GROUP].discard(2)
    assert [line.user_id for line in await world.grab_stats.of_group(1, GROUP)] == [1, 3, 4]


class UnavailableStore:
    """A store that is unavailable until the test clears `away`."""

    def __init__(self) -> None:
        self.away = True
        self.rows: list[GrabStatRow] = []

    async def add(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.rows += rows


async def test_counts_that_cannot_be_written_wait_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TALLIES_MAX", 3)
    monkeypatch.setattr(service, "ROWS_MAX", 2)
    stat_store = UnavailableStore()
    world = World(stat_store)
    for packet_id in (1, 2):
        world.post(posted(packet_id))
        await world.grabs(*((packet_id, user_id, T0 + user_id) for user_id in (2, 3, 4)))
        with pytest.raises(StoreUnavailable):
            await world.grab_stats.flush()
    assert len(world.grab_stats._tallies) == 3  # one of four had no space
    stat_store.away = False
    await world.grab_stats.flush()
    assert len(stat_store.rows) == 2
    await world.grab_stats.flush()
    await world.grab_stats.flush()
    by_user = {row.user_id: row for row in stat_store.rows}
    assert len(stat_store.rows) == len(by_user) == 3
    assert (by_user[1].sent_packets, by_user[2].grabs, list(by_user[3].recent_ms)) == (2, 2, [3, 3])


class DefectiveStore:
    """A store that fails for rows of member 2 with an unexpected error."""

    def __init__(self) -> None:
        self.rows: list[GrabStatRow] = []

    async def add(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        if any(row.user_id == 2 for row in rows):
            raise ValueError("integer out of range")
        self.rows += rows


async def test_defect_loses_the_counts_of_one_flush_and_not_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "FLUSH_S", 0.001)
    stat_store = DefectiveStore()
    world = World(stat_store)
    running = asyncio.create_task(world.grab_stats.run())
    for packet_id, user_id in ((1, 2), (2, 3)):
        world.post(posted(packet_id))
        world.admissions.append(Admission(packet_id, user_id, T0 + 5))

        async def taken() -> bool:
            return not world.admissions and not world.grab_stats._tallies

        await until(taken)
    assert not running.done()
    assert [(row.user_id, row.grabs) for row in stat_store.rows] == [(1, 0), (3, 1)]
    running.cancel()


class StoreOfParts:
    """A store that notes how many rows each write has. After the first one, the next round is an hour away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.away = False
        self.parts: list[int] = []

    async def add(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        self._monkeypatch.setattr(service, "FLUSH_S", 3600.0)
        self.parts.append(len(rows))
        if self.away:
            raise StoreUnavailable("away")


async def test_many_members_are_written_in_parts_one_soon_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROWS_MAX", 2), ("FLUSH_S", 0.001), ("MORE_S", 0.001)):
        monkeypatch.setattr(service, name, value)
    stat_store = StoreOfParts(monkeypatch)
    world = World(stat_store)
    world.post(posted(1))
    world.post(posted(2, group_id=SECOND))
    world.admissions += [Admission(1, user_id, T0 + 5) for user_id in (2, 3, 4)]
    running = asyncio.create_task(world.grab_stats.run())

    async def written() -> bool:
        return sum(stat_store.parts) == 5

    await until(written)
    assert stat_store.parts == [2, 2, 1]
    running.cancel()


async def test_store_that_is_away_is_asked_again_in_the_next_round_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FLUSH_S", 0.001), ("MORE_S", 0.001)):
        monkeypatch.setattr(service, name, value)
    stat_store = StoreOfParts(monkeypatch)
    stat_store.away = True
    world = World(stat_store)
    world.post(posted(1))
    running = asyncio.create_task(world.grab_stats.run())

    async def asked() -> bool:
        return bool(stat_store.parts)

    await until(asked)
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert stat_store.parts == [1]  # the next round is an hour away
    running.cancel()


async def test_old_races_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TOLD_APART_MAX", 4)
    world = World(UnavailableStore())
    for packet_id in (1, 2, 3):
        world.post(posted(packet_id))
        await world.grabs((packet_id, 2, T0 + 1), (packet_id, 3, T0 + 2))
    assert list(world.grab_stats._races) == [3]
    assert world.grab_stats._told_apart == 3


async def test_stats_are_gathered_while_users_grab(
    server: Server, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 3)
    packet_id = await room.lucky(300, 3)
    for guest in (room.guests[1], room.guests[0]):
        for _ in range(3):
            assert (await guest.open_page(packet_id)).answer == "ticket"
    await room.guests[0].set_name("阿明")

    async def counted() -> bool:
        return sum(line.grabs for line in (await room.sender.grab_stats(room.group)).lines) == 2

    await until(counted)
    lines = (await room.sender.grab_stats(room.group)).lines
    assert {line.user_id: (line.grabs, line.first_places, line.sent_packets) for line in lines} == {
        room.guests[1].user_id: (1, 1, 0),
        room.guests[0].user_id: (1, 0, 0),
        1: (0, 0, 1),
        room.guests[2].user_id: (0, 0, 0),
    }
    assert {line.user_id: line.name for line in lines}[room.guests[0].user_id] == "阿明"
    assert [line.median_ms == 0 for line in lines] == [False, False, True, True]
    for client, refusal in ((room.guests[0], NotOwner), (await connect(server, 900), NotAMember)):
        with pytest.raises(refusal):
            await client.grab_stats(room.group)


async def test_many_grabs_do_not_grow_memory(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    packet_id = await room.lucky(300, 2)
    opens = server.app.services.opens
    opens._admissions = [Admission(1, 1, 1)] * ADMISSIONS_MAX
    assert (await room.guests[0].grab(packet_id)).answer == "ticket"
    assert len(opens._admissions) <= ADMISSIONS_MAX
