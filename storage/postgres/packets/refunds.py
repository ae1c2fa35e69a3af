"""Refunds: what is left of a packet whose time is over goes back to its sender. Transactions are the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.money.wallets import BalanceRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection

_SQL = statements.load(__file__)


class RefundRow(NamedTuple):
    """A refund that was made, and the sender's balance after the whole batch. `xid`: of its transaction."""

    packet_id: int
    sender_id: int
    refunded_fen: int
    at_ms: int
    balance: BalanceRow
    xid: int


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
    columns = [
        [one.packet_id for one in made],
        [one.sender_id for one in made],
        [one.at_ms for one in made],
        [one.xid for one in made],
    ]
    rows = await connection.fetch(_SQL["find"], *columns)
    balances = {row["place"]: BalanceRow(row["balance_fen"], row["version"]) for row in rows}
    return [
        one._replace(balance=balances[place]) if place in balances else None for place, one in enumerate(made, 1)
    ]
