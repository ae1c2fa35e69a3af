"""Refunds: what is left of a packet whose time is over goes back to its sender. Transactions are the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.money.wallets import BalanceRow, MadeTransfer, find_made

if TYPE_CHECKING:
    from storage.postgres.database import Connection

_SQL = statements.load(__file__)
REFUND: Final = 5  # kind of transfers, see docs/money.md


class RefundRow(NamedTuple):
    """A refund that was made, and the sender's balance after the whole batch. `xid`: of its transaction."""

    packet_id: int
    sender_id: int
    refunded_fen: int
    at_ms: int
    balance: BalanceRow
    xid: int

    @property
    def made(self) -> MadeTransfer:
        """How its transfer is known."""
        return MadeTransfer(self.packet_id, self.sender_id, REFUND, "", self.at_ms, self.xid)


async def due(connection: Connection, now_ms: int, most: int) -> list[int]:
    """Packets whose time is over and that are still open, the oldest first."""
    return [row["packet_id"] for row in await connection.fetch(_SQL["due"], now_ms, most)]


async def pay_back(connection: Connection, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
    """Close packets, and pay back what their claims leave."""
    locked = [row["packet_id"] for row in await connection.fetch(_SQL["lock_open"], packet_ids)]
    rows = await connection.fetch(_SQL["refund"], locked, now_ms)
    return [RefundRow(row[0], row[1], row[2], now_ms, BalanceRow(row[3], row[4]), row["xid"]) for row in rows]


async def find(connection: Connection, made: Sequence[RefundRow]) -> list[RefundRow | None]:
    """Which of these refunds stand in the books, with what is in their wallets by now; None: not this one."""
    found = await find_made(connection, [one.made for one in made])
    return [
        one._replace(balance=balances[one.sender_id]) if balances else None
        for one, balances in zip(made, found, strict=True)
    ]
