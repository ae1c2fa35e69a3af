"""Sending: debit the wallets and record the packets of a whole batch in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage.postgres import messages, packets, wallets
from storage.postgres.messages import Post
from storage.postgres.packets import PacketRow
from storage.postgres.wallets import TransferRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database


class Sent(NamedTuple):
    """A packet that stands in the records: this one, or (without messages) the one its key made earlier."""

    row: PacketRow
    balance_fen: int
    messages: dict[int, int]  # stream id -> number of the message that announces it


class Sends:
    """The one writer of new packets."""

    def __init__(self, database: Database) -> None:
        self._lane = database.lane()

    async def record(
        self,
        rows: Sequence[PacketRow],
        transfer_of: Callable[[PacketRow], TransferRow],
        streams_of: Callable[[PacketRow], tuple[int, ...]],
    ) -> list[Sent | None]:
        """Record packets, each with its debit, its transfer and its announcements; None: not enough money.

        Several packets of one sender are recorded one behind the other, in transactions of their own, so that each
        is judged by what the one before it left. Raises StoreUnavailable: then ask again with the same keys.
        """
        results: dict[int, Sent | None] = {}
        rest = list(enumerate(rows))
        while rest:
            turn: dict[int, tuple[int, PacketRow]] = {}
            for position, row in rest:
                turn.setdefault(row.sender_id, (position, row))
            results.update(await self._record_turn(dict(turn.values()), transfer_of, streams_of))
            rest = [one for one in rest if one[0] not in results]
        return [results[position] for position in range(len(rows))]

    async def _record_turn(
        self,
        turn: dict[int, PacketRow],
        transfer_of: Callable[[PacketRow], TransferRow],
        streams_of: Callable[[PacketRow], tuple[int, ...]],
    ) -> dict[int, Sent | None]:
        try:
            async with self._lane.transaction() as connection:
                return await _record(connection, turn, transfer_of, streams_of)
        except asyncpg.UniqueViolationError:
            # another process has used one of the keys since we looked: nothing was recorded, look again
            async with self._lane.transaction() as connection:
                return await _record(connection, turn, transfer_of, streams_of)


async def _record(
    connection: Connection,
    turn: dict[int, PacketRow],
    transfer_of: Callable[[PacketRow], TransferRow],
    streams_of: Callable[[PacketRow], tuple[int, ...]],
) -> dict[int, Sent | None]:
    asked = [(row.sender_id, row.key) for row in turn.values()]
    before = {(row.sender_id, row.key): row for row in await packets.sent_before(connection, asked)}
    fresh = [row for row in turn.values() if (row.sender_id, row.key) not in before]
    balances = await wallets.debit(connection, {row.sender_id: row.total_fen for row in fresh})
    paid = [row for row in fresh if row.sender_id in balances]
    await packets.insert(connection, paid)
    await wallets.insert_transfers(connection, [transfer_of(row) for row in paid])
    posts = [
        Post(stream_id, row.sender_id, row.created_at_ms, None, row.packet_id)
        for row in paid
        for stream_id in streams_of(row)
    ]
    numbers = await messages.append(connection, posts)
    announced: dict[int, dict[int, int]] = {row.packet_id: {} for row in paid}
    for post, number in zip(posts, numbers, strict=True):
        announced[post.packet_id or 0][post.stream_id] = number
    results: dict[int, Sent | None] = {}
    for position, row in turn.items():
        earlier = before.get((row.sender_id, row.key))
        if earlier is not None:
            results[position] = Sent(earlier, 0, {})
        elif row.sender_id in balances:
            results[position] = Sent(row, balances[row.sender_id], announced[row.packet_id])
        else:
            results[position] = None
    return results
