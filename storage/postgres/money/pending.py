"""Pending transfers: money of a wallet that is kept back until an answer from elsewhere posts or voids it.

Three transfers that never change: the second bears the accounts and the key of the first. The row in
`pending_transfers` goes with the one that comes first, so there is only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.money.wallets import BalanceRow, KeyReused, NotEnoughMoney, TransferRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
PENDING: Final = 6  # as in the table of kinds: server/core/ledger
POSTED: Final = 7
VOIDED: Final = 8


class PendingStore:
    """Statements on pending transfers out of wallets. Each is keyed, and harmless when it is asked again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, transfer: TransferRow) -> None:
        """Keep money back, once per key. Raises NotEnoughMoney, KeyReused."""
        debit, credit, kind, key, amount_fen, _ = transfer
        async with self._database.transaction() as connection:
            if await connection.fetchval(_SQL["transfer"], *transfer) is None:
                if await connection.fetchval(_SQL["before"], debit, credit, kind, key) != amount_fen:
                    raise KeyReused
                return
            if await connection.fetchval(_SQL["keep_back"], debit, amount_fen) is None:
                raise NotEnoughMoney
            await connection.execute(_SQL["begin"], debit, credit, key, amount_fen)

    async def post(self, debit: int, credit: int, key: str, at_ms: int) -> BalanceRow | None:
        """Move what is kept back; what is in the wallet then. None: it was posted or voided before."""
        async with self._database.transaction() as connection:
            amount_fen = await _end(connection, TransferRow(debit, credit, POSTED, key, 0, at_ms))
            if amount_fen is None:
                return None
            row = await connection.fetchrow(_SQL["post"], debit, amount_fen, POSTED, credit, key, at_ms)
        return None if row is None else BalanceRow(*row)

    async def void(self, debit: int, credit: int, key: str, at_ms: int) -> BalanceRow | None:
        """Release what is kept back; what is in the wallet then. None: it was posted or voided before."""
        async with self._database.transaction() as connection:
            amount_fen = await _end(connection, TransferRow(debit, credit, VOIDED, key, 0, at_ms))
            if amount_fen is None:
                return None
            row = await connection.fetchrow(_SQL["void"], debit, amount_fen)
        return None if row is None else BalanceRow(*row)


async def _end(connection: Connection, transfer: TransferRow) -> int | None:
    """Take the row of the pending transfer and record the one that ends it; its amount."""
    debit, credit, _, key, _, _ = transfer
    amount_fen: int | None = await connection.fetchval(_SQL["end"], debit, credit, key)
    if amount_fen is not None:
        await connection.execute(_SQL["transfer"], *transfer._replace(amount_fen=amount_fen))
    return amount_fen
