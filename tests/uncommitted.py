"""The audit of books as one session sees them: what is planted there is never committed, and undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

import asyncpg

from server.services.money.audit import Report, audit
from storage.postgres.database import Database
from tests.conftest import SEED_KEYS

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Uncommitted:
    """The records in the transaction of a session. The audit reads them in place of a database."""

    def __init__(self, session: Sql) -> None:
        self._session = session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Sql]:
        """The session."""
        yield self._session

    async def audit_with(self, planted: str) -> Report:
        """What the audit finds once this statement has changed rows; it is undone afterwards."""
        transaction = self._session.transaction()
        await transaction.start()
        try:
            assert not (await self._session.execute(planted)).endswith(" 0"), planted
            return await audit(cast("Database", self), SEED_KEYS)
        finally:
            await transaction.rollback()
