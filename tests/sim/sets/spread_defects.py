"""Deliberate defects of a server with owners, links and sets. Only worlds that have all three find them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storage.errors import StoreUnavailable
from storage.postgres.packets.packets import Advance
from storage.postgres.sets.places import HOME
from storage.postgres.sets.settlement import QueueOfSet
from tests.sim.defect import Defect
from tests.sim.sets.defects import _TakesOffFirst

if TYPE_CHECKING:
    from tests.sim.world import World


class SpreadDefect(Defect):
    """Breaks what a process of a world with several sets has."""

    def break_server(self, server: Any) -> None:
        if server.world.sets_side is not None:
            self.break_spread(server, server.services)

    def break_spread(self, server: Any, services: Any) -> None:
        """Called when a process has just been assembled."""


class AwaySetCountsAsRecorded(SpreadDefect):
    """The claims of a batch that were sent to a further set which gives no answer are taken for recorded."""

    def break_spread(self, server: Any, services: Any) -> None:
        for part in services._stores.packets._stores[1:]:
            part.record = self._recording_all(part.record)

    def _recording_all(self, record: Any) -> Any:
        async def record_all(advances: Sequence[Advance]) -> set[int]:
            try:
                return await record(advances)  # type: ignore[no-any-return]
            except StoreUnavailable:
                return {one.packet_id for one in advances}

        return record_all


class GapsAreHealedInOneSet(SpreadDefect):
    """After a gap only users of set 0 are told of changes of their wallets."""

    def break_spread(self, server: Any, services: Any) -> None:
        news, sets = services.missed_news, services._stores.sets
        balances = news.balances

        async def of_home(known: Mapping[int, int]) -> Any:
            places = await sets.of_users(list(known))
            return await balances({one: version for one, version in known.items() if places[one] == HOME})

        news.balances = of_home


class UsersArePlacedTwice(SpreadDefect):
    """Each server puts a new user where it wants, not where the record has the user."""

    def break_spread(self, server: Any, services: Any) -> None:
        sets, count = services._stores.sets, server.world.plan.sets.sets
        of_users = sets.of_users

        async def place(user_ids: Collection[int]) -> dict[int, int]:
            known = server.world.sets_side.user_sets
            new = {one: (one + server.number) % count for one in user_ids if one not in known}
            await type(sets).place(sets, list(user_ids))
            return await of_users(user_ids) | new  # type: ignore[no-any-return]

        sets.place = place


class CreditsOfOtherSetsAreNotTold(SpreadDefect):
    """What is credited in another set than that of the packet is told to no user."""

    def break_stores(self, world: World) -> None:
        if world.sets_side is not None:
            world.sets_side.queue = _TellsOwn


class _TellsOwn(QueueOfSet):
    async def settle(self, most: int, now_ms: int) -> Any:
        taken, credits = await super().settle(most, now_ms)
        places = await self._sets.of_users({one.user_id for one in credits})
        return taken, [one for one in credits if places[one.user_id] == self._number]


class ClaimsLeaveBeforeTheyArrive(SpreadDefect):
    """A claim leaves the queue of its set before it is credited in the other one."""

    def break_stores(self, world: World) -> None:
        if world.sets_side is not None:
            world.sets_side.queue = _TakesOffFirst


SPREAD_DEFECTS: tuple[type[SpreadDefect], ...] = (
    AwaySetCountsAsRecorded,
    GapsAreHealedInOneSet,
    UsersArePlacedTwice,
    CreditsOfOtherSetsAreNotTold,
    ClaimsLeaveBeforeTheyArrive,
)
