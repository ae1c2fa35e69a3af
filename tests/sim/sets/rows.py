"""One set's part of the tables of a world, as the transactions of its settlement meet them.

Other statements of the world change the tables at once. One that has changed a wallet since a credit was prepared
was first: the transaction of the credit comes to nothing, as if it had waited too long for the row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.errors import StoreBusy
from storage.postgres.money.wallets import MadeTransfer
from storage.postgres.sets.settlement import QueuedClaim
from tests.sim.sets.tables import Change, ClaimKey, rows_of

if TYPE_CHECKING:
    from tests.sim.sets.side import SetsSide
    from tests.sim.tables import Tables


class RowsOfSet:
    """Stands for a SetTables. `turn` is held by the transaction that writes: one at a time."""

    def __init__(self, side: SetsSide, number: int) -> None:
        self._side, self.number = side, number
        self.turn = asyncio.Lock()

    @property
    def _tables(self) -> Tables:
        tables: Tables = self._side.world.tables
        return tables

    # --- reads ------------------------------------------------------------------------------------------------

    def next(self, most: int, passed_over: Sequence[int]) -> list[QueuedClaim]:
        rows = []
        for packet_id, user_id, fen, at_ms in self._tables.queue:
            if self._side.set_of_packet(packet_id) == self.number and user_id not in passed_over:
                index = next(one.index for one in self._tables.claims[packet_id] if one.user_id == user_id)
                rows.append(QueuedClaim(f"({packet_id},{user_id})", packet_id, user_id, fen, at_ms, index))
        return sorted(rows, key=lambda row: -row.amount_fen)[:most]

    def find_locked(self, user_ids: Sequence[int]) -> list[dict[str, int]]:
        """No transaction of something else holds a wallet in these worlds."""
        return []

    def find_sets(self, user_ids: Sequence[int]) -> list[dict[str, int]]:
        placed = self._side.user_sets
        return [{"user_id": one, "set_number": placed[one]} for one in user_ids if one in placed]

    def find_made(
        self,
        debit_accounts: Sequence[int],
        credit_accounts: Sequence[int],
        kinds: Sequence[int],
        keys: Sequence[str],
        times_ms: Sequence[int],
        xids: Sequence[int],
    ) -> list[tuple[int, ...]]:
        asked = map(MadeTransfer, debit_accounts, credit_accounts, kinds, keys, times_ms, xids)
        return [
            (place, one.credit_account, *self._tables.balance(one.credit_account))
            for place, one in enumerate(asked, 1)
            if self._tables.is_made(one)
        ]

    # --- writes: the answer, and what the commit changes ------------------------------------------------------

    def place(self, process: int, user_ids: Sequence[int], wanted: Sequence[int]) -> tuple[None, Change]:
        def change() -> None:
            for user_id, number in zip(user_ids, wanted, strict=True):
                self._side.user_sets.setdefault(user_id, number)

        return None, change

    def credit(
        self,
        process: int,
        packet_ids: Sequence[int],
        user_ids: Sequence[int],
        amounts: Sequence[int],
        opened_at_ms: Sequence[int],
        now_ms: int,
    ) -> tuple[list[tuple[int, ...]], Change]:
        tables, xid = self._tables, self._tables.next_transaction()
        asked = zip(map(ClaimKey, packet_ids, user_ids), amounts, strict=True)
        taken = {key: fen for key, fen in asked if not tables.is_credited(*key)}
        before = {key.user_id: tables.balance(key.user_id) for key in taken}

        def change() -> None:
            if any(tables.balance(user_id) != balance for user_id, balance in before.items()):
                raise StoreBusy("another transaction has changed the wallet")
            for key in sorted(taken):
                tables.credit(*key, taken[key], now_ms, xid)
            self._side.world.made_by_the_dead(process, before.keys())

        return rows_of(taken, before.__getitem__, xid), change

    def take_off(
        self,
        process: int,
        taken: Sequence[str],
        packet_ids: Sequence[int],
        user_ids: Sequence[int],
        now_ms: int,
        account: int | None,
        best_luck_kinds: Sequence[str],
        *told: Any,
    ) -> tuple[int, Change]:
        tables = self._tables
        queued = {ClaimKey(*row[:2]): row[2] for row in tables.queue}
        there = [key for key in map(ClaimKey, packet_ids, user_ids) if key in queued]

        def change() -> None:
            tables.queue = [row for row in tables.queue if row[:2] not in there]
            if account is not None:
                self._side.handed_over |= {key: (account, queued[key]) for key in there}
            over = tables.finished_by(there)
            tables.find_best_lucks(over, best_luck_kinds)
            tables.post_credits({key.packet_id for key in there}, over, now_ms)

        return len(there), change
