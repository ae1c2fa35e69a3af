"""Groups and grab statistics."""

from __future__ import annotations

from storage.postgres.chat.grab_stats import GrabStatRow
from storage.postgres.chat.groups import GroupRow
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, CARLA, GROUP, OTHER_GROUP, SENDER


async def add_groups(stores: Stores, *groups: GroupRow) -> None:
    """Groups that exist."""
    for group in groups:
        await stores.memberships.create(group.group_id, group.name, group.owner_id, 0, 10)
        fresh = "ABCDEFGH" if group.group_id == GROUP else "IJKLMNOP"
        code = await stores.memberships.invite(group.group_id, fresh * 2, False)
        for user_id in group.members:
            await stores.memberships.join(group.group_id, user_id, code, 0, 10, 10)


def unversioned(row: GroupRow) -> GroupRow:
    """A group without its version, which depends on how it got its members."""
    return row._replace(version=0)


async def test_load_returns_groups_that_exist_with_their_members(both: Stores) -> None:
    friends, family = (
        GroupRow(GROUP, "friends", SENDER, {SENDER, ANNA}),
        GroupRow(OTHER_GROUP, "family", BEN, {BEN}),
    )
    await add_groups(both, friends, family)
    assert sorted(map(unversioned, await both.groups.load([OTHER_GROUP, OTHER_GROUP + 1, GROUP]))) == [
        friends,
        family,
    ]
    assert list(map(unversioned, await both.groups.load([OTHER_GROUP]))) == [family]


async def test_load_of_unknown_groups_returns_none_of_them(both: Stores) -> None:
    assert await both.groups.load([GROUP]) == []


async def test_load_returns_members_that_the_caller_may_change(both: Stores) -> None:
    await add_groups(both, GroupRow(GROUP, "friends", SENDER, {SENDER}))
    (loaded,) = await both.groups.load([GROUP])
    loaded.members.add(CARLA)
    assert (await both.groups.load([GROUP]))[0].members == {SENDER}


async def stats_of(stores: Stores, group_id: int) -> list[GrabStatRow]:
    """By user; the reactions as a list."""
    rows = await stores.grab_stats.of_group(group_id)
    return sorted(row._replace(recent_ms=list(row.recent_ms)) for row in rows)


async def test_of_group_without_statistics_is_empty(both: Stores) -> None:
    assert await both.grab_stats.of_group(GROUP) == []


async def test_add_of_new_members_keeps_them_by_group(both: Stores) -> None:
    ben, anna = GrabStatRow(GROUP, BEN, 1, 0, 2, [70]), GrabStatRow(GROUP, ANNA, 3, 1, 0, [90, 80, 85])
    other = GrabStatRow(OTHER_GROUP, ANNA, 1, 1, 0, [])
    await both.grab_stats.add([ben, other, anna], 31)
    assert await stats_of(both, GROUP) == [anna, ben]
    assert await stats_of(both, OTHER_GROUP) == [other]


async def test_add_to_a_member_sums_and_keeps_the_latest_reactions(both: Stores) -> None:
    await both.grab_stats.add([GrabStatRow(GROUP, ANNA, 3, 1, 0, [90, 80, 85])], 4)
    await both.grab_stats.add([GrabStatRow(GROUP, ANNA, 2, 0, 5, [60, 65])], 4)
    assert await stats_of(both, GROUP) == [GrabStatRow(GROUP, ANNA, 5, 1, 5, [80, 85, 60, 65])]


async def test_add_without_reactions_keeps_the_earlier_ones(both: Stores) -> None:
    await both.grab_stats.add([GrabStatRow(GROUP, ANNA, 1, 0, 0, [90])], 4)
    await both.grab_stats.add([GrabStatRow(GROUP, ANNA, 0, 0, 1, [])], 4)
    assert await stats_of(both, GROUP) == [GrabStatRow(GROUP, ANNA, 1, 0, 1, [90])]
