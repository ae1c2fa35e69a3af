"""The stores of a server of a world with several sets: the real ones above them, simulated ones below."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from server.core.ids import is_user, set_of
from server.core.kinds import WITH_BEST_LUCK
from storage.postgres.chat.groups import ProfileRow
from storage.postgres.chat.messages import MessageRow
from storage.postgres.database import Database
from storage.postgres.money.wallets import HoldingRow
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.sends import SendStore, Sent, Unsent
from storage.postgres.sets.chat import SetMessageStore
from storage.postgres.sets.packets import SetPacketStore
from storage.postgres.sets.places import HOME, Sets, in_order
from storage.postgres.sets.seed_trees import SetSeedTreeStore
from storage.postgres.sets.settlement import SetSettlementQueue
from storage.postgres.sets.wallets import SetWalletStore
from tests.sim.sets.database import SimDatabase
from tests.sim.stores import SimGroups, SimMessages, SimPackets, SimSeedTrees, SimSends, SimWallets

if TYPE_CHECKING:
    from tests.sim.sets.side import SetsSide


class PacketsOfSet(SimPackets):
    """The packets of one set."""

    def __init__(self, side: SetsSide, number: int) -> None:
        super().__init__(place_of(side, number))
        self._side, self._number = side, number

    async def due(self, now_ms: int, most: int) -> list[int]:
        rows = self._tables.packets
        found: list[int] = await self._line.call("due", lambda: self._tables.due(now_ms, len(rows)))
        return [one for one in found if self._side.set_of_packet(one) == self._number][:most]


class WalletsOfSet(SimWallets):
    """The wallets of one set, and what waits in its queue for users of any."""

    def __init__(self, side: SetsSide, number: int) -> None:
        super().__init__(place_of(side, number))
        self._side, self._number = side, number

    async def holdings(self, user_ids: Sequence[int]) -> dict[int, HoldingRow]:
        return await self._line.call("holdings", lambda: {one: self._holding(one) for one in user_ids})

    def _holding(self, user_id: int) -> HoldingRow:
        waiting = [
            fen
            for packet_id, winner, fen, _ in self._tables.queue
            if winner == user_id and self._side.set_of_packet(packet_id) == self._number
        ]
        return HoldingRow(self._tables.balance(user_id), sum(waiting))


class MessagesOfSet(SimMessages):
    """The inboxes of the users of one set; set 0 has the streams of groups, too."""

    def __init__(self, side: SetsSide, number: int) -> None:
        super().__init__(place_of(side, number))
        self._side, self._number = side, number

    async def newest_of(
        self, user_ids: Sequence[int], stream_ids: Sequence[int], since_ms: int
    ) -> list[MessageRow]:
        return [row for row in await super().newest_of(user_ids, stream_ids, since_ms) if self._has(row.stream_id)]

    def _has(self, stream_id: int) -> bool:
        number = self._side.user_sets.get(stream_id, HOME) if is_user(stream_id) else HOME
        return number == self._number


class GroupsOfSets(SimGroups):
    """Groups are in set 0. What a user finds at login is in two sets."""

    def __init__(self, world: Any, wallets: SetWalletStore) -> None:
        super().__init__(world)
        self._wallets = wallets

    async def profiles(self, user_ids: Sequence[int]) -> dict[int, ProfileRow]:
        found = await super().profiles(user_ids)
        holdings = await self._wallets.holdings(user_ids)
        return {one: found[one]._replace(holding=holdings[one]) for one in user_ids if one in holdings}


class SendsOfSets(SendStore):
    """The writers of new packets of all sets; announcements have their numbers at once."""

    def __init__(self, side: SetsSide, sets: Sets) -> None:
        self._sets = sets
        self._stores = [SimSends(place_of(side, number)) for number in range(side.plan.sets)]

    async def record(
        self, rows: Sequence[PacketRow], transfer_of: Any, streams_of: Any, seeds: Any, caps: Any = None
    ) -> list[Sent | Unsent]:
        (number,) = {self._sets.of_packet(row.packet_id) for row in rows}
        return await self._stores[number].record(rows, transfer_of, streams_of, seeds, caps)

    async def find_outcome(self, rows: Sequence[PacketRow], streams_of: Any) -> list[Sent | None]:
        return await in_order(
            rows,
            lambda row: self._sets.of_packet(row.packet_id),
            lambda number, some: self._stores[number].find_outcome(some, streams_of),
        )

    async def before(self, sender_id: int, key: str) -> PacketRow | None:
        number = (await self._sets.of_users([sender_id]))[sender_id]
        return await self._stores[number].before(sender_id, key)


def place_of(side: SetsSide, number: int) -> SimpleNamespace:
    """What a simulated store needs of its world: the tables, and the line to one set."""
    return SimpleNamespace(tables=side.world.tables, postgres=side.lines[number])


def stores_of(side: SetsSide) -> dict[str, Any]:
    """Those stores of one server that differ from the ones of a world with one set."""
    world, numbers = side.world, range(side.plan.sets)
    databases = [
        SimDatabase(rows, line, world.starts, side.look) for rows, line in zip(side.rows, side.lines, strict=True)
    ]
    sets = Sets(cast("list[Database]", databases), set_of, numbers)
    wallets = SetWalletStore(sets, [WalletsOfSet(side, number) for number in numbers])
    return {
        "sets": sets,
        "packets": SetPacketStore(sets, [PacketsOfSet(side, number) for number in numbers]),
        "sends": SendsOfSets(side, sets),
        "seed_trees": SetSeedTreeStore(sets, [SimSeedTrees(place_of(side, number)) for number in numbers]),
        "settlement": SetSettlementQueue(sets, [side.queue(sets, number, WITH_BEST_LUCK) for number in numbers]),
        "wallets": wallets,
        "messages": SetMessageStore(sets, [MessagesOfSet(side, number) for number in numbers]),
        "groups": GroupsOfSets(world, wallets),
    }
