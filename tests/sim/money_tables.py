"""Simulated tables of wallets and transfers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from server.core.ledger import TransferKind
from storage.postgres.money.wallets import (
    BalanceRow,
    Booked,
    EntryRow,
    KeyReused,
    MadeTransfer,
    NotEnoughMoney,
    TransferRow,
    UnknownUser,
)


class MoneyTables:
    """Wallets, the transfers between them, and the journal of everything that was done."""

    def __init__(self) -> None:
        self.transfers: dict[tuple[int, int, int, str], TransferRow] = {}
        self.made_in: dict[tuple[int, int, int, str], int] = {}  # by transfer: its transaction
        self.transactions = 0
        self.wallets: dict[int, int] = {}
        self.changes: dict[int, list[int]] = {}  # user -> the balance after each change
        self.entries: dict[int, list[EntryRow]] = {}  # by user, a row for each change
        self._booked = TransferRow(0, 0, TransferKind.SEND, "", 0, 0)
        self.journal: list[tuple[Any, ...]] = []  # in the order of the changes: the second opinion of the checks

    def know(self, user_ids: Sequence[int]) -> None:
        """A wallet that the chat backend pays into makes its user known."""
        raise NotImplementedError

    def is_known(self, user_id: int) -> bool:
        """The server has heard of this user."""
        raise NotImplementedError

    def transfer(self, row: TransferRow) -> None:
        if row[:4] in self.transfers:
            raise asyncpg.UniqueViolationError("transfers")
        self.transfers[row[:4]] = self._booked = row
        self.made_in[row[:4]] = self.transactions

    def pay(self, user_id: int, change_fen: int) -> None:
        self.wallets[user_id] = self.wallets.get(user_id, 0) + change_fen
        self.changes.setdefault(user_id, []).append(self.wallets[user_id])
        row = self._booked  # a send books its transfer a moment later: it is the only change without one before
        kind, version = TransferKind.SEND if change_fen < 0 else row.kind, len(self.changes[user_id])
        entry = EntryRow(version, kind, row.debit_account, row.key, change_fen, self.wallets[user_id], row.at_ms)
        self.entries.setdefault(user_id, []).append(entry)

    def entries_after(self, user_id: int, version: int) -> list[EntryRow]:
        """The changes of a wallet after a version. Of a send the kind is right, all else of its transfer is not."""
        return [row for row in self.entries.get(user_id, ()) if row.version > version]

    def balance(self, user_id: int) -> BalanceRow:
        return BalanceRow(self.wallets.get(user_id, 0), len(self.changes.get(user_id, ())))

    def next_transaction(self) -> int:
        """The number of a transaction that makes transfers."""
        self.transactions += 1
        return self.transactions

    def is_made(self, made: MadeTransfer) -> bool:
        """Whether this transaction has made the transfer, at that time."""
        row = self.transfers.get(made[:4])
        return row is not None and row.at_ms == made.at_ms and self.made_in[made[:4]] == made.xid

    def move(self, row: TransferRow, user_id: int, change_fen: int, *, known_only: bool) -> Booked:
        balance_fen = self.wallets.get(user_id, 0)
        if row[:4] in self.transfers:
            if self.transfers[row[:4]].amount_fen != row.amount_fen:
                raise KeyReused
            return Booked(row, self.balance(user_id), None)
        if known_only and not self.is_known(user_id):
            raise UnknownUser
        if balance_fen + change_fen < 0:
            raise NotEnoughMoney
        xid = self.next_transaction()
        self.transfer(row)
        self.pay(user_id, change_fen)
        if change_fen > 0:
            self.know([user_id])
        self.journal.append(("move", user_id, change_fen, row.key))
        return Booked(row, self.balance(user_id), xid)

    def moved(self, made: Sequence[Booked]) -> list[Booked | None]:
        return [
            one._replace(balance=self.balance(one.transfer.credit_account or one.transfer.debit_account))
            if self.is_made(one.made)
            else None
            for one in made
        ]
