"""Groups and memberships: what users change, what the chat backend changes, and what is read of it."""

from __future__ import annotations

import pytest

from storage.postgres.chat.backend_groups import MembersRecorded, OtherKind, WasDeleted
from storage.postgres.chat.groups import GroupChanges, GroupKind, MemberChange, ProfileRow, StreamPositionRow
from storage.postgres.chat.memberships import GroupFull, OwnerStays, Recorded, TooManyGroups, WasKicked, WrongInvite
from storage.postgres.chat.users import AccessRow
from storage.postgres.money.wallets import EMPTY_ROW, HoldingRow
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, CARLA, GROUP, OTHER_GROUP, SENDER

CODE, OTHER_CODE = "ABCDEFGHIJKLMNOP", "PONMLKJIHGFEDCBA"
NOW_MS, MANY = 5_000, 100


async def create(stores: Stores, group_id: int = GROUP, code: str = CODE) -> None:
    """A group of the sender's, with an invite code."""
    assert await stores.memberships.create(group_id, "friends", SENDER, NOW_MS, MANY) == Recorded(group_id, 1)
    assert await stores.memberships.invite(group_id, code, False) == code


async def join(stores: Stores, user_id: int, code: str = CODE, group_id: int = GROUP) -> Recorded:
    return await stores.memberships.join(group_id, user_id, code, NOW_MS, MANY, MANY)


async def members(stores: Stores, group_id: int = GROUP) -> set[int]:
    (row,) = await stores.groups.load([group_id])
    return row.members


async def changes(stores: Stores, after_version: int, group_id: int = GROUP) -> tuple[int, list[MemberChange]]:
    """The version, and the members who changed, by user."""
    found = await stores.groups.changes(group_id, after_version)
    assert found is not None
    return found.version, sorted(found.members)


async def test_join_needs_the_code_of_the_group_and_again_needs_none(both: Stores) -> None:
    await create(both)
    await create(both, OTHER_GROUP, OTHER_CODE)
    for code in ("", OTHER_CODE):
        with pytest.raises(WrongInvite):
            await join(both, ANNA, code)
    with pytest.raises(WrongInvite):
        await join(both, ANNA, CODE, OTHER_GROUP + 1)
    assert await join(both, ANNA) == Recorded(GROUP, 2)
    assert await join(both, ANNA, "") == Recorded(GROUP, 2)
    assert await members(both) == {SENDER, ANNA}
    assert await both.memberships.invited_to(CODE) == GROUP
    with pytest.raises(WrongInvite):
        await both.memberships.invited_to(CODE[::-1].lower())


async def test_renewed_code_replaces_the_old_one(both: Stores) -> None:
    await create(both)
    assert await both.memberships.invite(GROUP, OTHER_CODE, False) == CODE
    assert await both.memberships.invite(GROUP, OTHER_CODE, True) == OTHER_CODE
    with pytest.raises(WrongInvite):
        await join(both, ANNA, CODE)


async def test_leave_and_join_again_are_changes_by_the_user(both: Stores) -> None:
    await create(both)
    await join(both, ANNA)
    assert await both.groups.version_of_member(GROUP, ANNA) == 2
    assert await both.memberships.leave(GROUP, ANNA, NOW_MS) == Recorded(GROUP, 3)
    assert await both.groups.version_of_member(GROUP, ANNA) is None
    again = await both.memberships.leave(GROUP, ANNA, NOW_MS)
    assert again == Recorded(GROUP, 3)  # other servers may not have followed it yet: the repeated request waits too
    assert await both.memberships.leave(GROUP, BEN, NOW_MS) is None
    assert await both.memberships.leave(OTHER_GROUP, ANNA, NOW_MS) is None
    with pytest.raises(OwnerStays):
        await both.memberships.leave(GROUP, SENDER, NOW_MS)
    assert await changes(both, 2) == (3, [MemberChange(ANNA, False, False)])
    assert await join(both, ANNA) == Recorded(GROUP, 4)
    assert await changes(both, 3) == (4, [MemberChange(ANNA, True, False)])
    assert await changes(both, 4) == (4, [])


async def test_removed_member_cannot_join_and_the_backend_brings_them_back(both: Stores) -> None:
    await create(both)
    await join(both, ANNA)
    assert await both.memberships.remove_member(GROUP, BEN, NOW_MS) is None
    assert await both.memberships.remove_member(GROUP, ANNA, NOW_MS) == Recorded(GROUP, 3)
    assert await both.memberships.remove_member(GROUP, ANNA, NOW_MS) == Recorded(GROUP, 3)
    assert await changes(both, 2) == (3, [MemberChange(ANNA, False, True)])
    with pytest.raises(WasKicked):
        await join(both, ANNA)
    with pytest.raises(WrongInvite):
        await join(both, ANNA, OTHER_CODE)
    back = await both.backend_groups.change(GROUP, 1, [ANNA], [], NOW_MS, MANY)
    assert back == MembersRecorded(GROUP, 4, 1, 0, 2)
    await both.memberships.leave(GROUP, ANNA, NOW_MS)
    assert await join(both, ANNA) == Recorded(GROUP, 6)


