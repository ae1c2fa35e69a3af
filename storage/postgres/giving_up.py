"""A statement that is given up ends its session; PostgreSQL is not asked to cancel it.

A commit that waits for a synchronous standby is done, and not shown yet. If it is cancelled, PostgreSQL shows it at
once: who reads it then tells of what is lost with the primary. A session that ends leaves it waiting. What
reads or waits for a lock is stopped by PostgreSQL within a second (client_connection_check_interval).
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import asyncpg

from storage.postgres.shared_types import SharedTypesConnection


class EndingConnection(SharedTypesConnection):
    """A connection that is closed when the wait for an answer ends early, by a timeout or a cancellation.

    It replaces a private method of asyncpg. If a version does without that method, commits are cancelled as before,
    and `tests/outages/postgresql/test_synchronous.py` fails.
    """

    __slots__ = ("ended_by", "is_given_up")

    def __init__(self, *about: Any, **more: Any) -> None:
        super().__init__(*about, **more)
        self.is_given_up = False  # it is closed in the next turn of the loop, or before it goes back into its pool
        self.ended_by: BaseException | None = None  # what stopped a COPY: the rows come from us, so the error does

    def _cancel_current_command(self, waiter: Any, cancel_waiter: Any = None) -> None:
        self.is_given_up = True
        self.ended_by = sys.exc_info()[1]
        self._loop.call_soon(self.terminate)  # type: ignore[attr-defined]  # asyncpg is in the middle of its own step


def why_ended(error: BaseException) -> BaseException:
    """Why a wait ended, if the error tells only that its session is closed: that came of it."""
    ended_by = error.__context__
    only_closed = isinstance(error, asyncpg.InterfaceError | AttributeError)
    return ended_by if only_closed and isinstance(ended_by, TimeoutError | asyncio.CancelledError) else error
