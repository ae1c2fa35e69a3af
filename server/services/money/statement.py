"""The statement of a wallet (零钱明细): changes with counterparty and the balance after each, newest first."""

from __future__ import annotations

from typing import Final, NamedTuple

from server.core import ledger
from server.core.ids import is_user
from server.services.chat.names import NameService
from storage.postgres.money.statement import StatementRow, StatementStore

STATEMENT_PAGE: Final = 50  # lines; storage/postgres/money/statement.sql reads one more
NEWEST: Final = 2**63 - 1  # above every version
OUTSIDE: Final = 0  # the counterparty of money that the chat backend moved in or out


class StatementItem(NamedTuple):
    """One change of a wallet. `packet_id` is 0 and `packet_kind` "" where no packet moved the money.

    `other_id` is the counterparty: of a claim the sender; of a send and its refund the receiver (a user or a
    group); of a transfer the other user; else OUTSIDE. `other_name` is "" for OUTSIDE and for a group without a
    name. `key` is that of a top-up, a withdrawal, a transfer or a pay, or the number of a payment. `text`: of a
    transfer or a pay; of a payment by card the card.
    """

    version: int
    at_ms: int
    reason: str
    change_fen: int
    balance_fen: int
    packet_id: int
    packet_kind: str
    other_id: int
    other_name: str
    key: str
    text: str


class WalletStatement(NamedTuple):
    """Changes, newest first; if there are more, they are older than the last one."""

    lines: list[StatementItem]
    more: bool


class StatementService:
    """Use case statement. Raises StoreUnavailable."""

    def __init__(self, statements: StatementStore, names: NameService) -> None:
        self._store = statements
        self._names = names

    async def page(self, user_id: int, before_version: int = 0) -> WalletStatement:
        """The newest changes of a wallet, or those before a version of it (0: all)."""
        rows = await self._store.page(user_id, before_version or NEWEST)
        shown = [row for row in rows[:STATEMENT_PAGE] if row.kind != ledger.OPENING]
        others = [_other(row) for row in shown]
        names = await self._names.by_id(filter(is_user, others))
        lines = [_item(row, other_id, names.get(other_id, "")) for row, other_id in zip(shown, others, strict=True)]
        return WalletStatement(lines, len(rows) > STATEMENT_PAGE)


def _other(row: StatementRow) -> int:
    if row.packet_id is None:
        return row.other_id or OUTSIDE
    other_id = row.sender_id if row.kind == ledger.TransferKind.CLAIM else row.target_id
    return other_id or OUTSIDE


def _item(row: StatementRow, other_id: int, user_name: str) -> StatementItem:
    group_name = row.group_name if other_id == row.target_id else None
    return StatementItem(
        version=row.version,
        at_ms=row.at_ms,
        reason=ledger.reason_of(row.kind),
        change_fen=row.change_fen,
        balance_fen=row.balance_fen,
        packet_id=row.packet_id or 0,
        packet_kind=row.packet_kind or "",
        other_id=other_id,
        other_name=user_name or group_name or "",
        key=row.key,
        text=row.text,
    )
