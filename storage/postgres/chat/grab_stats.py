"""Who grabs how fast: sums and the latest reactions of each member of a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class GrabStatRow(NamedTuple):
    """What is known of a member; in `add`, what is new. `recent_ms`: their latest reactions, the newest last."""

    group_id: int
    user_id: int
    grabs: int
    first_places: int
    sent_packets: int
    recent_ms: Sequence[int]


class GrabStatStore:
    """Statements on reactions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        """Add to what is known, one row a member; of the reactions the last `recent_max` are kept."""
        in_order = sorted(rows)  # two writers lock rows in the same order
        columns = [list(column) for column in zip(*(row[:5] for row in in_order), strict=True)]
        recent = [f"{{{','.join(map(str, row.recent_ms))}}}" for row in in_order]  # arrays of arrays must be even
        async with self._database.reading() as connection:
            await connection.execute(_SQL["add"], *columns, recent, recent_max)

    async def of_group(self, group_id: int) -> list[GrabStatRow]:
        """All that is known of a group, of those who left it, too."""
        async with self._database.reading() as connection:
            return [GrabStatRow(*row) for row in await connection.fetch(_SQL["of_group"], group_id)]
