"""The relay of groups: the rule of each group, and whose turn it was after which packet.

The settlement records turns, with the best luck of a packet (see settlement.sql).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class TurnRow(NamedTuple):
    """Whose turn it was, by which rule, and the best share, which was that user's."""

    user_id: int
    times: int
    best_fen: int


class TurnAfter(NamedTuple):
    """Whose turn it was after a packet, in which group, by which rule, and the best share, that of the user."""

    group_id: int
    user_id: int
    times: int
    best_fen: int


class RelayStore:
    """Statements on the relay."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, group_id: int, times: int) -> bool:
        """Give a group this rule; False: there is no such group. Again is harmless."""
        async with self._database.transaction() as connection:
            return bool(await connection.execute(_SQL["put"], group_id, times) == "UPDATE 1")

    async def times_of(self, group_id: int) -> int | None:
        """The rule of a group; None: there is no such group."""
        async with self._database.reading() as connection:
            times: int | None = await connection.fetchval(_SQL["times_of"], group_id)
        return times

    async def turns(self, packet_ids: Sequence[int]) -> dict[int, TurnRow]:
        """The turns after these packets, of those that were followed by one."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["turns"], packet_ids)
        return {row["packet_id"]: TurnRow(row["user_id"], row["times"], row["amount_fen"]) for row in rows}

    async def turns_after(self, packet_ids: Sequence[int]) -> dict[int, TurnAfter | None]:
        """Of these packets those whose best luck is recorded, each with its turn; None: it was followed by none."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["turns_after"], packet_ids)
        return {row[0]: None if row["group_id"] is None else TurnAfter(*row[1:]) for row in rows}
