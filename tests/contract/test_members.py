"""Groups and memberships: invite codes, the backend's versions, limits, and what changed after a version."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from storage.postgres.chat.backend_groups import MembersRecorded, OtherKind
from storage.postgres.chat.groups import GroupKind, MemberChange
from storage.postgres.chat.memberships import GroupFull, Recorded, TooManyGroups, WasKicked, WrongInvite
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, CARLA, GROUP, OTHER_GROUP, SENDER

CODE, OTHER_CODE = "ABCDEFGHABCDEFGH", "IJKLMNOPIJKLMNOP"
MOST = 10


async def create(stores: Stores, group_id: int = GROUP, code: str = CODE) -> None:
    """A group of the sender's, with an invite code."""
    await stores.memberships.create(group_id, "friends", SENDER, 0, MOST)
    assert await stores.memberships.invite(group_id, code, False) == code


async def join(stores: Stores, user_id: int, code: str = CODE, group_id: int = GROUP, most: int = MOST) -> Recorded:
    return await stores.memberships.join(group_id, user_id, code, 0, most, most)


async def put(stores: Stores, kind: GroupKind = GroupKind.GROUP) -> int:
    """A group of the backend's."""
    return (await stores.backend_groups.put(GROUP, "room", kind, "room", 0, 0)).group_id


async def members(stores: Stores, group_id: int = GROUP) -> set[int]:
    (row,) = await stores.groups.load([group_id])
    return row.members


async def change(
    stores: Stores, version: int, joined: tuple[int, ...] = (), left: tuple[int, ...] = (), most: int = MOST
) -> tuple[int, ...] | None:
    """What joined, left and members say."""
    return counts(await stores.backend_groups.change(GROUP, version, joined, left, 0, most))


async def sync(stores: Stores, version: int, *user_ids: int) -> tuple[int, ...] | None:
    return counts(await stores.backend_groups.sync(GROUP, version, user_ids, 0))


def counts(made: MembersRecorded | None) -> tuple[int, ...] | None:
    return None if made is None else made[2:]


async def raises(kind: type[Exception], work: Awaitable[Any]) -> None:
    with pytest.raises(kind):
        await work


# --- users ----------------------------------------------------------------------------------------------------


async def test_join_needs_the_code_of_that_group_and_again_needs_none(both: Stores) -> None:
    await create(both)
    await create(both, OTHER_GROUP, OTHER_CODE)
    for code in ("", OTHER_CODE, CODE.lower()):
        await raises(WrongInvite, join(both, ANNA, code))
    await raises(WrongInvite, join(both, ANNA, CODE, OTHER_GROUP + 1))
    assert await join(both, ANNA) == Recorded(GROUP, 2)
    assert await join(both, ANNA, "") == Recorded(GROUP, 2)
    assert await members(both) == {SENDER, ANNA}


async def test_invite_stays_until_it_is_renewed(both: Stores) -> None:
    await create(both)
    assert await both.memberships.invited_to(CODE) == GROUP
    assert await both.memberships.invite(GROUP, OTHER_CODE, False) == CODE
    assert await both.memberships.invite(GROUP, OTHER_CODE, True) == OTHER_CODE
    assert await both.memberships.invited_to(OTHER_CODE) == GROUP
    await raises(WrongInvite, both.memberships.invited_to(CODE))


async def test_leave_and_removal_end_a_membership_and_again_change_nothing(both: Stores) -> None:
    await create(both)
    for user_id in (ANNA, BEN):
        await join(both, user_id)
    assert [await both.memberships.leave(GROUP, ANNA, 0) for _ in range(2)] == [Recorded(GROUP, 4)] * 2
    assert [await both.memberships.remove_member(GROUP, BEN, 0) for _ in range(2)] == [Recorded(GROUP, 5)] * 2
    assert await both.memberships.remove_member(GROUP, CARLA, 0) is None
    assert await members(both) == {SENDER}
    await raises(WasKicked, join(both, BEN))
    await raises(WrongInvite, join(both, BEN, OTHER_CODE))
    await join(both, ANNA)
    assert await members(both) == {SENDER, ANNA}


async def test_limits_of_group_and_user_are_kept(both: Stores) -> None:
    await create(both)
    await raises(GroupFull, join(both, ANNA, most=1))
    await raises(TooManyGroups, both.memberships.create(OTHER_GROUP, "more", SENDER, 0, 1))
    assert await both.groups.load([OTHER_GROUP]) == []


# --- the backend ----------------------------------------------------------------------------------------------


