"""Worlds in which the chat backend bans users while they send and open, and servers crash and lose their stores."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from server.core.refusals import RequestRefused
from server.services.assembly import Services
from server.services.runtime.events import AccessChange
from storage.errors import StoreUnavailable
from tests.sim.world import SimServer, World

ATTEMPTS = 60


class BanWorld(World):
    """A third of the users is banned, each at a time of its own. All are online at every server."""

    def __init__(self, seed: int, defect: Any = None) -> None:
        super().__init__(seed, defect)
        self.dice = random.Random(f"bans {seed}")
        self.told: dict[tuple[int, int], AccessChange] = {}  # (bus, user) -> what its connections were judged by
        self.before: dict[int, list[tuple[SimServer, Services]]] = {}  # the processes that ran before a ban
        self.banned: dict[int, int] = {}  # user -> the length of the journal when the backend had its reply

    def started(self, server: SimServer) -> None:
        """A process begins: it has a connection of each user."""
        bus, users = server.bus, range(1, self.plan.users + 1)
        bus.know_clients(lambda event, audience: True, lambda: users)
        bus.subscribe(lambda event, _: self.told.update({(id(bus), event.user_id): event}), AccessChange)

    def acts(self) -> None:
        """Ban users; called beside the senders and openers."""
        for user_id in self.dice.sample(range(1, self.plan.users + 1), self.plan.users // 3):
            self.spawn(self._ban(user_id))

    async def _ban(self, user_id: int) -> None:
        await asyncio.sleep(self.dice.uniform(0.0, self.plan.length_s))
        for _ in range(ATTEMPTS):
            running = [one for one in self.servers if one.services is not None]
            if running and await self._ban_at(self.dice.choice(running), user_id):
                return
            await asyncio.sleep(self.dice.uniform(0.05, 1.0))

    async def _ban_at(self, server: SimServer, user_id: int) -> bool:
        """One request of the backend; whether it was confirmed. Then each current server has followed it."""
        services, before = server.services, [(one, one.services) for one in self.servers]
        assert services is not None
        banning = self.loop.create_task(services.people.ban(user_id))
        server.tasks.append(banning)  # the process may die
        await asyncio.wait([banning])
        if banning.cancelled() or services is not server.services:
            return False
        if isinstance(banning.exception(), StoreUnavailable | RequestRefused):
            return False
        banning.result()
        self.trace("banned", server.number, user_id)
        self.banned[user_id] = len(self.tables.journal)
        self.before[user_id] = [(one, known) for one, known in before if known is not None]
        self.connections_are_closed(user_id, [one for one in self.before[user_id] if one[1].changes.others])
        return True

    def connections_are_closed(self, user_id: int, servers: list[tuple[SimServer, Services]]) -> None:
        """On each of these that is current. A process that began after the ban finds it at each login.

        When a ban is confirmed, a server that was alone at its last beat is left out (decision 83).
        """
        for server, services in servers:
            told = self.told.get((id(server.bus), user_id))
            if server.services is services and services.changes.is_current and not (told and told.is_banned):
                self.report(f"server {server.number} is current and has connections of the banned user {user_id}")

    def checks(self) -> None:
        """No packet was sent by a banned user, or to one, after the backend had its reply."""
        for user_id in self.banned:
            self.connections_are_closed(user_id, self.before[user_id])
        if len(self.banned) < self.plan.users // 3:
            self.report(f"only {sorted(self.banned)} were banned")
        for place, (what, *words) in enumerate(self.tables.journal):
            if what == "send":
                row = self.tables.packets[words[0]]
                for user_id in {row.sender_id, row.target_id} & self.banned.keys():
                    if place >= self.banned[user_id]:
                        self.report(f"{row.packet_id} was sent after the ban of user {user_id}")
        super().checks()
