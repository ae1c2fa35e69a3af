"""Corrections: a transfer that one user of the system proposes and another one approves, once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.money import wallets
from storage.postgres.money.wallets import BalanceRow, TransferRow

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
CORRECTION = 15  # the kind of transfer, see docs/money.md
NOTHING_MOVED: Final[Mapping[int, int]] = MappingProxyType({})
NO_CORRECTION: Final = 0  # the number of none


class CorrectionRow(NamedTuple):
    """A correction; see migration 0019."""

    correction_id: int
    break_id: int
    debit_account: int
    credit_account: int
    amount_fen: int
    state: str
    proposed_uid: int
    proposed_at_ms: int
    decided_uid: int | None
    decided_at_ms: int | None
    reason: str

    @property
    def key(self) -> str:
        """The key of its transfer, which cites its break."""
        return f"break {self.break_id} correction {self.correction_id}"

    @property
    def transfer(self) -> TransferRow:
        """The transfer that it is, once it is approved."""
        assert self.decided_at_ms is not None
        accounts = self.debit_account, self.credit_account
        return TransferRow(*accounts, CORRECTION, self.key, self.amount_fen, self.decided_at_ms)


class CorrectedBreak(NamedTuple):
    """The break that a correction cites. `difference_fen`: the most that corrections may move; None: not known.

    `moved`: by how much other corrections of it, which were approved, have changed each account.
    """

    is_closed: bool
    difference_fen: int | None
    moved: Mapping[int, int] = NOTHING_MOVED


class CitedBreak(NamedTuple):
    """A break of another database, which is held there while a correction cites it; None: there is none."""

    found: CorrectedBreak | None


class Decided(NamedTuple):
    """A correction after a decision, whether this one decided it, and the wallets that it changed."""

    correction: CorrectionRow
    is_new: bool
    balances: dict[int, BalanceRow]


class CorrectionStore:
    """Statements on corrections. All raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, correction_id: int) -> CorrectionRow | None:
        """A correction."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["get"], correction_id)
        return None if row is None else _row(row)

    async def newest(self, break_id: int, most: int) -> list[CorrectionRow]:
        """The newest corrections, of one break (0: of all)."""
        async with self._database.reading() as connection:
            return [_row(row) for row in await connection.fetch(_SQL["newest"], break_id, most)]

    async def balance(self, account: int) -> int | None:
        """What an account holds; None of the outside."""
        async with self._database.reading() as connection:
            found: int | None = await connection.fetchval(_SQL["balance"], account)
        return found

    async def find_break(self, break_id: int) -> CorrectedBreak | None:
        """A break as a correction cites it."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["find_break"], break_id)
            found = None if row is None else CorrectedBreak(*row)
            return await self._with_moved(connection, found, break_id, NO_CORRECTION)

    async def is_known(self, user_id: int) -> bool:
        """Whether there is such a user."""
        async with self._database.reading() as connection:
            return bool(await connection.fetchval(_SQL["is_known"], user_id))

    async def propose(
        self,
        one: CorrectionRow,
        check: Callable[[CorrectedBreak | None], None],
        cited: CitedBreak | None = None,
    ) -> CorrectionRow:
        """Record a proposal, if `check` of its break raises nothing. `cited`: the break, if it is not here."""
        async with self._database.transaction() as connection:
            check(await self._cited(connection, one, cited))
            columns = one.break_id, one.debit_account, one.credit_account, one.amount_fen
            row = await connection.fetchrow(_SQL["propose"], *columns, one.proposed_uid, one.proposed_at_ms)
        assert row is not None
        return _row(row)

    async def approve(
        self,
        correction_id: int,
        uid: int,
        now_ms: int,
        check: Callable[[CorrectionRow, CorrectedBreak | None], None],
        cited: CitedBreak | None = None,
    ) -> Decided | None:
        """Approve a proposal and move its money in one transaction, once; None: there is none.

        It stays proposed if `uid` has proposed it, or `check` of it and its break raises. `cited`: the break, if it
        is not here. Raises NotEnoughMoney.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["decide"], correction_id, "approved", uid, now_ms, "")
            if row is None:
                return await _decided(connection, correction_id)
            one = _row(row)
            check(one, await self._cited(connection, one, cited))
            return Decided(one, True, await self._move(connection, one))

    async def reject(self, correction_id: int, uid: int, reason: str, now_ms: int) -> Decided | None:
        """Reject a proposal, once; None: there is none."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["decide"], correction_id, "rejected", uid, now_ms, reason)
            if row is None:
                return await _decided(connection, correction_id)
            return Decided(_row(row), True, {})

    async def _cited(
        self, connection: Connection, one: CorrectionRow, cited: CitedBreak | None
    ) -> CorrectedBreak | None:
        """The break of a correction, held, and what the others of it have moved."""
        found = await _break(connection, one.break_id, cited)
        return await self._with_moved(connection, found, one.break_id, one.correction_id)

    async def _with_moved(
        self, connection: Connection, found: CorrectedBreak | None, break_id: int, besides: int
    ) -> CorrectedBreak | None:
        if found is None:
            return None
        return found._replace(moved=await self._moved(connection, break_id, besides))

    async def _moved(self, connection: Connection, break_id: int, besides: int) -> Mapping[int, int]:
        """By how much corrections of a break that were approved, besides one, have changed each account."""
        return await moved_in(connection, break_id, besides)

    async def _move(self, connection: Connection, one: CorrectionRow) -> dict[int, BalanceRow]:
        """Move the money of a correction that is approved; what is in the wallets that it has changed."""
        return await wallets.move_between(connection, one.transfer)


async def moved_in(connection: Connection, break_id: int, besides: int) -> dict[int, int]:
    """The same, of the corrections in this database."""
    rows = await connection.fetch(_SQL["moved"], break_id, besides)
    return {row["account"]: row["fen"] for row in rows}


@asynccontextmanager
async def held(database: Database, break_id: int) -> AsyncIterator[CitedBreak]:
    """Hold a break in its database while a correction in another one cites it.

    Meanwhile it is not closed, and no other correction of it is decided.
    """
    async with database.transaction() as connection:
        yield CitedBreak(await _break(connection, break_id, None))


async def _break(connection: Connection, break_id: int, cited: CitedBreak | None) -> CorrectedBreak | None:
    if cited is not None:
        return cited.found
    row = await connection.fetchrow(_SQL["lock_break"], break_id)
    return None if row is None else CorrectedBreak(*row)


async def _decided(connection: Connection, correction_id: int) -> Decided | None:
    row = await connection.fetchrow(_SQL["get"], correction_id)
    return None if row is None else Decided(_row(row), False, {})


def _row(record: asyncpg.Record) -> CorrectionRow:
    return CorrectionRow(*(record[name] for name in CorrectionRow._fields))
