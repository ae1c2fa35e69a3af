"""Sessions with PostgreSQL that serve one test after another, each as a new one.

A new session costs PostgreSQL some 3 ms of processor time: a process, its view of the catalogue, a plan for each
statement. A server opens a dozen, so sessions were more than half of its cost in a test. A session that its owner
ends is reset here (locks, channels, cursors, roles, settings), and gets a new owner when its database is connected
to again; only its prepared statements stay. A session with a statement or a transaction under way is ended,
and so is one that is not opened by `asyncpg.connect` with a DSN alone.

This replaces private parts of asyncpg. A test that needs new sessions is marked `new_sessions`.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple, Self, TypeAlias
from weakref import ref

import asyncpg
from asyncpg.connection import _weak_maybe_gc_stmt

from storage.postgres.giving_up import EndingConnection
from tests.strict_loop import KeptLoop

KEPT_MOST: Final = 40  # of one loop; PostgreSQL has room for more than twice as many
RESET_S: Final = 60.0
# As DISCARD ALL, but for the prepared statements and their plans.
RESET: Final = """
CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP;
DISCARD SEQUENCES
"""
PLAIN: Final = {"timeout", "command_timeout", "connection_class"}  # what a session that is kept may be opened with

Key: TypeAlias = tuple[str, float | None]  # DSN, bound of a statement
Open: TypeAlias = Callable[..., Coroutine[Any, Any, "asyncpg.Connection[asyncpg.Record]"]]


class KeptSession(EndingConnection):
    """A session that is kept when its owner ends it."""

    __slots__ = ("key", "shelf")

    def terminate(self) -> None:
        """End it for its owner."""
        if not self._is_kept():
            super().terminate()

    async def close(self, *, timeout: float | None = None) -> None:
        """As `terminate`."""
        if not self._is_kept():
            await super().close(timeout=timeout)

    def _is_kept(self) -> bool:
        shelf: Shelf | None = getattr(self, "shelf", None)
        if shelf is None or self.is_closed() or not shelf.has_room or self._is_in_transaction:
            return False
        reset = Reset(self._protocol)
        if not reset.is_begun:
            return False
        shelf.put(self._successor(), reset)
        self._cleanup()
        return True

    @property
    def _is_in_transaction(self) -> bool:
        protocol = self._protocol
        return self._top_xact is not None or protocol.is_in_transaction() or protocol._is_cancelling()

    def belongs_to(self, shelf: Shelf | None, key: Key) -> Self:
        """`shelf`: where it is kept; None: nowhere. `key`: for what."""
        self.shelf, self.key = shelf, key
        return self

    def _successor(self) -> KeptSession:
        """The same session for the next owner. To this one it is closed."""
        parts = self._protocol, self._transport, self._loop, self._addr, self._config, self._params
        successor = KeptSession(*parts).belongs_to(self.shelf, self.key)
        self._protocol.set_connection(successor)
        self._stmt_cache, successor._stmt_cache = successor._stmt_cache, self._stmt_cache
        successor._stmt_cache._on_remove = partial(_weak_maybe_gc_stmt, ref(successor))
        self._stmts_to_close, successor._stmts_to_close = set(), self._stmts_to_close
        self._aborted, self._protocol = True, None
        return successor


class Reset:
    """The statements that reset a session: sent at once, by no task, which the end of a test would break off."""

    def __init__(self, protocol: Any) -> None:
        self._running = protocol.query(RESET, RESET_S)
        self._reply: asyncio.Future[Any] | None = None
        with suppress(asyncpg.InterfaceError):  # a statement is under way
            self._reply = self._running.send(None)
            self._reply._asyncio_future_blocking = False
            self._reply.add_done_callback(lambda reply: reply.cancelled() or reply.exception())  # it is looked at

    @property
    def is_begun(self) -> bool:
        """It was sent."""
        return self._reply is not None

    async def succeeds(self) -> bool:
        """Wait for the reply."""
        assert self._reply is not None
        if not self._reply.done():
            await asyncio.wait([self._reply])
        is_well = not self._reply.cancelled() and self._reply.exception() is None
        with suppress(Exception):  # it ends with what it returns
            self._running.send(None)
        return is_well


class Idle(NamedTuple):
    """A session without an owner."""

    session: KeptSession
    reset: Reset
    descriptor: int


class Shelf:
    """The sessions of one loop that have no owner."""

    def __init__(self, loop: KeptLoop) -> None:
        self.loop = loop
        self._idle: dict[Key, list[Idle]] = {}
        self.is_open = False  # while a test may keep its sessions
        loop.end_kept = self.end_all

    @property
    def _all(self) -> list[Idle]:
        return [one for idle in self._idle.values() for one in idle]

    @property
    def has_room(self) -> bool:
        """One more may be kept."""
        return self.is_open and len(self._all) < KEPT_MOST

    @property
    def pids(self) -> list[int]:
        """The numbers of their processes in PostgreSQL."""
        return [one.session.get_server_pid() for one in self._all]

    def put(self, session: KeptSession, reset: Reset) -> None:
        """Keep a session that is being reset."""
        descriptor = session._transport.get_extra_info("socket").fileno()
        self.loop.keeps.add(descriptor)
        self._idle.setdefault(session.key, []).append(Idle(session, reset, descriptor))

    async def take(self, key: Key) -> KeptSession | None:
        """A session that is as a new one, if there is any."""
        while idle := self._idle.get(key):
            one = idle.pop()
            self.loop.keeps.discard(one.descriptor)
            try:
                is_usable = await one.reset.succeeds() and await _is_alive(one)
            except BaseException:  # the one who connects has waited long enough
                _end(one)
                raise
            if is_usable:
                return one.session
            _end(one)
        return None

    async def settled(self) -> None:
        """Returns when all are reset."""
        for one in self._all:
            await one.reset.succeeds()

    def end_all(self, dsn: str | None = None) -> None:
        """End the sessions, or those with one database."""
        for key in [key for key in self._idle if dsn in (None, key[0])]:
            for one in self._idle.pop(key):
                self.loop.keeps.discard(one.descriptor)
                _end(one)


async def _is_alive(one: Idle) -> bool:
    """PostgreSQL may have ended it while the loop did not run."""
    unread = select.poll()
    unread.register(one.descriptor, select.POLLIN | select.POLLRDHUP)
    if unread.poll(0):
        await asyncio.sleep(0)  # the loop reads it
        await asyncio.sleep(0)
    return not one.session.is_closed()


def _end(one: Idle) -> None:
    one.session.belongs_to(None, one.session.key).terminate()


class SessionKeeper:
    """Stands before `asyncpg.connect`."""

    def __init__(self) -> None:
        self._open: Open = asyncpg.connect
        self._shelf: Shelf | None = None
        self._is_ours: Callable[[str], bool] = lambda _: False

    @contextmanager
    def keeping(self, loop: asyncio.AbstractEventLoop, is_ours: Callable[[str], bool]) -> Iterator[Shelf | None]:
        """For as long as this is open the sessions of a loop are kept, if they are with databases of tests."""
        if not isinstance(loop, KeptLoop):
            yield None
            return
        if self._shelf is None or self._shelf.loop is not loop:
            self._shelf = Shelf(loop)
        self._is_ours = is_ours
        self._shelf.is_open = True
        try:
            yield self._shelf
        finally:
            self._shelf.is_open = False

    async def connect(self, dsn: str | None = None, **options: Any) -> asyncpg.Connection[asyncpg.Record]:
        """`asyncpg.connect`."""
        shelf = self._shelf
        if shelf is None or dsn is None or not self._is_kept(shelf, dsn, options):
            return await self._open(dsn, **options)
        key = dsn, options.get("command_timeout")
        if (session := await shelf.take(key)) is not None:
            return session
        more = {"connection_class": KeptSession, "max_cached_statement_lifetime": 0}
        opened = await self._open(dsn, **{**options, **more})
        assert isinstance(opened, KeptSession)
        return opened.belongs_to(shelf, key)

    def _is_kept(self, shelf: Shelf, dsn: str, options: dict[str, Any]) -> bool:
        is_plain = options.keys() <= PLAIN and options.get("connection_class") in (None, EndingConnection)
        return shelf.is_open and is_plain and shelf.loop is asyncio.get_running_loop() and self._is_ours(dsn)

    def pids(self) -> list[int]:
        """The sessions without an owner, by the numbers of their processes in PostgreSQL."""
        return [] if self._shelf is None else self._shelf.pids

    def forget(self, dsn: str) -> None:
        """A database is dropped."""
        if self._shelf is not None:
            self._shelf.end_all(dsn)


KEEPER: Final = SessionKeeper()
