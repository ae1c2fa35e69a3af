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


class CardPaymentStore:
    """The writer of payments that users ask for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def withdrawal(self, user_id: int, key: str) -> PaymentRow | None:
        """The withdrawal of this key, if there is one."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["withdrawal"], user_id, key)
        return None if row is None else row_of(row)

    async def charge(self, row: PaymentRow, day: DayLimit) -> tuple[PaymentRow, bool]:
        """Record a charge, once per user and key; the recorded one, and whether it is new. Raises OverDayLimit."""
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            earlier = await connection.fetchrow(_SQL["charge"], row.user_id, row.key)
            if earlier is not None:
                return row_of(earlier), False
            await payers.check_day(connection, row.user_id, row.amount_fen, day)
            return await _insert(connection, row), True

    async def withdraw(
        self, row: PaymentRow, transfer: TransferRow, day: DayLimit
    ) -> tuple[PaymentRow, BalanceRow | None]:
        """Record a withdrawal and take its money out of the wallet, once per user and key.

        The recorded one, and the balance after it if it is new. Raises NotEnoughMoney, OverDayLimit.
        """
        async with self._database.transaction() as connection:
            await payers.lock(connection, row.user_id)
            earlier = await connection.fetchrow(_SQL["withdrawal"], row.user_id, row.key)
            if earlier is not None:
                return row_of(earlier), None
            await payers.check_day(connection, row.user_id, row.amount_fen, day)
            after = await wallets.debit(connection, {row.user_id: row.amount_fen}, {row.user_id: 1})
            if row.user_id not in after:
                raise NotEnoughMoney
            made = await _insert(connection, row)
            await wallets.insert_debits(connection, [transfer], after)
            return made, after[row.user_id]


async def _insert(connection: Connection, row: PaymentRow) -> PaymentRow:
    columns = row.number, row.gateway, row.kind, row.user_id, row.amount_fen, row.key, row.content, row.card_id
    made = await connection.fetchrow(_SQL["insert"], *columns, row.next_try_ms, row.created_at_ms)
    assert made is not None
    return row_of(made)
