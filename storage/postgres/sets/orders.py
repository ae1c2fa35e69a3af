"""Transfers and pays over sets: an order is made in the set of its sender, and arrives in that of its receiver.

If these are two sets, the money leaves the sender's in one transaction and arrives in another one. The transfer
(13) between both users stands in both sets, and so does the order. In the set of the sender transfer 23 takes what
the receiver got on to the account in transit of the other set; there transfer 24 brings it from the account in
transit of the first. The copied order is the key: an order that is brought twice arrives once.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.errors import StoreBusy
from storage.postgres.money import wallets
from storage.postgres.money.wallet_orders import Ordered, WalletOrderRow, WalletOrderStore
from storage.postgres.money.wallets import BalanceRow, TransferRow
from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.places import any_of, grouped, in_order
from storage.postgres.sets.sends import ChatOfSets

if TYPE_CHECKING:
    from storage.postgres.cards.payers import DayLimit
    from storage.postgres.database import Connection, Database
    from storage.postgres.sessions import Session
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
LOCK: Final = 0x6F726465  # "orde": any number that nothing else locks in this database
SENT_TO_SET, CAME_FROM_SET = 23, 24  # kinds of transfers, see docs/money.md


class Arrived(NamedTuple):
    """An order that has arrived in the set of its receiver, and what is in the wallet."""

    order: WalletOrderRow
    balance: BalanceRow


def key_between(order: WalletOrderRow) -> str:
    """The key of the transfers that bring an order from one set to another: a key is of one sender."""
    return f"{order.user_id}:{order.key}"


class OrdersOfSet(WalletOrderStore):
    """The orders of the users of one set."""

    def __init__(self, sets: Sets, number: int) -> None:
        super().__init__(sets.databases[number], ChatOfSets(sets, number))
        self._sets = sets
        self._number = number

    async def _arrive(self, connection: Connection, order: WalletOrderRow) -> dict[int, BalanceRow]:
        """Here, or it is in flight to the set of the receiver, who is in one from now on."""
        to_set = (await self._sets.place([order.other_id]))[order.other_id]
        if to_set == self._number:
            return await super()._arrive(connection, order)
        leaves = order.other_id, TRANSIT - to_set, SENT_TO_SET, key_between(order), order.amount_fen, order.at_ms
        await wallets.insert_transfer(connection, TransferRow(*leaves))
        await connection.execute(SQL["bring_later"], order.user_id, order.key)
        return {}


class SetOrderStore(WalletOrderStore):
    """The orders of all users, each in the set of its sender."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [OrdersOfSet(sets, number) for number in range(len(sets.databases))]

    async def move(self, order: WalletOrderRow, day: DayLimit | None) -> Ordered:
        """In the set of the sender; the balances are of the wallets there."""
        return await (await self._of(order.user_id)).move(order, day)

    async def stands(self, order: WalletOrderRow) -> bool:
        """In the set of the sender."""
        return await (await self._of(order.user_id)).stands(order)

    async def find_outcome(self, orders: Sequence[WalletOrderRow]) -> list[Ordered | None]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        places = await self._sets.of_users({one.user_id for one in orders})
        return await in_order(
            orders,
            lambda one: places[one.user_id],
            lambda number, some: self._stores[number].find_outcome(some),
        )

    async def _of(self, user_id: int) -> WalletOrderStore:
        """A sender without a set has no money anywhere: set 0 says so."""
        return self._stores[(await self._sets.of_users([user_id]))[user_id]]


class SetOrderCarrier:
    """Brings the orders of one set to the sets of their receivers."""

    def __init__(self, sets: Sets, number: int) -> None:
        self._sets = sets
        self._number = number
        self._writer = sets.databases[number].writer()

    async def bring(self, most: int) -> tuple[int, list[Arrived]]:
        """Bring the oldest orders: how many left the queue, and what came of them.

        Those to a set that is away wait, behind them no others. One server at a time brings the orders of a set.
        Raises StoreUnavailable: some of them may have arrived, and arrive no second time.
        """
        async with self._writer.transaction() as connection:
            if not await connection.fetchval(SQL["try_lock"], LOCK):
                return 0, []
            waiting = await self._waiting(connection, most)
            if not waiting:
                return 0, []
            calls = {
                number: _arrive(self._sets.databases[number], some, TRANSIT - self._number)
                for number, some in waiting.items()
            }
            done = await any_of(calls)
            arrived = [one for some in done.values() for one in some]
            keys = [one.order.user_id for one in arrived], [one.order.key for one in arrived]
            await connection.execute(SQL["remove"], *keys)
        return len(arrived), arrived

    async def _waiting(self, connection: Session, most: int) -> dict[int, list[WalletOrderRow]]:
        """The oldest orders to sets that are not away, by these sets."""
        after = 0
        while True:
            rows = await connection.fetch(SQL["oldest"], after, most)
            if not rows:
                return {}
            after = rows[-1][0]
            by_set = await self._by_set([WalletOrderRow(*row[1:]) for row in rows])
            near = {number: some for number, some in by_set.items() if not self._sets.databases[number].away}
            if near:
                return near

    async def _by_set(self, orders: Sequence[WalletOrderRow]) -> dict[int, list[WalletOrderRow]]:
        """By the sets of their receivers."""
        places = await self._sets.of_users({order.other_id for order in orders})
        return grouped(orders, lambda order: places[order.other_id])


async def _arrive(database: Database, orders: Sequence[WalletOrderRow], from_account: int) -> list[Arrived]:
    """Record in the set of the receivers what has left that of the senders, each order once; those that arrived.

    Orders to a wallet that another transaction locks wait, and hold up no others. Raises StoreUnavailable.
    """
    try:
        return await _arrive_together(database, orders, from_account)
    except StoreBusy:
        arrived = []
        for order in orders:
            with suppress(StoreBusy):
                arrived += await _arrive_together(database, [order], from_account)
        return arrived


async def _arrive_together(
    database: Database, orders: Sequence[WalletOrderRow], from_account: int
) -> list[Arrived]:
    """In one transaction. An order that arrived before is answered, too: perhaps its receiver was not told."""
    async with database.transaction() as connection:
        await wallets.lock(connection, {order.other_id for order in orders})
        for order in orders:
            if await connection.fetchval(SQL["copy_order"], *order) is not None:
                comes = from_account, order.user_id, CAME_FROM_SET, key_between(order)
                await wallets.insert_transfer(connection, TransferRow(*comes, order.amount_fen, order.at_ms))
                await wallets.credit(connection, order.transfer, order.other_id)
        rows = await connection.fetch(SQL["balances"], [order.other_id for order in orders])
    balances = {user_id: BalanceRow(fen, version) for user_id, fen, version in rows}
    return [Arrived(order, balances[order.other_id]) for order in orders]
