"""Which users have a connection at other servers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Presence:
    """Users by other server. A user can be at several."""

    def __init__(self) -> None:
        self._servers: dict[int, list[int]] = {}  # by user

    def came(self, server_id: int, user_ids: Iterable[int]) -> None:
        """They have a connection there."""
        for user_id in user_ids:
            servers = self._servers.setdefault(user_id, [])
            if server_id not in servers:
                servers.append(server_id)

    def left(self, server_id: int, user_ids: Iterable[int]) -> None:
        """They have none there any more."""
        for user_id in user_ids:
            servers = self._servers.get(user_id, [])
            if server_id in servers:
                servers.remove(server_id)
            if not servers:
                self._servers.pop(user_id, None)

    def forget(self, server_id: int) -> None:
        """The server is gone."""
        self.left(server_id, [user_id for user_id, servers in self._servers.items() if server_id in servers])

    def servers_of(self, user_id: int) -> int:
        """At how many other servers a user has a connection."""
        return len(self._servers.get(user_id, ()))

    def servers(self, user_id: int) -> Collection[int]:
        """The other servers at which a user has a connection; not to be kept."""
        return self._servers.get(user_id, ())

    def counted_elsewhere(self, user_ids: Collection[int], server_id: int) -> int:
        """How many of these users of a server are also at one with a smaller id: there they are counted."""
        servers = self._servers
        return sum(min(servers[user_id]) < server_id for user_id in user_ids if user_id in servers)

    def places(self, audience: Collection[int]) -> dict[int, list[int]]:
        """Those of an audience who are at other servers, by server."""
        servers = self._servers
        if len(audience) > len(servers):
            there = [user_id for user_id in servers if user_id in audience]
        else:
            there = [user_id for user_id in audience if user_id in servers]
        found: dict[int, list[int]] = {}
        for user_id in there:
            for server_id in servers[user_id]:
                found.setdefault(server_id, []).append(user_id)
        return found

    def has_any(self, audience: Collection[int]) -> bool:
        """Whether one of them is at another server."""
        servers = self._servers
        if len(audience) > len(servers):
            return any(user_id in audience for user_id in servers)
        return any(user_id in servers for user_id in audience)
