"""Changes of membership: users join and leave, the owner removes, the backend adds, removes, syncs and bans."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from server.core.refusals import Reason
from tests.sim.plan import GROUP, INVITE, OWNER

if TYPE_CHECKING:
    from tests.sim.server import SimServer
    from tests.sim.world import World


class Churn:
    """Makes changes at random servers. What was replied is known from then on (see standing)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._version = 0  # of the backend's last change
        self.replied: dict[str, int] = {}

    async def run(self) -> None:
        """One change after another, some of them at the same time."""
        world = self._world
        kinds: list[Callable[[SimServer, int], Awaitable[None]]] = [
            self._join,
            self._join,
            self._leave,
            self._remove,
            self._change,
            self._change,
            self._sync,
            self._ban,
            self._lift_ban,
            self._lift_ban,
        ]
        while world.loop.time() < world.plan.length_s:
            await asyncio.sleep(self._rng.expovariate(1 / world.plan.churn_s))
            user_id = self._rng.choice(world.plan.members[1:])
            world.spawn(self._rng.choice(kinds)(self._rng.choice(world.servers), user_id))

    # --- users ------------------------------------------------------------------------------------------------

    async def _join(self, server: SimServer, user_id: int) -> None:
        if await server.admits(user_id):
            known = self._world.standing.known(user_id)
            work = server.running.membership.join(user_id, GROUP, INVITE)
            outcome, _ = await self._world.call(server, work, "join", user_id)
            if outcome == Reason.BAD_INVITE:
                self._world.report(f"user {user_id} was refused with the code of the group")
            self._learn_member("join", outcome, user_id, known, is_in=True)

    async def _leave(self, server: SimServer, user_id: int) -> None:
        if await server.admits(user_id):
            known = self._world.standing.known(user_id)
            work = server.running.membership.leave(user_id, GROUP)
            outcome, _ = await self._world.call(server, work, "leave", user_id)
            self._learn_member("leave", outcome, user_id, known, is_in=False)

    async def _remove(self, server: SimServer, user_id: int) -> None:
        if await server.admits(OWNER):
            known = self._world.standing.known(user_id)
            work = server.running.membership.remove_member(OWNER, GROUP, user_id)
            outcome, _ = await self._world.call(server, work, "remove", user_id)
            self._learn_member("remove", outcome, user_id, known, is_in=False)

    def _learn_member(self, what: str, outcome: str, user_id: int, known: Any, is_in: bool) -> None:
        if outcome == "ok":
            self.replied[what] = self.replied.get(what, 0) + 1
            if not self._world.standing.learn_member(user_id, known, is_in):
                self._world.report(f"{what} of user {user_id} was confirmed and is not in the record")

    # --- the backend ------------------------------------------------------------------------------------------

    async def _change(self, server: SimServer, user_id: int) -> None:
        self._version += 1
        version, members = self._version, self._world.tables.groups[GROUP].members
        others = [one for one in sorted(members) if one not in (OWNER, user_id)]
        joined, left = ([user_id], others[:1]) if user_id not in members else ([], [user_id])
        await self._at_the_backend("change", lambda one: one.backend_groups.change(GROUP, version, joined, left))

    async def _sync(self, server: SimServer, user_id: int) -> None:
        self._version += 1
        version = self._version
        listed = [OWNER, *(one for one in self._world.plan.members[1:] if self._rng.random() < 0.9)]
        await self._at_the_backend("sync", lambda one: one.backend_groups.sync(GROUP, version, listed))

    async def _at_the_backend(self, what: str, request: Callable[[Any], Awaitable[Any]]) -> None:
        """The backend sends a request once, or again at another server, perhaps late."""
        for _ in range(self._rng.choice((1, 1, 2))):
            server = self._rng.choice(self._world.servers)
            if server.services is not None:
                outcome, made = await self._world.call(server, request(server.services), what)
                if outcome == "ok":
                    self.replied[what] = self.replied.get(what, 0) + 1
                    self._world.standing.learn_group(made.version)
            await asyncio.sleep(self._rng.uniform(0.0, 1.0))

    async def _ban(self, server: SimServer, user_id: int) -> None:
        await self.set_ban(server, user_id, banned=True)

    async def _lift_ban(self, server: SimServer, user_id: int) -> None:
        banned = [one for one in self._world.plan.members if self._world.tables.is_banned(one)]
        await self.set_ban(server, self._rng.choice([*banned, user_id]), banned=False)

    async def set_ban(self, server: SimServer, user_id: int, banned: bool) -> None:
        """The backend bans a user, or lets them in again."""
        if server.services is None:
            return
        known, people = self._world.standing.known(user_id), server.services.people
        work = people.ban(user_id) if banned else people.lift_ban(user_id)
        outcome, _ = await self._world.call(server, work, "ban" if banned else "lift ban", user_id)
        if outcome == "ok":
            self.replied["ban"] = self.replied.get("ban", 0) + 1
            if not self._world.standing.learn_ban(user_id, known, banned):
                self._world.report(f"a ban of user {user_id} was confirmed and is not in the record")