async def test_put_makes_one_group_for_one_id_and_changes_it(both: Stores) -> None:
    store = both.backend_groups
    assert await store.put(GROUP, "room", GroupKind.GROUP, "old", 0, 0) == Recorded(GROUP, 1)
    assert await store.put(OTHER_GROUP, "room", GroupKind.GROUP, "old", 0, 0) == Recorded(GROUP, 1)
    assert await store.put(OTHER_GROUP, "room", GroupKind.GROUP, "new", ANNA, 0) == Recorded(GROUP, 2)
    await raises(OtherKind, store.put(OTHER_GROUP, "room", GroupKind.SIGNED, "new", ANNA, 0))
    (row,) = await both.groups.load([GROUP, OTHER_GROUP])
    assert (row.name, row.owner_id, row.members, row.version) == ("new", ANNA, set(), 2)


async def test_sync_sets_the_list_unless_a_newer_one_is_there(both: Stores) -> None:
    await put(both)
    assert await sync(both, 10, ANNA, BEN) == (2, 0, 2)
    assert await sync(both, 10, ANNA, BEN) == (0, 0, 2)
    assert await sync(both, 12, BEN, CARLA) == (1, 1, 2)
    assert await sync(both, 11, ANNA) == (0, 0, 2)
    assert await members(both) == {BEN, CARLA}
    assert await both.groups.versions([GROUP, OTHER_GROUP]) == {GROUP: 3}
    assert await both.backend_groups.sync(OTHER_GROUP, 1, [ANNA], 0) is None


async def test_change_is_made_only_at_a_version_that_is_newer_for_that_user(both: Stores) -> None:
    await put(both)
    assert await change(both, 5, joined=(ANNA, BEN)) == (2, 0, 2)
    assert await change(both, 9, left=(ANNA, CARLA)) == (0, 1, 1)
    assert await change(both, 8, joined=(ANNA, CARLA)) == (0, 0, 1)  # Carla was said to have left later
    assert await change(both, 10, joined=(ANNA,)) == (1, 0, 2)
    assert await sync(both, 7, CARLA) == (0, 1, 1)  # Ben leaves; the others have newer versions
    assert await change(both, 7, joined=(BEN,)) == (0, 0, 1)
    assert await members(both) == {ANNA}


async def test_backend_brings_back_who_was_removed_or_left(both: Stores) -> None:
    await create(both)
    for user_id in (ANNA, BEN):
        await join(both, user_id)
    await both.memberships.remove_member(GROUP, ANNA, 0)
    await both.memberships.leave(GROUP, BEN, 0)
    assert await change(both, 1, joined=(ANNA,)) == (1, 0, 2)
    assert await sync(both, 2, SENDER, ANNA, BEN) == (1, 0, 3)
    await both.memberships.leave(GROUP, ANNA, 0)
    await join(both, ANNA)  # no longer kept out


async def test_change_that_would_overfill_a_group_is_not_recorded(both: Stores) -> None:
    await put(both)
    await raises(GroupFull, change(both, 1, joined=(ANNA, BEN), most=1))
    assert await members(both) == set()
    assert await change(both, 1, joined=(ANNA,), most=1) == (1, 0, 1)


async def test_group_without_a_list_is_not_changed(both: Stores) -> None:
    await put(both, GroupKind.SIGNED)
    await raises(OtherKind, sync(both, 1, ANNA))
    await raises(OtherKind, change(both, 1, joined=(ANNA,)))


# --- what changed after a version -----------------------------------------------------------------------------


async def changes(stores: Stores, after_version: int) -> list[MemberChange]:
    found = await stores.groups.changes(GROUP, after_version)
    assert found is not None
    return sorted(found.members)


async def test_changes_tell_standings_after_a_version_and_whether_others_made_them(both: Stores) -> None:
    await create(both)
    await join(both, ANNA)
    assert await changes(both, 1) == [MemberChange(ANNA, True, False)]
    await change(both, 1, joined=(ANNA, BEN))  # Anna is in already
    assert await changes(both, 2) == [MemberChange(BEN, True, True)]
    await both.memberships.remove_member(GROUP, BEN, 0)
    await both.memberships.leave(GROUP, ANNA, 0)
    assert await changes(both, 3) == [MemberChange(ANNA, False, False), MemberChange(BEN, False, True)]
    found = await both.groups.changes(GROUP, 5)
    assert found is not None
    assert (found.version, found.name, found.owner_id, found.kind, found.members) == (
        *(5, "friends", SENDER, GroupKind.GROUP),
        [],
    )
    assert await both.groups.changes(OTHER_GROUP, 0) is None


async def test_page_has_members_by_their_ids(both: Stores) -> None:
    await put(both)
    await sync(both, 1, CARLA, ANNA, BEN)
    assert await both.groups.page(GROUP, 0, 2) == [ANNA, BEN]
    assert await both.groups.page(GROUP, BEN, 2) == [CARLA]
