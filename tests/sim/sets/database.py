"""A simulated database of one set, as one server reaches it: statements and commits may be lost, late or done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from storage.errors import StoreBusy
from tests.sim.faults import Line
from tests.sim.sets.tables import READS, WRITES, Change

LOCK_S = 1.0  # so long a statement waits for another transaction, as `lock_timeout` says


class SimTransaction:
    """Its changes are made by the commit, all of them or none. An effect of a statement that comes late is none."""

    def __init__(self, database: SimDatabase) -> None:
        self._database, self._tables = database, database.tables
        self._changes: list[Change] = []
        self._holds = False

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        """The answer to a statement that writes."""
        await self._begin()
        name = WRITES[sql]
        return await self._database.line.call(name, lambda: self._write(name, arguments))

    fetchval = fetch

    def _write(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if not self._holds:
            return None  # rolled back since: the client has given up
        answer, change = getattr(self._tables, name)(self._database.process, *arguments)
        self._changes.append(change)
        return answer

    async def _begin(self) -> None:
        if self._holds:
            return
        try:
            async with asyncio.timeout(LOCK_S):
                await self._tables.turn.acquire()
        except TimeoutError:
            raise StoreBusy("another transaction holds the rows") from None
        self._holds = True

    async def commit(self) -> None:
        """Raises StoreUnavailable: it is done, or is done later, or never."""
        await self._database.line.call("commit", self._apply, self.roll_back)

    def _apply(self) -> int:
        try:
            for change in self._changes if self._holds else ():
                change()
        finally:
            self.roll_back()
        self._database.committed()
        return len(self._changes)

    def roll_back(self) -> None:
        """End it. After `_apply` it only gives the turn on."""
        if self._holds:
            self._holds = False
            self._tables.turn.release()


class Reading:
    """A pooled connection, for single statements."""

    def __init__(self, database: SimDatabase) -> None:
        self._database = database

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        """The answer to a statement that reads."""
        read = getattr(self._database.tables, READS[sql])
        return await self._database.line.call(READS[sql], lambda: read(*arguments))

    async def execute(self, sql: str, *arguments: Any) -> None:
        """A statement that writes, in a transaction of its own."""
        async with self._database.transaction() as one:
            await one.fetch(sql, *arguments)


class SimDatabase:
    """Stands for a Database and for its writers."""

    def __init__(self, tables: Any, line: Line, process: int, committed: Callable[[], None]) -> None:
        """`tables`: a SetTables, or what stands for one."""
        self.tables, self.line, self.process, self.committed = tables, line, process, committed

    @property
    def away(self) -> str:
        """Why it is known to be away; empty: it is not."""
        return "away" if self.line.away else ""

    commits_wait = False  # no standby is simulated

    def writer(self, *, plan_each_time: bool = False, by_key: bool = False, reads: bool = False) -> SimDatabase:
        """It is its own writer."""
        return self

    async def probe_write(self) -> None:
        """A commit that changes nothing."""
        await self.line.call("probe", lambda: None)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """A connection for single statements."""
        yield Reading(self)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SimTransaction]:
        """A transaction. A process that dies before it asks for the commit has rolled it back."""
        one = SimTransaction(self)
        try:
            yield one
        except BaseException:
            one.roll_back()
            raise
        await one.commit()
