"""Simulated tables of groups and memberships."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from storage.postgres.change_feed import Change, Topic
from storage.postgres.chat.backend_groups import MembersRecorded, OtherKind
from storage.postgres.chat.groups import GroupChanges, GroupKind, GroupRow, MemberChange
from storage.postgres.chat.memberships import GroupFull, Recorded, TooManyGroups, WasKicked, WrongInvite
from tests.sim.change_feed import FeedTables


class Membership(NamedTuple):
    """A row of the table, without its key."""

    is_in: bool
    was_in: bool = True
    is_kicked: bool = False
    changed_version: int = 0
    by_other: bool = False
    backend_version: int = 0


class MemberTables:
    """Groups and who is in them. Every method is one transaction."""

    def __init__(self) -> None:
        self.feed = FeedTables()
        self.groups: dict[int, GroupRow] = {}
        self.memberships: dict[tuple[int, int], Membership] = {}
        self.external_ids: dict[str, int] = {}
        self.synced_versions: dict[int, int] = {}
        self.invites: dict[int, str] = {}

    def know(self, user_ids: Sequence[int]) -> None:
        """Users whom the backend names are known."""
        raise NotImplementedError

    # --- reading ----------------------------------------------------------------------------------------------

    def load_groups(self, group_ids: Sequence[int]) -> list[GroupRow]:
        found = [self.groups[group_id] for group_id in group_ids if group_id in self.groups]
        return [row._replace(members=set(row.members)) for row in found]

    def member_changes(self, group_id: int, after_version: int) -> GroupChanges | None:
        group = self.groups.get(group_id)
        if group is None:
            return None
        changes = [
            MemberChange(user_id, row.is_in, row.by_other)
            for (of_group, user_id), row in self.memberships.items()
            if of_group == group_id and row.changed_version > after_version
        ]
        return GroupChanges(group.version, group.name, group.owner_id, group.kind, 0, changes)

    def versions(self, group_ids: Sequence[int]) -> dict[int, int]:
        return {group_id: self.groups[group_id].version for group_id in group_ids if group_id in self.groups}

    def page(self, group_id: int, after_user_id: int, most: int) -> list[int]:
        return sorted(one for one in self.groups[group_id].members if one > after_user_id)[:most]

    def membership(self, group_id: int, user_id: int) -> Membership | None:
        """A row; a world begins with members who have none."""
        if row := self.memberships.get((group_id, user_id)):
            return row
        return Membership(is_in=True) if user_id in self.groups[group_id].members else None

    # --- users ------------------------------------------------------------------------------------------------

    def create(self, group_id: int, name: str, owner_id: int, groups_max: int) -> Recorded:
        self.check_groups(owner_id, groups_max)
        self.groups[group_id] = GroupRow(group_id, name, owner_id, {owner_id}, GroupKind.GROUP, 1)
        self.memberships[group_id, owner_id] = Membership(is_in=True, changed_version=1)
        self.tell(group_id)
        return Recorded(group_id, 1)

    def check_groups(self, user_id: int, groups_max: int) -> None:
        if sum(user_id in row.members for row in self.groups.values()) >= groups_max:
            raise TooManyGroups

    def join(self, group_id: int, user_id: int, invite: str, members_max: int, groups_max: int) -> Recorded:
        group = self.groups.get(group_id)
        if group is None:
            raise WrongInvite
        if user_id in group.members:
            return Recorded(group_id, group.version)
        if self.invites.get(group_id) != invite:
            raise WrongInvite
        row = self.membership(group_id, user_id)
        if row is not None and row.is_kicked:
            raise WasKicked
        self.check_groups(user_id, groups_max)
        if len(group.members) >= members_max:
            raise GroupFull
        version = self.put(group_id, {user_id: lambda old: old._replace(is_in=True, was_in=True, by_other=False)})
        return Recorded(group_id, version)

    def invited_to(self, invite: str) -> int:
        for group_id, code in self.invites.items():
            if code == invite:
                return group_id
        raise WrongInvite

    def invite(self, group_id: int, fresh: str, renew: bool) -> str:
        if renew or group_id not in self.invites:
            self.invites[group_id] = fresh
        return self.invites[group_id]

    def leave_group(self, group_id: int, user_id: int) -> Recorded:
        if user_id not in self.groups[group_id].members:
            return Recorded(group_id, self.groups[group_id].version)
        return Recorded(
            group_id, self.put(group_id, {user_id: lambda old: old._replace(is_in=False, by_other=False)})
        )

    def remove_member(self, group_id: int, user_id: int) -> Recorded | None:
        row = self.membership(group_id, user_id)
        if row is None or not row.was_in:
            return None
        if row.is_kicked:
            return Recorded(group_id, self.groups[group_id].version)
        by_other = row.by_other or row.is_in
        version = self.put(
            group_id,
            {user_id: lambda old: old._replace(is_in=False, is_kicked=True, by_other=by_other)},
            always=True,
        )
        return Recorded(group_id, version)

    def put(
        self, group_id: int, changes: dict[int, Callable[[Membership], Membership]], *, always: bool = False
    ) -> int:
        """Change rows; those whose standing changes get the next version, which the group gets then, too."""
        group = self.groups[group_id]
        version, members, moved = group.version + 1, set(group.members), always
        for user_id, change in changes.items():
            old = self.membership(group_id, user_id) or Membership(is_in=False, was_in=False)
            new = change(old)
            if new.is_in != old.is_in:
                new, moved = new._replace(changed_version=version), True
            self.memberships[group_id, user_id] = new
            (members.add if new.is_in else members.discard)(user_id)
        self.groups[group_id] = group._replace(members=members, version=version if moved else group.version)
        if moved:
            self.tell(group_id)
        return self.groups[group_id].version

    def tell(self, group_id: int) -> None:
        """The trigger."""
        self.feed.notify(Topic.CHANGE, Change("group", group_id, self.groups[group_id].version))

    # --- the backend ------------------------------------------------------------------------------------------

    def put_group(self, group_id: int, external_id: str, kind: GroupKind, name: str, owner_id: int) -> Recorded:
        self.know([owner_id] if owner_id else [])
        found_id = self.external_ids.setdefault(external_id, group_id)
        if found_id == group_id:
            self.groups[group_id] = GroupRow(group_id, name, owner_id, set(), kind, 1)
            self.tell(group_id)
            return Recorded(group_id, 1)
        found = self.groups[found_id]
        if found.kind is not kind:
            raise OtherKind
        if (found.name, found.owner_id) != (name, owner_id):
            found = found._replace(name=name, owner_id=owner_id, version=found.version + 1)
            self.groups[found_id] = found
            self.tell(found_id)
        return Recorded(found_id, found.version)

    def sync(self, group_id: int, at_version: int, user_ids: Sequence[int]) -> MembersRecorded | None:
        self.know(user_ids)
        if not self.has_list(group_id):
            return None
        before = set(self.groups[group_id].members)
        if at_version > self.synced_versions.get(group_id, 0):
            self.synced_versions[group_id] = at_version
            listed = set(user_ids)
            changed = {
                user_id: self.at_version(user_id in listed, at_version)
                for user_id in sorted(listed ^ before)
                if (self.membership(group_id, user_id) or Membership(is_in=False)).backend_version < at_version
            }
            self.put(group_id, changed)
        return self.recorded(group_id, before)

    def change_members(
        self, group_id: int, at_version: int, joined: Sequence[int], left: Sequence[int], members_max: int
    ) -> MembersRecorded | None:
        self.know(joined)
        if not self.has_list(group_id):
            return None
        before = set(self.groups[group_id].members)
        if at_version > self.synced_versions.get(group_id, 0):
            wanted = dict.fromkeys(joined, True) | dict.fromkeys(left, False)
            changed = {
                user_id: self.at_version(is_in, at_version)
                for user_id, is_in in wanted.items()
                if (self.membership(group_id, user_id) or Membership(is_in=False)).backend_version < at_version
            }
            after = before | {one for one in changed if wanted[one]} - {one for one in changed if not wanted[one]}
            if after - before and len(after) > members_max:
                raise GroupFull
            self.put(group_id, changed)
        return self.recorded(group_id, before)

    def at_version(self, is_in: bool, at_version: int) -> Callable[[Membership], Membership]:
        """The change of a row at the backend's version."""

        def change(old: Membership) -> Membership:
            return old._replace(
                is_in=is_in,
                was_in=old.was_in or is_in,
                is_kicked=old.is_kicked and not is_in,
                by_other=old.by_other or is_in != old.is_in,
                backend_version=at_version,
            )

        return change

    def has_list(self, group_id: int) -> bool:
        group = self.groups.get(group_id)
        if group is not None and group.kind is not GroupKind.GROUP:
            raise OtherKind
        return group is not None

    def recorded(self, group_id: int, before: Set[int]) -> MembersRecorded:
        group = self.groups[group_id]
        came, went = len(group.members - before), len(before - group.members)
        return MembersRecorded(group_id, group.version, came, went, len(group.members))
