"""Payments by card, top-ups and withdrawals: recorded and counted in one transaction, before the bank is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import statements
from storage.postgres.cards import payers
from storage.postgres.money import wallets
from storage.postgres.money.payments import PaymentRow, row_of
from storage.postgres.money.wallets import BalanceRow, NotEnoughMoney, TransferRow

if TYPE_CHECKING:
    from storage.postgres.cards.payers import DayLimit
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class OverCharge(Exception):
    """With the amount more than a charge would be given back; nothing was recorded."""

    def __init__(self, left_fen: int) -> None:
        super().__init__(f"{left_fen} fen are left")
        self.left_fen = left_fen


class CardPaymentStore:
    """The writer of payments that users ask for, and of refunds to their cards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def withdrawal(self, user_id: int, key: str) -> PaymentRow | None:
        """The withdrawal of this key, if there is one."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["withdrawal"], user_id, key)
        return None if row is None else row_of(row)

    async def card_refund(self, user_id: int, key: str) -> PaymentRow | None:
        """The refund to a card of this key, if there is one."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["card_refund"], user_id, key)
        return None if row is None else row_of(row)

    async def charge(self, row: PaymentRow, day: DayLimit) -> tuple[PaymentRow, bool]:
        """Record a charge, once per user and key; the recorded one, and whether it is new. Raises OverDayLimit."""
        account = await self._account(row)
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            earlier = await connection.fetchrow(_SQL["charge"], row.user_id, row.key)
            if earlier is not None:
                return row_of(earlier), False
            await payers.check_day(connection, row.user_id, row.amount_fen, day)
            return await _insert(connection, row, account), True

    async def withdraw(
        self, row: PaymentRow, transfer: TransferRow, day: DayLimit
    ) -> tuple[PaymentRow, BalanceRow | None]:
        """Record a withdrawal and take its money out of the wallet, once per user and key.

        The recorded one, and the balance after it if it is new. Raises NotEnoughMoney, OverDayLimit.
        """
        account = await self._account(row)
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            earlier = await connection.fetchrow(_SQL["withdrawal"], row.user_id, row.key)
            if earlier is not None:
                return row_of(earlier), None
            await payers.check_day(connection, row.user_id, row.amount_fen, day)
            return await _take_out(connection, row, transfer, account)

    async def refund(self, row: PaymentRow, transfer: TransferRow) -> tuple[PaymentRow, BalanceRow | None]:
        """Record a refund of a charge to its card and take its money out of the wallet, once per user and key.

        The recorded one, and the balance after it if it is new. Refunds of one user are judged one after the other.
        Raises OverCharge, NotEnoughMoney.
        """
        account = await self._account(row)
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            earlier = await connection.fetchrow(_SQL["card_refund"], row.user_id, row.key)
            if earlier is not None:
                return row_of(earlier), None
            left_fen = await connection.fetchval(_SQL["left_of_charge"], row.of_number, row.user_id)
            if left_fen is None or row.amount_fen > left_fen:
                raise OverCharge(left_fen or 0)
            return await _take_out(connection, row, transfer, account)

    async def _account(self, row: PaymentRow) -> str | None:
        """The bank's name of the card of a payment; None: the card is in the database of the payment."""
        return None


async def _take_out(
    connection: Connection, row: PaymentRow, transfer: TransferRow, account: str | None
) -> tuple[PaymentRow, BalanceRow | None]:
    """Record a payment that takes its money out of the wallet now. Raises NotEnoughMoney."""
    after = await wallets.debit(connection, {row.user_id: row.amount_fen}, {row.user_id: 1})
    if row.user_id not in after:
        raise NotEnoughMoney
    made = await _insert(connection, row, account)
    await wallets.insert_debits(connection, [transfer], after)
    return made, after[row.user_id]


async def _insert(connection: Connection, row: PaymentRow, account: str | None) -> PaymentRow:
    columns = row.number, row.gateway, row.kind, row.user_id, row.amount_fen, row.key, row.content, row.card_id
    times = row.next_try_ms, row.created_at_ms
    made = await connection.fetchrow(_SQL["insert"], *columns, *times, row.of_number, account)
    assert made is not None
    return row_of(made)
