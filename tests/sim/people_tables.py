"""Simulated table of users."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.postgres.change_feed import Change, Topic
from storage.postgres.chat.unique_names import unique_form
from storage.postgres.chat.users import AccessRow, NameTaken
from tests.sim.change_feed import FeedTables


class UserRow(NamedTuple):
    """A row of the table, without its key."""

    name: str = ""
    unique_name: str | None = None
    banned_at_ms: int | None = None
    tokens_from_s: int = 0
    version: int = 1


class PeopleTables:
    """Users. Every method is one transaction."""

    feed: FeedTables

    def __init__(self) -> None:
        self.users: dict[int, UserRow] = {}
        self.given_names: dict[int, str] = {}  # unique forms of the names that the backend gave
        self.avatar_urls: dict[int, str] = {}
        self.bans: defaultdict[int, list[bool]] = defaultdict(lambda: [False, False])  # of a user, at each version

    def know(self, user_ids: Sequence[int]) -> None:
        for user_id in user_ids:
            self.users.setdefault(user_id, UserRow())

    def is_known(self, user_id: int) -> bool:
        return user_id in self.users

    def change(self, user_id: int, **values: object) -> None:
        """Set columns of a row, which is made if there is none; a repeat keeps its version."""
        row = self.users.get(user_id, UserRow())
        changed = row._replace(**values)  # type: ignore[arg-type]
        if changed != row:
            changed = changed._replace(version=row.version + 1)
            self.bans[user_id].append(changed.banned_at_ms is not None)
            self.feed.notify(Topic.CHANGE, Change("user", user_id, changed.version))
        self.users[user_id] = changed

    def access(self, user_id: int) -> AccessRow:
        row = self.users[user_id]
        return AccessRow(user_id, row.version, row.banned_at_ms is not None, row.tokens_from_s)

    def access_of(self, user_id: int) -> AccessRow | None:
        return self.access(user_id) if user_id in self.users else None

    def restricted(self, user_ids: Sequence[int]) -> list[AccessRow]:
        found = [self.access(user_id) for user_id in user_ids if user_id in self.users]
        return [one for one in found if one.is_banned or one.tokens_from_s]

    def choose_name(self, user_id: int, name: str) -> None:
        form, present = unique_form(name) or None, self.users.get(user_id, UserRow())
        if user_id in self.users and present.name == name:
            return
        others = [row.unique_name for other, row in self.users.items() if other != user_id]
        if form != present.unique_name:
            others += [given for other, given in self.given_names.items() if other != user_id]
        if form and form in others:
            raise NameTaken
        self.given_names.pop(user_id, None)
        self.change(user_id, name=name, unique_name=form)

    def put_users(self, names: Mapping[int, str], avatar_urls: Mapping[int, str]) -> list[int]:
        forms = {user_id: unique_form(name) for user_id, name in names.items()}
        taken = set(forms.values())
        lost = [one for one, row in self.users.items() if row.unique_name in taken and one not in names]
        for user_id in lost:
            self.change(user_id, name="", unique_name=None)
        for user_id, name in names.items():
            self.know([user_id])
            if self.users[user_id].name == name:
                self.users[user_id] = self.users[user_id]._replace(unique_name=None)
            else:
                self.change(user_id, name=name, unique_name=None)
        self.given_names = {one: form for one, form in (self.given_names | forms).items() if form}
        self.avatar_urls |= avatar_urls
        return lost

    def names(self, user_ids: Sequence[int]) -> dict[int, str]:
        return {one: self.users[one].name for one in user_ids if one in self.users and self.users[one].name}

    def ban(self, user_id: int, banned_at_ms: int | None) -> AccessRow:
        earlier_ms = self.users.get(user_id, UserRow()).banned_at_ms
        at_ms = banned_at_ms if None in (earlier_ms, banned_at_ms) else earlier_ms
        self.change(user_id, banned_at_ms=at_ms)
        return self.access(user_id)

    def revoke_tokens(self, user_id: int, tokens_from_s: int) -> AccessRow:
        earlier_s = self.users.get(user_id, UserRow()).tokens_from_s
        self.change(user_id, tokens_from_s=max(earlier_s, tokens_from_s))
        return self.access(user_id)

    def is_banned(self, user_id: int) -> bool:
        return user_id in self.users and self.users[user_id].banned_at_ms is not None
