"""The settlement queue: claims whose money is not in a wallet yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.money.wallets import BalanceRow, MadeTransfer, find_made

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)
CLAIM: Final = 4  # kind of transfers, see docs/money.md


class Credit(NamedTuple):
    """What one user got in one batch, and one of the packets that it came from. `xid`: of its transaction."""

    user_id: int
    packet_id: int
    claims: int
    change_fen: int
    at_ms: int
    balance: BalanceRow
    xid: int

    @property
    def made(self) -> MadeTransfer:
        """How one of its transfers is known."""
        return MadeTransfer(self.packet_id, self.user_id, CLAIM, "", self.at_ms, self.xid)


class Backlog(NamedTuple):
    """What waits. `oldest_ms` is None when nothing does."""

    claims: int
    amount_fen: int
    oldest_ms: int | None


class SettlementQueue:
    """Statements on the queue. Of packets of `best_luck_kinds` the best luck is recorded once they are finished."""

    def __init__(self, database: Database, best_luck_kinds: Sequence[str]) -> None:
        self._database = database
        self._best_luck_kinds = best_luck_kinds
        self._writer = database.writer(plan_each_time=True)
        self._locked: list[int] = []  # users whose wallet another transaction locks: their claims wait
        self._look_for_locks = False

    @property
    def parts(self) -> Sequence[SettlementQueue]:
        """The queues that are emptied each by itself: one for each set of PostgreSQL."""
        return [self]

    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        """Credit up to `most` claims, largest first, in one statement; how many were taken, and the credits.

        In a transaction of its own, so that the credits are known when its outcome is not: raises Unanswered then.
        After a failure, claims of users whose wallet is locked are left in the queue until it is free.
        """
        if self._look_for_locks:
            self._locked = await self._find_locked(most)
            self._look_for_locks = bool(self._locked)
        credits: list[Credit] = []
        try:
            async with self._writer.transaction() as connection:
                rows = await connection.fetch(_SQL["settle"], most, now_ms, self._best_luck_kinds, self._locked)
                credits = [
                    Credit(row[0], row[1], row[2], row[3], now_ms, BalanceRow(row[4], row[5]), row["xid"])
                    for row in rows
                ]
        except StoreUnavailable as error:
            self._look_for_locks = True
            raise Unanswered(error, credits) from error
        return rows[0]["taken"] if rows else 0, credits

    async def _find_locked(self, most: int) -> list[int]:
        """Users with a claim in the next batch, or left out before, whose wallet another transaction locks."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["locked_wallets"], most, self._locked)
        return [row["user_id"] for row in rows]

    async def find_outcome(self, credits: Sequence[Credit]) -> list[Credit | None]:
        """Which of these credits stand in the books, with what is in their wallets by now; None: not this one."""
        async with self._database.reading() as connection:
            found = await find_made(connection, [credit.made for credit in credits])
        return [
            credit._replace(balance=balances[credit.user_id]) if balances else None
            for credit, balances in zip(credits, found, strict=True)
        ]

    async def uncredited(self, user_id: int, packet_id: int) -> bool:
        """Whether a user's claim of a packet is not in the wallet yet; also while the claim is not recorded."""
        async with self._database.reading() as connection:
            return bool(await connection.fetchval(_SQL["uncredited"], user_id, packet_id))

    async def backlog(self) -> Backlog:
        """How much waits, and since when."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["backlog"])
        return Backlog(*row) if row is not None else Backlog(0, 0, None)
