"""Simulated tables of groups and memberships, with the rules of their statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from storage.postgres.change_feed import Change, Topic
from storage.postgres.chat.backend_groups import FRESH_START, MembersRecorded, OtherKind, WasDeleted
from storage.postgres.chat.groups import GroupChanges, GroupKind, GroupRow, MemberChange, StreamPositionRow
from storage.postgres.chat.memberships import (
    GroupFull,
    OwnerStays,
    PairStays,
    Recorded,
    TooManyGroups,
    WasKicked,
    WrongInvite,
)
from storage.postgres.chat.users import AccessRow
from tests.sim.change_feed import FeedTables


@dataclass(frozen=True)
class Membership:
    """A row of the table, without its key."""

    joined_at_ms: int | None = None
    left_at_ms: int | None = None
    kicked_at_ms: int | None = None
    changed_version: int = 0
    by_other: bool = False
    backend_version: int = 0

    @property
    def is_in(self) -> bool:
        return self.left_at_ms is None


@dataclass
class Group:
    """A row of the table, and the memberships by user."""

    group_id: int
    name: str
    owner_id: int
    kind: GroupKind = GroupKind.GROUP
    external_id: str | None = None
    invite: str | None = None
    version: int = 1
    synced_version: int = 0
    is_deleted: bool = False
    rows: dict[int, Membership] = field(default_factory=dict)
    history: list[frozenset[int]] = field(default_factory=lambda: [frozenset()])  # members at each version

    @property
    def members(self) -> set[int]:
        """Who is in."""
        return {user_id for user_id, row in self.rows.items() if row.is_in}


class GroupTables:
    """Groups. Every method is one transaction."""

    feed: FeedTables
    streams: dict[int, int]
    know: Callable[[Sequence[int]], None]
    access_of: Callable[[int], AccessRow | None]

    def __init__(self) -> None:
        self.groups: dict[int, Group] = {}

    # --- reading ----------------------------------------------------------------------------------------------

    def load_groups(self, group_ids: Iterable[int]) -> list[GroupRow]:
        found = [self.groups[group_id] for group_id in group_ids if group_id in self.groups]
        return [
            GroupRow(one.group_id, one.name, one.owner_id, one.members, one.kind, one.version, one.is_deleted)
            for one in found
        ]

    def group_changes(self, group_id: int, after_version: int) -> GroupChanges | None:
        group = self.groups.get(group_id)
        if group is None:
            return None
        changed = [
            MemberChange(user_id, row.is_in, row.by_other)
            for user_id, row in group.rows.items()
            if row.changed_version > max(after_version, 0)
        ]
        last_message = self.streams.get(group_id, 0)
        place = group.version, group.name, group.owner_id, group.kind, last_message
        return GroupChanges(*place, changed, group.is_deleted)

    def versions(self, group_ids: Iterable[int]) -> dict[int, int]:
        return {group_id: self.groups[group_id].version for group_id in group_ids if group_id in self.groups}

    def passes_from(self, user_id: int, group_id: int) -> int | None:
        access, group = self.access_of(user_id), self.groups.get(group_id)
        if access is not None and access.is_banned:
            return None
        row = None if group is None else group.rows.get(user_id)
        ended_at_ms = None if row is None else row.left_at_ms
        from_s = 0 if access is None else access.tokens_from_s
        return max(from_s, 0 if ended_at_ms is None else ended_at_ms // 1000 + 1)

    def version_of_member(self, group_id: int, user_id: int) -> int | None:
        group = self.groups.get(group_id)
        return group.version if group is not None and user_id in group.members else None

    def page(self, group_id: int, after_user_id: int, most: int) -> list[int]:
        return sorted(user_id for user_id in self.groups[group_id].members if user_id > after_user_id)[:most]

    def streams_of_user(self, user_id: int) -> list[StreamPositionRow]:
        found = [
            StreamPositionRow(one.group_id, one.name, one.owner_id, self.streams.get(one.group_id, 0))
            for one in self.groups.values()
            if user_id in one.members
        ]
        if user_id in self.streams:
            found.append(StreamPositionRow(user_id, "", user_id, self.streams[user_id]))
        return sorted(found)

    # --- users ------------------------------------------------------------------------------------------------

    def create_group(self, group_id: int, name: str, owner_id: int, now_ms: int, groups_max: int) -> Recorded:
        self.know([owner_id])
        self._check_groups(owner_id, group_id, groups_max)
        group = self.groups[group_id] = Group(group_id, name, owner_id)
        group.rows[owner_id] = Membership(now_ms, changed_version=1)
        self._made(group)
        return Recorded(group_id, 1)

    def join(
        self, group_id: int, user_id: int, invite: str, now_ms: int, members_max: int, groups_max: int
    ) -> Recorded:
        group = self.groups.get(group_id)
        if group is None:
            raise WrongInvite
        row = group.rows.get(user_id)
        if row is not None and row.is_in:
            return Recorded(group_id, group.version)
        if not group.invite or group.invite != invite:
            raise WrongInvite
        if row is not None and row.kicked_at_ms is not None:
            raise WasKicked
        self.know([user_id])
        self._check_groups(user_id, group_id, groups_max)
        if len(group.members - {user_id}) >= members_max:
            raise GroupFull
        self._enter(group, user_id, now_ms, by_other=False)
        return self._advance(group)

    def invited_to(self, invite: str) -> int:
        for group in self.groups.values():
            if group.invite == invite:
                return group.group_id
        raise WrongInvite

    def leave_group(self, group_id: int, user_id: int, now_ms: int) -> Recorded | None:
        group = self.groups.get(group_id)
        if group is None or user_id not in group.rows:
            return None
        if user_id not in group.members:
            return Recorded(group_id, group.rows[user_id].changed_version)
        if user_id == group.owner_id:
            raise OwnerStays
        if group.kind is GroupKind.DIRECT:
            raise PairStays
        self._exit(group, user_id, now_ms, by_other=False)
        return self._advance(group)

    def remove_member(self, group_id: int, user_id: int, now_ms: int) -> Recorded | None:
        group = self.groups[group_id]
        row = group.rows.get(user_id)
        if row is None or row.joined_at_ms is None:
            return None
        if row.kicked_at_ms is not None:
            return Recorded(group_id, group.version)
        if row.is_in:
            self._exit(group, user_id, now_ms, by_other=True)
        group.rows[user_id] = replace(group.rows[user_id], kicked_at_ms=now_ms)
        return self._advance(group)

    def invite(self, group_id: int, fresh: str, renew: bool) -> str:
        group = self.groups[group_id]
        group.invite = fresh if renew else group.invite or fresh
        return group.invite

    def _check_groups(self, user_id: int, group_id: int, groups_max: int) -> None:
        others = (one for one in self.groups.values() if one.group_id != group_id and one.kind is GroupKind.GROUP)
        if sum(user_id in one.members for one in others) >= groups_max:
            raise TooManyGroups

    # --- the backend ------------------------------------------------------------------------------------------

    def group_id_of(self, external_id: str) -> int | None:
        """The group of an external id."""
        return next((one.group_id for one in self.groups.values() if one.external_id == external_id), None)

    def put_group(self, group_id: int, external_id: str, kind: GroupKind, name: str, owner_id: int) -> Recorded:
        self.know([owner_id] if owner_id else [])
        found = next((one for one in self.groups.values() if one.external_id == external_id), None)
        if found is None:
            made = self.groups[group_id] = Group(group_id, name, owner_id, kind, external_id)
            self._made(made)
            return Recorded(group_id, 1)
        if found.is_deleted:
            raise WasDeleted
        if found.kind is not kind:
            raise OtherKind
        if (found.name, found.owner_id) == (name, owner_id):
            return Recorded(found.group_id, found.version)
        found.name, found.owner_id = name, owner_id
        return self._advance(found)

    def delete_group(self, group_id: int, now_ms: int) -> Recorded:
        group = self.groups[group_id]
        if group.is_deleted:
            return Recorded(group_id, group.version)
        for user_id in group.members:
            self._exit(group, user_id, now_ms, by_other=True)
        group.is_deleted, group.invite = True, None
        return self._advance(group)

    def sync_members(
        self, group_id: int, at_version: int, user_ids: Sequence[int], now_ms: int
    ) -> MembersRecorded | None:
        self.know(user_ids)
        group = self._of_backend(group_id)
        if group is None:
            return None
        if group.kind is GroupKind.SIGNED:
            raise OtherKind
        if at_version == FRESH_START:
            group.rows = {one: replace(row, backend_version=-1) for one, row in group.rows.items()}
            group.synced_version = -1
        joined: list[int] = []
        left: list[int] = []
        if at_version > group.synced_version:
            older = {one for one, row in group.rows.items() if row.backend_version < at_version} - group.members
            joined = sorted(set(user_ids) & older | set(user_ids) - group.rows.keys())
            left = [
                one for one in sorted(group.members - set(user_ids)) if group.rows[one].backend_version < at_version
            ]
            group.synced_version = at_version  # 0 after a fresh start
        for user_id in joined:
            self._enter(group, user_id, now_ms, by_other=True, at_version=at_version)
        for user_id in left:
            self._exit(group, user_id, now_ms, by_other=True, at_version=at_version)
        return self._members_recorded(group, len(joined), len(left))

    def change_members(
        self,
        group_id: int,
        at_version: int,
        joined: Sequence[int],
        left: Sequence[int],
        now_ms: int,
        members_max: int,
    ) -> MembersRecorded | None:
        group = self._of_backend(group_id)
        if group is None:
            self.know(joined)
            return None
        if group.kind is GroupKind.SIGNED:
            return self._end_passes(group, at_version, joined, left, now_ms)
        came: list[int] = []
        went: list[int] = []
        if at_version > group.synced_version:
            newer = {one for one, row in group.rows.items() if row.backend_version >= at_version}
            came = sorted(set(joined) - group.members - newer)
            went = sorted(set(left) & group.members - newer)
            if came and len(group.members) + len(came) - len(went) > members_max:
                raise GroupFull
            self._touch(group, {*joined, *left} - newer, now_ms, at_version)
        self.know(joined)
        for user_id in came:
            self._enter(group, user_id, now_ms, by_other=True, at_version=at_version)
        for user_id in went:
            self._exit(group, user_id, now_ms, by_other=True, at_version=at_version)
        return self._members_recorded(group, len(came), len(went))

    def _end_passes(
        self, group: Group, at_version: int, joined: Sequence[int], left: Sequence[int], now_ms: int
    ) -> MembersRecorded:
        if joined:
            raise OtherKind
        went = [one for one in sorted(set(left)) if group.rows.get(one, Membership()).backend_version < at_version]
        for user_id in went:
            group.rows.setdefault(user_id, Membership(left_at_ms=now_ms))
            self._exit(group, user_id, now_ms, by_other=True, at_version=at_version)
        return self._members_recorded(group, 0, len(went))

    def _of_backend(self, group_id: int) -> Group | None:
        group = self.groups.get(group_id)
        if group is not None and group.kind is GroupKind.DIRECT:
            raise OtherKind
        return None if group is not None and group.is_deleted else group

    def _touch(self, group: Group, user_ids: Iterable[int], now_ms: int, at_version: int) -> None:
        """The backend's version of its last change, also of users whose standing stays or who never were in."""
        for user_id in user_ids:
            row = group.rows.get(user_id, Membership(left_at_ms=now_ms, by_other=True))
            group.rows[user_id] = replace(row, backend_version=at_version)

    def _members_recorded(self, group: Group, joined: int, left: int) -> MembersRecorded:
        if joined or left:
            self._advance(group)
        return MembersRecorded(group.group_id, group.version, joined, left, len(group.members))

    # --- rows -------------------------------------------------------------------------------------------------

    def _enter(self, group: Group, user_id: int, now_ms: int, by_other: bool, at_version: int = 0) -> None:
        """Write a row of a member. The backend overrides an owner who has removed the user."""
        row = group.rows.get(user_id, Membership())
        group.rows[user_id] = Membership(
            now_ms if row.joined_at_ms is None else row.joined_at_ms,
            None,
            None,
            group.version + 1,
            by_other,
            at_version or row.backend_version,
        )

    def _exit(self, group: Group, user_id: int, now_ms: int, by_other: bool, at_version: int = 0) -> None:
        row = group.rows[user_id]
        group.rows[user_id] = replace(
            row,
            left_at_ms=now_ms,
            changed_version=group.version + 1,
            by_other=by_other,
            backend_version=at_version or row.backend_version,
        )

    def _advance(self, group: Group) -> Recorded:
        """The next version; the trigger notifies."""
        group.version += 1
        self._notify(group)
        return Recorded(group.group_id, group.version)

    def _made(self, group: Group) -> None:
        self.streams.setdefault(group.group_id, 0)
        self._notify(group)

    def _notify(self, group: Group) -> None:
        group.history.append(frozenset(group.members))
        self.feed.notify(Topic.CHANGE, Change("group", group.group_id, group.version))
