"""Webhooks over sets: endpoints and deliveries are in set 0, and events of other sets are moved there.

In a further set one row of `webhook_endpoints` stands for set 0: while an endpoint is enabled there, the triggers
of this set write events. They are moved with their bodies, which are rendered from the records of this set, so
nothing but set 0 is needed to deliver them. An event is moved in two transactions, first into set 0, where
`webhook_id` makes twice once, then away from here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from storage import statements
from storage.postgres.sets.places import HOME, settled
from storage.postgres.webhooks.deliveries import EventRow
from storage.postgres.webhooks.endpoints import EndpointStore
from storage.postgres.webhooks.facts import FactStore

if TYPE_CHECKING:
    from collections.abc import Collection

    from storage.postgres.database import Database
    from storage.postgres.sets.places import Sets
    from storage.postgres.webhooks.endpoints import EndpointRow
    from storage.postgres.webhooks.facts import BillFailureRecord, CampaignRecord, PacketRecord

SQL: Final = statements.load(__file__)
LOCK: Final = 0x6576656E  # "even": any number that nothing else locks in this database
Render = Callable[[FactStore, Sequence[EventRow]], Awaitable[Mapping[int, bytes]]]


class SetEndpointStore(EndpointStore):
    """Endpoints are in set 0. Other sets know whether any is enabled; one that is away learns it later."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets

    async def put(self, *words: Any, **more: Any) -> EndpointRow:
        """As in one set."""
        row = await super().put(*words, **more)
        await self._tell_sets()
        return row

    async def remove(self, name: str, now_ms: int) -> bool:
        """As in one set."""
        is_removed = await super().remove(name, now_ms)
        await self._tell_sets()
        return is_removed

    async def is_gone(self, endpoint: EndpointRow, now_ms: int) -> bool:
        """As in one set."""
        was_there = await super().is_gone(endpoint, now_ms)
        await self._tell_sets()
        return was_there

    async def _tell_sets(self) -> None:
        wanted = await are_wanted(self._sets.home)
        further = {number: one for number, one in enumerate(self._sets.databases) if number != HOME}
        await settled({number: tell_wanted(one, wanted) for number, one in further.items()})


async def are_wanted(home: Database) -> bool:
    """Whether an endpoint is enabled."""
    async with home.reading() as connection:
        return bool(await connection.fetchval(SQL["are_wanted"]))


async def tell_wanted(database: Database, wanted: bool) -> None:
    """Have events written in a further set from now on, or no more."""
    async with database.reading() as connection:
        await connection.execute(SQL["tell_wanted"], "enabled" if wanted else "disabled")


class FactsOfSet(FactStore):
    """What the bodies of events of a further set tell; groups are in set 0."""

    def __init__(self, sets: Sets, number: int) -> None:
        super().__init__(sets.databases[number].writer())
        self._home = sets.home

    async def packets(self, packet_ids: Collection[int]) -> dict[int, PacketRecord]:
        """With the backend's own ids of their groups."""
        found = await super().packets(packet_ids)
        names = await self._external_ids([one.target_id for one in found.values()])
        return {number: one._replace(external_id=names.get(one.target_id)) for number, one in found.items()}

    async def bill_failures(self, numbers: Collection[int]) -> dict[int, BillFailureRecord]:
        """The same of bills to groups."""
        found = await super().bill_failures(numbers)
        names = await self._external_ids([one.target_id for one in found.values()])
        return {number: one._replace(external_id=names.get(one.target_id)) for number, one in found.items()}

    async def campaigns(self, campaign_ids: Collection[int]) -> dict[int, CampaignRecord]:
        """The same of campaigns for a group."""
        found = await super().campaigns(campaign_ids)
        async with self._connection.alone() as connection:
            rows = await connection.fetch(SQL["groups_of_campaigns"], list(found))
        groups = {row["campaign_id"]: row["group_id"] for row in rows}
        names = await self._external_ids(list(groups.values()))
        return {number: one._replace(external_id=names.get(groups[number])) for number, one in found.items()}

    async def _external_ids(self, group_ids: Sequence[int]) -> dict[int, str | None]:
        async with self._home.reading() as connection:
            rows = await connection.fetch(SQL["external_ids"], group_ids)
        return {row["group_id"]: row["external_id"] for row in rows}


class SetEventStore:
    """Moves the events of one further set to set 0."""

    def __init__(self, sets: Sets, number: int) -> None:
        self._home = sets.home
        self._database = sets.databases[number]
        self._writer = self._database.writer()
        self._facts = FactsOfSet(sets, number)
        self._told: bool | None = None

    async def look(self) -> bool:
        """Tell the set whether events are wanted, if that has changed. Raises StoreUnavailable."""
        wanted = await are_wanted(self._home)
        if wanted is not self._told:
            await tell_wanted(self._database, wanted)
            self._told = wanted
        return wanted

    async def move(self, most: int, render: Render) -> int:
        """Move the oldest events; how many. One server at a time moves those of a set.

        Raises StoreUnavailable: some of them may be in set 0, and come there no second time.
        """
        async with self._writer.transaction() as connection:
            if not await connection.fetchval(SQL["try_lock"], LOCK):
                return 0
            events = [EventRow(*row) for row in await connection.fetch(SQL["oldest"], most)]
            if not events:
                return 0
            bodies = await render(self._facts, events)
            columns = [[one[column] for one in events] for column in range(1, 7)]
            async with self._home.transaction() as at_home:
                await at_home.execute(SQL["record"], *columns, [bodies[one.event_id] for one in events])
            await connection.execute(SQL["remove"], [one.event_id for one in events])
        return len(events)
