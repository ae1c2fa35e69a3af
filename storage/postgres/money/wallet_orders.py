"""Movements that are ordered with a text: transfers between users, and pays to the outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.cards import payers
from storage.postgres.chat.users import SendBarred
from storage.postgres.money import wallets
from storage.postgres.money.wallets import BalanceRow, KeyReused, MadeTransfer, NotEnoughMoney, TransferRow
from storage.postgres.packets.beside import HERE, ChatBeside
from storage.postgres.risk.risk import sent_since

if TYPE_CHECKING:
    from storage.postgres.cards.payers import DayLimit
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
DAY_MS: Final = 86_400_000


class WalletOrderRow(NamedTuple):
    """An order; see migration 0018. `other_id` 0: the money leaves to the outside."""

    user_id: int
    kind: int
    key: str
    other_id: int
    amount_fen: int
    text: str
    at_ms: int

    @property
    def transfer(self) -> TransferRow:
        """The transfer that it is."""
        return TransferRow(self.user_id, self.other_id, self.kind, self.key, self.amount_fen, self.at_ms)


class Ordered(NamedTuple):
    """An order that stands in the books, and what is in the wallets that it has changed now.

    `xid`: of the transaction that this call has made it in; None if an earlier call had made it.
    """

    order: WalletOrderRow
    balances: dict[int, BalanceRow]
    xid: int | None

    @property
    def made(self) -> MadeTransfer:
        """How its transfer is known."""
        return MadeTransfer(*self.order.transfer[:4], self.order.at_ms, self.xid)


class OverSendCap(Exception):
    """It would be more than the user may send in 24 hours. `sent_fen`: without it."""

    def __init__(self, sent_fen: int) -> None:
        super().__init__(sent_fen)
        self.sent_fen = sent_fen


class WalletOrderStore:
    """Statements on orders."""

    def __init__(self, database: Database, chat: ChatBeside = HERE) -> None:
        """`chat`: the users whom orders concern."""
        self._database = database
        self._chat = chat

    async def move(self, order: WalletOrderRow, day: DayLimit | None, cap_fen: int | None = None) -> Ordered:
        """Record an order and move its money, once per user, kind and key. `day`: the limit that counts it.

        `cap_fen`: what the user may send in 24 hours, in packets and transfers; None: any amount.

        Raises NotEnoughMoney, KeyReused, SendBarred, OverDayLimit, OverSendCap, and Unanswered, with the Ordered if
        this very call may have recorded it: then `find_outcome` it. Two calls may have the same key in the same
        millisecond.
        """
        made: list[Ordered] = []
        try:
            async with self._database.transaction() as connection:
                await payers.lock(connection, order.user_id)
                earlier = await connection.fetchrow(_SQL["get"], order.user_id, order.kind, order.key)
                if earlier is not None:
                    before = WalletOrderRow(*earlier)
                    if before[:-1] != order[:-1]:
                        raise KeyReused
                    return Ordered(before, {}, None)
                if day is not None:
                    await payers.check_day(connection, order.user_id, order.amount_fen, day)
                xid = await connection.fetchval(_SQL["insert"], *order)
                ordered = Ordered(order, await self._move(connection, order, cap_fen), xid)
                made.append(ordered)
        except StoreUnavailable as error:
            raise Unanswered(error, made) from error
        return ordered

    async def stands(self, order: WalletOrderRow) -> bool:
        """Whether there is an order of this user, kind and key, whatever is in it."""
        async with self._database.reading() as connection:
            return await connection.fetchrow(_SQL["get"], order.user_id, order.kind, order.key) is not None

    async def find_outcome(self, made: Sequence[Ordered]) -> list[Ordered | None]:
        """Which of these orders stand in the books, with what is in their wallets by now; None: not this one."""
        async with self._database.reading() as connection:
            found = await wallets.find_made(connection, [one.made for one in made])
        return [
            one._replace(balances=balances) if balances else None for one, balances in zip(made, found, strict=True)
        ]

    async def _move(
        self, connection: Connection, order: WalletOrderRow, cap_fen: int | None
    ) -> dict[int, BalanceRow]:
        """The wallets in the order of their ids, as all writers lock them; a ban waits for them, or is seen."""
        user_ids = [one for one in (order.user_id, order.other_id) if one]
        await wallets.lock(connection, user_ids)
        if order.other_id:
            (barred,) = await self._chat.barred(connection, [(order.user_id, order.other_id)])
            if barred is not None:
                raise SendBarred(barred)
        if cap_fen is not None:  # the order itself is recorded by now
            sent_fen = (await sent_since(connection, [order.user_id], order.at_ms - DAY_MS))[order.user_id]
            if sent_fen > cap_fen:
                raise OverSendCap(sent_fen - order.amount_fen)
        after = await wallets.debit(connection, {order.user_id: order.amount_fen}, {order.user_id: 1})
        if not after:
            raise NotEnoughMoney
        await wallets.insert_debits(connection, [order.transfer], after)
        return after | (await self._arrive(connection, order) if order.other_id else {})

    async def _arrive(self, connection: Connection, order: WalletOrderRow) -> dict[int, BalanceRow]:
        """What has left the sender comes to the receiver; what is in the wallet then."""
        return {order.other_id: await wallets.enter_credit(connection, order.transfer, order.other_id)}
