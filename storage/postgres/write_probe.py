"""Does the database take writes, and is it still the primary? Asked while a server runs, also without load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from storage.postgres.health_probe import HealthProbe
    from storage.postgres.sessions import Session, Sessions

WRITE_S: Final = 1.2  # a commit that takes longer is no commit: a stalled disk, a synchronous standby that is gone
HELD_S: Final = 86_400.0  # a commit is waited for, and no further one begins: each holds a session of PostgreSQL
NO_COMMIT: Final = "PostgreSQL: no answer in time to a commit (its disk, or a synchronous standby)"
# Between two looks for another primary with a new connection: 2 ms of the server, 17 with a password, too much for
# each second. A look begins with a probe, and those come every 0.3 to 0.9 s: known within 6 s.
LOOK_PRIMARY_S: Final = 5.0
LOOK_DISK_S: Final = 0.8  # between two looks whether the disk has room, 3 ms of PostgreSQL each
# A transaction with a commit record, and no row that vacuum would have to remove. A standby cannot write it. It
# fits into a log file that exists, so it succeeds on a full disk. `$1`: besides, 128 KiB that do not fit into
# work_mem go into a temporary file beside the tables, which is gone at the end and is never synchronised.
_WRITE: Final = """
SELECT CASE
    WHEN pg_is_in_recovery() THEN 'is a standby, which takes no writes'
    WHEN current_setting('transaction_read_only')::boolean THEN 'is read only (default_transaction_read_only)'
    WHEN $1 AND pg_size_bytes(current_setting('temp_file_limit')) NOT BETWEEN 0 AND 1000000
        AND set_config('work_mem', '64kB', true) <> '' AND set_config('temp_tablespaces', '', true) = ''
        AND (SELECT count(*) FROM unnest(array_fill(repeat('x', 8192), ARRAY[16]))) = 0 THEN 'keeps no rows'
    WHEN pg_logical_emit_message(true, 'hongbao', '') IS NULL THEN 'writes no log'
END
"""


class WriteProbe:
    """`alone` gives a connection that nothing else uses. `timeout_s`: of any statement."""

    def __init__(
        self,
        sessions: Sessions,
        health: HealthProbe,
        alone: Callable[[], AbstractAsyncContextManager[Session]],
        timeout_s: float,
    ) -> None:
        self._timeout_s = timeout_s
        self._sessions = sessions
        self._health = health
        self._alone = alone
        self._look: asyncio.Task[None] | None = None
        self._commit: asyncio.Task[str | None] | None = None
        self._began_s = 0.0
        self._primary_due_s = self._disk_due_s = 0.0

    async def probe(self) -> None:
        """Commit. Raises StoreUnavailable, also if the database answers but refuses writes."""
        now_s = asyncio.get_running_loop().time()
        self._look_for_another_primary(now_s)
        if self._commit is None:
            self._began_s, self._commit = now_s, asyncio.create_task(self._write(now_s))
            self._commit.add_done_callback(self._ended)
        commit = self._commit
        await asyncio.wait({commit}, timeout=WRITE_S)
        if not commit.done():
            raise StoreUnavailable(self._health.away or NO_COMMIT)
        if commit.cancelled():
            raise StoreUnavailable("PostgreSQL: the server stops")
        try:
            refusal = commit.result()
        except StoreUnavailable as error:  # aborted, perhaps, because the database is away: that is the cause
            raise StoreUnavailable(self._health.away or str(error)) from error
        if refusal:
            raise StoreUnavailable(f"PostgreSQL {refusal}")
        if self._health.refused:
            raise StoreUnavailable(self._health.refused)

    async def _write(self, now_s: float) -> str | None:
        with_disk = now_s >= self._disk_due_s
        if with_disk:
            self._disk_due_s = now_s + LOOK_DISK_S
        async with self._alone() as connection:
            refusal: str | None = await connection.fetchval(_WRITE, with_disk, timeout=HELD_S)
            return refusal

    def _ended(self, commit: asyncio.Task[str | None]) -> None:
        self._commit = None
        if not commit.cancelled():
            commit.exception()  # looked at here: perhaps no probe waits for it

    @property
    def stalled(self) -> str:
        """Why no commit is begun: one lasts longer than a statement may. Empty: it may be."""
        if self._commit is None or asyncio.get_running_loop().time() - self._began_s < self._timeout_s:
            return ""
        return NO_COMMIT

    def _look_for_another_primary(self, now_s: float) -> None:
        """Beside the probe: on an old primary that lives on every write may succeed."""
        if now_s >= self._primary_due_s and (self._look is None or self._look.done()):
            self._primary_due_s = now_s + LOOK_PRIMARY_S
            self._look = asyncio.create_task(self._sessions.look_for_another_primary())

    def close(self) -> None:
        """Look no more."""
        for task in (self._look, self._commit):
            if task is not None:
                task.cancel()
