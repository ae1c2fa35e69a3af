"""Who is a member and who is banned, as users may know it: from the replies to changes, and from the record.

A change that was replied to is known. A request that arrives after the reply is decided with this change or with a
later one; which one, the record alone does not say. So a request is judged by all versions of the record from the
newest that was known when it arrived, to the newest when it is answered.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import NamedTuple

from tests.sim.plan import GROUP
from tests.sim.tables import Tables


class Known(NamedTuple):
    """The newest versions that were replied to at a moment: of the group, and of one user."""

    group: int
    access: int
    at_s: float = 0.0  # the moment


class Standing:
    """The versions that were replied to, and what they say."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._group = 1
        self._access: defaultdict[int, int] = defaultdict(lambda: 1)

    def known(self, user_id: int) -> Known:
        """What is known when a request of this user arrives."""
        return Known(self._group, self._access[user_id], asyncio.get_running_loop().time())

    def may_be_member(self, user_id: int, known: Known) -> bool:
        return any(user_id in members for members in self.members_since(known))

    def must_be_member(self, user_id: int, known: Known) -> bool:
        return all(user_id in members for members in self.members_since(known))

    def members_since(self, known: Known) -> list[frozenset[int]]:
        """The members at each of these versions."""
        return self._tables.groups[GROUP].history[known.group :]

    def may_be_banned(self, user_id: int, known: Known) -> bool:
        return any(self._bans(user_id, known))

    def must_be_banned(self, user_id: int, known: Known) -> bool:
        return all(self._bans(user_id, known))

    # --- replies ----------------------------------------------------------------------------------------------

    def learn_group(self, version: int) -> None:
        """A change that made this version of the group, or found it, was replied to."""
        self._group = max(self._group, version)

    def learn_member(self, user_id: int, since: Known, is_in: bool) -> bool:
        """A user is in or out since a version that the request made or found; False if the record has none."""
        later = range(since.group, self._tables.groups[GROUP].version + 1)
        history = self._tables.groups[GROUP].history
        found = next((version for version in later if (user_id in history[version]) == is_in), 0)
        self.learn_group(found)
        return bool(found)

    def learn_ban(self, user_id: int, since: Known, is_banned: bool) -> bool:
        """The same of a ban."""
        history = self._tables.bans[user_id]
        later = range(since.access, len(history))
        found = next((version for version in later if history[version] == is_banned), 0)
        self._access[user_id] = max(self._access[user_id], found)
        return bool(found)

    def _bans(self, user_id: int, known: Known) -> list[bool]:
        return self._tables.bans[user_id][known.access :]
