"""Wallets and transfers: the books. Every change of a wallet stands beside its transfer in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class TransferRow(NamedTuple):
    """One movement of money; never changed. `key` is '' where a packet is one of the accounts."""

    debit_account: int
    credit_account: int
    kind: int
    key: str
    amount_fen: int
    at_ms: int


class BalanceRow(NamedTuple):
    """What is in a wallet. `version` counts its changes: of two balances the one with the higher is newer."""

    fen: int
    version: int


EMPTY_ROW = BalanceRow(0, 0)  # a wallet that nothing was ever paid into


class Moved(NamedTuple):
    """What became of a keyed movement: the balance after it, and whether it moved money now or earlier."""

    balance: BalanceRow
    moved_now: bool


class Booked(NamedTuple):
    """A keyed transfer that stands in the books, and what is in its wallet by now."""

    transfer: TransferRow
    balance: BalanceRow


class NotEnoughMoney(Exception):
    """The wallet holds less than the amount; nothing was recorded."""


class KeyReused(Exception):
    """The key was used before with another amount; nothing was recorded."""


class WalletStore:
    """Statements on wallets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def balance(self, user_id: int) -> BalanceRow:
        """What is in a wallet; EMPTY if there is none yet."""
        async with self._database.reading() as connection:
            return await _balance(connection, user_id)

    async def move(self, transfer: TransferRow, user_id: int, change_fen: int) -> Moved:
        """Record a keyed transfer and change one wallet by `change_fen`, once. Raises NotEnoughMoney, KeyReused.

        Raises StoreUnavailable: `find_outcome` it.
        """
        async with self._database.transaction() as connection:
            if await connection.fetchval(_SQL["insert_transfer"], *transfer) is None:
                recorded = await connection.fetchval(_SQL["transfer_before"], *transfer[:4])
                if recorded != transfer.amount_fen:
                    raise KeyReused
                return Moved(await _balance(connection, user_id), moved_now=False)
            if change_fen < 0:
                left = await debit(connection, {user_id: -change_fen})
                if not left:
                    raise NotEnoughMoney
                return Moved(left[user_id], moved_now=True)
            rows = await connection.fetch(_SQL["credit"], user_id, change_fen)
            return Moved(BalanceRow(*rows[0]), moved_now=True)

    async def find_outcome(self, transfers: Sequence[TransferRow]) -> list[Booked | None]:
        """Which of these transfers `move` has recorded, had its reply been lost; None: not this one."""
        columns = [[row[column] for row in transfers] for column in (0, 1, 2, 3, 5)]
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["recall"], *columns)
        balances = {row["place"]: BalanceRow(*row[1:]) for row in rows}
        return [
            Booked(transfer, balances[place]) if place in balances else None
            for place, transfer in enumerate(transfers, 1)
        ]


async def _balance(connection: Connection, user_id: int) -> BalanceRow:
    row = await connection.fetchrow(_SQL["balance"], user_id)
    return EMPTY_ROW if row is None else BalanceRow(*row)


async def lock(connection: Connection, user_ids: Collection[int]) -> dict[int, int]:
    """Keep these wallets as they are until the transaction ends; what is in them, where there is one."""
    rows = await connection.fetch(_SQL["lock"], list(user_ids))
    return {row["user_id"]: row["balance_fen"] for row in rows}


async def debit(connection: Connection, amounts_fen: Mapping[int, int]) -> dict[int, BalanceRow]:
    """Take amounts out of wallets that hold enough; the balances after it, of those alone."""
    users, amounts = list(amounts_fen), list(amounts_fen.values())
    rows = await connection.fetch(_SQL["debit"], users, amounts)
    return {row["user_id"]: BalanceRow(*row[1:]) for row in rows}


async def insert_transfers(connection: Connection, transfers: Sequence[TransferRow]) -> None:
    """Record transfers; a second one with the same key fails the transaction."""
    await connection.copy_records_to_table("transfers", records=transfers)
