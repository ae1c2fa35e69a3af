"""The match of a statement with our payments: PostgreSQL joins and classifies all rows in one statement of SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.sessions import wait_for_locks

if TYPE_CHECKING:
    from storage.postgres.database import Database
    from storage.postgres.sessions import Session

_SQL = statements.load(__file__)
LOCK_GATEWAY = statements.load(__file__, "statements")["lock_gateway"]
WORK_MEM = "64MB"  # of the sorts and hashes of a match; a million rows spill to disk beyond it


class RowEvidence(NamedTuple):
    """A row that says the end of a payment that is open."""

    number: int
    line: int
    bank_ref: str
    state: str


class MatchOutcome(NamedTuple):
    """What a match has changed: breaks opened, resolved, still there; and rows whose payment has not ended."""

    opened: int
    resolved: int
    refreshed: int
    open: int


class MatchingStore:
    """Statements that compare. All raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def evidence(self, gateway: str, statement_id: int, after: int, most: int) -> list[RowEvidence]:
        """Rows of a statement that say the end of payments that are open, in the order of their numbers."""
        async with self._database.long_transaction() as connection:
            await self._bring(connection, gateway, statement_id, None)
            rows = await connection.fetch(_SQL["evidence"], gateway, statement_id, after, most)
            await self._let_go(connection)
        return [RowEvidence(*row) for row in rows]

    async def match(
        self, gateway: str, statement_id: int, now_ms: int, skew_ms: int, *, is_final: bool
    ) -> MatchOutcome:
        """Compare a statement with our payments and keep the breaks up to date, all or nothing.

        It counts as matched if no row with an open payment is left, or if `is_final`.
        """
        async with self._database.long_transaction() as connection:
            await wait_for_locks(connection)
            await connection.execute(LOCK_GATEWAY, gateway)
            if await connection.fetchval(_SQL["is_matched"], statement_id):
                return MatchOutcome(0, 0, 0, 0)  # another server was faster
            await connection.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
            await connection.execute(_SQL["forget_results"], statement_id)
            await self._bring(connection, gateway, statement_id, skew_ms)
            row = await connection.fetchrow(_SQL["match"], gateway, statement_id, now_ms, skew_ms)
            assert row is not None
            await self._let_go(connection)
            outcome = MatchOutcome(*row)
            if is_final or not outcome.open:
                await connection.execute(_SQL["set_matched"], statement_id, now_ms)
        return outcome

    async def _bring(self, connection: Session, gateway: str, statement_id: int, skew_ms: int | None) -> None:
        """Have the payments of other databases that a statement may be about beside ours; there are none here.

        `skew_ms` None: those that are open.
        """

    async def _let_go(self, connection: Session) -> None:
        """What was brought is needed no more."""
