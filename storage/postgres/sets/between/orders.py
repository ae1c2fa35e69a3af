"""Transfers and pays over sets: an order is made in the set of its sender, and arrives in that of its receiver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.money.wallet_orders import Ordered, WalletOrderRow, WalletOrderStore
from storage.postgres.sets.between import carrying
from storage.postgres.sets.between.carrying import Cargo, Freight
from storage.postgres.sets.places import in_order
from storage.postgres.sets.sends import ChatOfSets

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.cards.payers import DayLimit
    from storage.postgres.database import Connection
    from storage.postgres.money.wallets import BalanceRow
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)


def key_between(order: WalletOrderRow) -> str:
    """The key of the transfers that bring an order from one set to another: a key is of one sender."""
    return f"{order.user_id}:{order.key}"


def _cargo_of(row: asyncpg.Record) -> Cargo:
    order = WalletOrderRow(*row[1:])
    return Cargo(row[0], order.transfer, order, key_between(order))


ORDERS: Final = Freight(0x6F726465, SQL["oldest"], SQL["copy_order"], SQL["remove"], _cargo_of)  # "orde"


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
        await carrying.leave(connection, order.transfer, to_set, key_between(order))
        await connection.execute(SQL["bring_later"], order.user_id, order.key)
        return {}


class SetOrderStore(WalletOrderStore):
    """The orders of all users, each in the set of its sender."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [OrdersOfSet(sets, number) for number in range(len(sets.databases))]

    async def move(self, order: WalletOrderRow, day: DayLimit | None, cap_fen: int | None = None) -> Ordered:
        """In the set of the sender; the balances are of the wallets there."""
        return await (await self._of(order.user_id)).move(order, day, cap_fen)

    async def stands(self, order: WalletOrderRow) -> bool:
        """In the set of the sender."""
        return await (await self._of(order.user_id)).stands(order)

    async def find_outcome(self, made: Sequence[Ordered]) -> list[Ordered | None]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        places = await self._sets.of_users({one.order.user_id for one in made})
        return await in_order(
            made,
            lambda one: places[one.order.user_id],
            lambda number, some: self._stores[number].find_outcome(some),
        )

    async def _of(self, user_id: int) -> WalletOrderStore:
        """A sender without a set has no money anywhere: set 0 says so."""
        return self._stores[(await self._sets.of_users([user_id]))[user_id]]
