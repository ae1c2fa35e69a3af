"""The statement of a wallet: its changes, newest first, each with the packet that moved the money."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class StatementRow(NamedTuple):
    """One change of a wallet. `key`: of a keyed transfer. Without a packet `packet_id` to `group_name` are None.

    `other_id`: the other user of a transfer. `text`: of a transfer or a pay; of a payment by card the card.
    `account`: the other account of the change. `card_id`: of a payment by card.
    """

    version: int
    at_ms: int
    kind: int
    change_fen: int
    balance_fen: int
    key: str
    packet_id: int | None
    packet_kind: str | None
    sender_id: int | None
    target_id: int | None
    group_name: str | None
    other_id: int | None
    text: str
    account: int = 0
    card_id: int | None = None


class StatementStore:
    """Reads statements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, user_id: int, before_version: int) -> list[StatementRow]:
        """The changes of a wallet before a version, newest first: 50, and one more if others follow."""
        async with self._database.reading() as connection:
            return [StatementRow(*row) for row in await connection.fetch(_SQL["page"], user_id, before_version)]