async def test_removal_of_a_user_who_left_changes_the_version_and_no_standing(both: Stores) -> None:
    await create(both)
    await join(both, ANNA)
    await both.memberships.leave(GROUP, ANNA, NOW_MS)
    assert await both.memberships.remove_member(GROUP, ANNA, NOW_MS) == Recorded(GROUP, 4)
    assert await changes(both, 3) == (4, [])
    with pytest.raises(WasKicked):
        await join(both, ANNA)


async def test_limits_of_users_and_groups_hold(both: Stores) -> None:
    await create(both)
    with pytest.raises(TooManyGroups):
        await both.memberships.create(OTHER_GROUP, "more", SENDER, NOW_MS, 1)
    await create(both, OTHER_GROUP, OTHER_CODE)
    await join(both, ANNA, OTHER_CODE, OTHER_GROUP)
    with pytest.raises(TooManyGroups):
        await both.memberships.join(GROUP, ANNA, CODE, NOW_MS, MANY, 1)
    with pytest.raises(GroupFull):
        await both.memberships.join(GROUP, ANNA, CODE, NOW_MS, 1, MANY)
    assert await members(both) == {SENDER}


async def test_put_finds_the_group_of_the_external_id(both: Stores) -> None:
    store = both.backend_groups
    assert await store.id_of("room 7") is None
    assert await store.put(GROUP, "room 7", GroupKind.GROUP, "seven", SENDER, NOW_MS) == Recorded(GROUP, 1)
    assert await store.id_of("room 7") == GROUP
    again = await store.put(OTHER_GROUP, "room 7", GroupKind.GROUP, "seven", SENDER, NOW_MS)
    assert again == Recorded(GROUP, 1)
    renamed = await store.put(OTHER_GROUP, "room 7", GroupKind.GROUP, "VII", ANNA, NOW_MS)
    assert renamed == Recorded(GROUP, 2)
    with pytest.raises(OtherKind):
        await store.put(OTHER_GROUP, "room 7", GroupKind.SIGNED, "VII", ANNA, NOW_MS)
    assert await both.groups.changes(GROUP, 1) == GroupChanges(2, "VII", ANNA, GroupKind.GROUP, 0, [])
    assert await both.groups.changes(OTHER_GROUP, 0) is None
    assert await members(both) == set()
    signed = await store.put(OTHER_GROUP, "room 8", GroupKind.SIGNED, "eight", 0, NOW_MS)
    assert signed == Recorded(OTHER_GROUP, 1)
    with pytest.raises(OtherKind):
        await store.sync(OTHER_GROUP, 1, [ANNA], NOW_MS)
    with pytest.raises(OtherKind):
        await store.change(OTHER_GROUP, 1, [ANNA], [], NOW_MS, MANY)


async def test_deleted_group_has_no_members_and_gets_none(both: Stores) -> None:
    store = both.backend_groups
    await store.put(GROUP, "room 7", GroupKind.GROUP, "seven", SENDER, NOW_MS)
    await store.sync(GROUP, 1, [ANNA, BEN], NOW_MS)
    await both.memberships.invite(GROUP, CODE, True)
    for _ in range(2):
        assert await store.delete(GROUP, NOW_MS) == Recorded(GROUP, 3)
    found = await both.groups.changes(GROUP, 2)
    assert found is not None
    assert (found.is_deleted, sorted(found.members)) == (
        True,
        [MemberChange(ANNA, False, True), MemberChange(BEN, False, True)],
    )
    [row] = await both.groups.load([GROUP])
    assert (row.is_deleted, row.members, row.version) == (True, set(), 3)
    with pytest.raises(WasDeleted):
        await store.put(OTHER_GROUP, "room 7", GroupKind.GROUP, "seven", SENDER, NOW_MS)
    with pytest.raises(WrongInvite):
        await join(both, ANNA)
    assert await store.sync(GROUP, 9, [ANNA], NOW_MS) is None
    assert await store.change(GROUP, 9, [ANNA], [], NOW_MS, MANY) is None
    assert await members(both) == set()


async def test_change_of_a_group_without_a_list_ends_passes(both: Stores) -> None:
    store, users = both.backend_groups, both.users
    await store.put(GROUP, "room 8", GroupKind.SIGNED, "eight", 0, NOW_MS)
    assert await users.passes_from(ANNA, GROUP) == 0
    await users.know([ANNA])
    assert await users.passes_from(ANNA, GROUP) == 0
    for _ in range(2):
        ended = await store.change(GROUP, 5, [], [ANNA, ANNA], NOW_MS, MANY)
        assert ended is not None
        assert ended.members == 0
    assert await changes(both, 1) == (2, [MemberChange(ANNA, False, True)])
    assert await users.passes_from(ANNA, GROUP) == NOW_MS // 1000 + 1
    assert await store.change(GROUP, 6, [], [ANNA], NOW_MS + 9_000, MANY) == MembersRecorded(GROUP, 3, 0, 1, 0)
    assert await users.passes_from(ANNA, GROUP) == NOW_MS // 1000 + 10
    assert await users.passes_from(ANNA, OTHER_GROUP) == 0
    await users.revoke_tokens(ANNA, 500)
    assert await users.passes_from(ANNA, OTHER_GROUP) == 500
    await users.ban(ANNA, NOW_MS)
    assert await users.passes_from(ANNA, GROUP) is None


