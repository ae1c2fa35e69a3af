"""Simulated tables of one set: the queue of claims, transfers and wallets, with the rules of their statements.

A statement that writes says what it will change; the transaction changes it when it commits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from storage.errors import StoreBusy
from storage.postgres.money import wallets
from storage.postgres.money.wallets import EMPTY_ROW, BalanceRow
from storage.postgres.sets import places, settlement
from storage.postgres.sets.settlement import QueuedClaim

Change = Callable[[], None]


class ClaimKey(NamedTuple):
    """One claim of all sets."""

    packet_id: int
    user_id: int


class SetTables:
    """What one set has recorded. `turn` is held by the transaction that writes: one at a time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.turn = asyncio.Lock()
        self.queue: dict[str, QueuedClaim] = {}  # by place
        self.credits: dict[ClaimKey, tuple[int, int, int]] = {}  # fen, time and transaction of a claim
        self.credited: Counter[ClaimKey] = Counter()  # how often
        self.credited_by: dict[ClaimKey, int] = {}  # the process
        self.handed_over: dict[ClaimKey, tuple[int, int]] = {}  # account in transit, fen
        self.wallets: dict[int, BalanceRow] = {}
        self.user_sets: dict[int, int] = {}  # in set 0
        self.locked: set[int] = set()  # users whose wallets another transaction holds
        self._places = self._transactions = 0

    def claim(self, key: ClaimKey, fen: int, at_ms: int, index: int) -> None:
        """A claim of a packet of this set is recorded, and queued with it."""
        self._places += 1
        place = f"(0,{self._places})"
        self.queue[place] = QueuedClaim(place, *key, fen, at_ms, index)

    # --- reads ------------------------------------------------------------------------------------------------

    def next(self, most: int, passed_over: Sequence[int]) -> list[QueuedClaim]:
        rows = [row for row in self.queue.values() if row.user_id not in passed_over]
        return sorted(rows, key=lambda row: -row.amount_fen)[:most]

    def find_locked(self, user_ids: Sequence[int]) -> list[dict[str, int]]:
        return [{"user_id": one} for one in user_ids if one in self.locked]

    def find_sets(self, user_ids: Sequence[int]) -> list[dict[str, int]]:
        found = [one for one in user_ids if one in self.user_sets]
        return [{"user_id": one, "set_number": self.user_sets[one]} for one in found]

    def find_made(
        self,
        debit_accounts: Sequence[int],
        credit_accounts: Sequence[int],
        kinds: Sequence[int],
        keys: Sequence[str],
        times_ms: Sequence[int],
        xids: Sequence[int],
    ) -> list[tuple[int, ...]]:
        """Of claims: nothing else is in doubt in these worlds."""
        asked = zip(map(ClaimKey, debit_accounts, credit_accounts), times_ms, xids, strict=True)
        return [
            (place, key.user_id, *self.wallets[key.user_id])
            for place, (key, at_ms, xid) in enumerate(asked, 1)
            if self.is_made_by(key, at_ms, xid)
        ]

    def is_made_by(self, key: ClaimKey, at_ms: int, xid: int) -> bool:
        """Whether this transaction has credited a claim."""
        return key in self.credits and self.credits[key][1:] == (at_ms, xid)

    # --- writes: the answer, and what the commit changes ------------------------------------------------------

    def place(self, process: int, user_ids: Sequence[int], wanted: Sequence[int]) -> tuple[None, Change]:
        def change() -> None:
            for user_id, number in zip(user_ids, wanted, strict=True):
                self.user_sets.setdefault(user_id, number)

        return None, change

    def is_new(self, key: ClaimKey) -> bool:
        """No transfer has its key: a claim is credited once."""
        return key not in self.credits

    def credit(
        self,
        process: int,
        packet_ids: Sequence[int],
        user_ids: Sequence[int],
        amounts: Sequence[int],
        opened_at_ms: Sequence[int],
        now_ms: int,
    ) -> tuple[list[tuple[int, ...]], Change]:
        if self.locked & set(user_ids):
            raise StoreBusy("another transaction locks the wallet")
        asked = zip(map(ClaimKey, packet_ids, user_ids), amounts, strict=True)
        taken = {key: fen for key, fen in asked if self.is_new(key)}
        self._transactions += 1
        xid = self._transactions
        rows = rows_of(taken, lambda user_id: self.wallets.get(user_id, EMPTY_ROW), xid)

        def change() -> None:
            self.credits |= {key: (fen, now_ms, xid) for key, fen in taken.items()}
            self.credited.update(taken.keys())
            self.credited_by |= dict.fromkeys(taken, process)
            self.wallets |= {row[0]: BalanceRow(*row[4:6]) for row in rows}

        return rows, change

    def take_off(
        self,
        process: int,
        taken: Sequence[str],
        packet_ids: Sequence[int],
        user_ids: Sequence[int],
        now_ms: int,
        account: int | None,
        *told: Any,
    ) -> tuple[int, Change]:
        keys = zip(taken, map(ClaimKey, packet_ids, user_ids), strict=True)
        there = {place: key for place, key in keys if place in self.queue and self.queue[place][1:3] == key}
        handed = (
            {} if account is None else {key: (account, self.queue[one].amount_fen) for one, key in there.items()}
        )

        def change() -> None:
            for place in there:
                del self.queue[place]
            self.handed_over |= handed

        return len(there), change


def rows_of(taken: dict[ClaimKey, int], before_of: Callable[[int], BalanceRow], xid: int) -> list[tuple[int, ...]]:
    """What the statement that credits these claims answers: a row for each user."""
    rows = []
    for user_id in sorted({key.user_id for key in taken}):
        mine = {key.packet_id: fen for key, fen in taken.items() if key.user_id == user_id}
        before = before_of(user_id)
        after = BalanceRow(before.fen + sum(mine.values()), before.version + len(mine))
        rows.append((user_id, min(mine), len(mine), sum(mine.values()), *after, xid))
    return rows


READS: dict[str, str] = {
    settlement.SQL["next"]: "next",
    settlement.SQL["locked"]: "find_locked",
    places.SQL["find"]: "find_sets",
    wallets._SQL["find_made"]: "find_made",
}
WRITES: dict[str, str] = {
    places.SQL["place"]: "place",
    settlement.SQL["credit"]: "credit",
    settlement.SQL["take_off"]: "take_off",
}