async def test_whole_list_of_a_fresh_start_forgets_the_versions(both: Stores) -> None:
    await create(both)
    store = both.backend_groups
    await store.change(GROUP, 90, [ANNA], [BEN], NOW_MS, MANY)
    await store.sync(GROUP, 95, [ANNA], NOW_MS)
    assert await store.sync(GROUP, 0, [BEN], NOW_MS) == MembersRecorded(GROUP, 4, 1, 1, 1)
    assert await store.sync(GROUP, 0, [BEN], NOW_MS) == MembersRecorded(GROUP, 4, 0, 0, 1)
    assert await store.change(GROUP, 1, [ANNA], [BEN], NOW_MS, MANY) == MembersRecorded(GROUP, 5, 1, 1, 1)
    assert await members(both) == {ANNA}


async def test_sync_sets_the_list_once_for_each_version(both: Stores) -> None:
    await create(both)
    await join(both, ANNA)
    sync = both.backend_groups.sync
    assert await sync(GROUP + 50, 5, [ANNA], NOW_MS) is None
    assert await sync(GROUP, 5, [ANNA, BEN, BEN], NOW_MS) == MembersRecorded(GROUP, 3, 1, 1, 2)
    assert await changes(both, 2) == (3, [MemberChange(SENDER, False, True), MemberChange(BEN, True, True)])
    for version in (5, 4):
        assert await sync(GROUP, version, [CARLA], NOW_MS) == MembersRecorded(GROUP, 3, 0, 0, 2)
    assert await sync(GROUP, 6, [BEN, ANNA], NOW_MS) == MembersRecorded(GROUP, 3, 0, 0, 2)
    assert await members(both) == {ANNA, BEN}


async def test_late_changes_of_the_backend_undo_nothing_newer(both: Stores) -> None:
    await create(both)
    change, sync = both.backend_groups.change, both.backend_groups.sync
    assert await change(GROUP, 5, [], [BEN], NOW_MS, MANY) == MembersRecorded(GROUP, 1, 0, 0, 1)
    assert await change(GROUP, 4, [BEN, CARLA], [], NOW_MS, MANY) == MembersRecorded(GROUP, 2, 1, 0, 2)
    assert await sync(GROUP, 4, [SENDER, BEN], NOW_MS) == MembersRecorded(GROUP, 2, 0, 0, 2)
    assert await members(both) == {SENDER, CARLA}
    assert await change(GROUP, 4, [BEN], [CARLA], NOW_MS, MANY) == MembersRecorded(GROUP, 2, 0, 0, 2)
    assert await change(GROUP, 6, [SENDER, BEN], [CARLA], NOW_MS, MANY) == MembersRecorded(GROUP, 3, 1, 1, 2)
    assert await change(GROUP, 5, [], [SENDER, BEN], NOW_MS, MANY) == MembersRecorded(GROUP, 3, 0, 0, 2)
    assert await sync(GROUP, 5, [CARLA], NOW_MS) == MembersRecorded(GROUP, 3, 0, 0, 2)
    assert await members(both) == {SENDER, BEN}
    with pytest.raises(GroupFull):
        await change(GROUP, 7, [ANNA], [], NOW_MS, 2)
    assert await change(GROUP, 7, [ANNA], [BEN], NOW_MS, 2) == MembersRecorded(GROUP, 4, 1, 1, 2)


async def test_versions_and_pages_of_groups(both: Stores) -> None:
    await create(both)
    for user_id in (CARLA, ANNA, BEN):
        await join(both, user_id)
    assert await both.groups.versions([GROUP, OTHER_GROUP]) == {GROUP: 4}
    assert await both.groups.page(GROUP, SENDER, 2) == [ANNA, BEN]
    assert await both.groups.page(GROUP, CARLA, 2) == []


async def test_profile_has_the_groups_and_the_access_of_a_user(both: Stores) -> None:
    await create(both)
    await join(both, ANNA)
    await both.users.ban(ANNA, NOW_MS)
    holding = HoldingRow(EMPTY_ROW, 0)
    position = StreamPositionRow(GROUP, "friends", SENDER, 0)
    assert await both.groups.profiles([ANNA, BEN]) == {
        ANNA: ProfileRow(holding, [position], AccessRow(ANNA, 2, is_banned=True, tokens_from_s=0)),
        BEN: ProfileRow(holding, [], None),
    }
    await both.memberships.leave(GROUP, ANNA, NOW_MS)
    assert (await both.groups.profiles([ANNA]))[ANNA].streams == []
