"""Sessions with PostgreSQL: what each one sets, on which server it may be, and when all are replaced.

Defaults of a role, of a database or of a pooler must not change what the server does, so a session sets everything
that matters after it is connected. (Poolers refuse most settings in the request that connects, or drop them.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from weakref import WeakSet

import asyncpg

from storage import statements
from storage.errors import StoreUnavailable
from storage.postgres.giving_up import EndingConnection
from storage.postgres.hosts import Hosts

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Session: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Connection: TypeAlias = Session | PoolConnectionProxy[asyncpg.Record]

SQL: Final = statements.load(__file__)


class SessionSetting(NamedTuple):
    """A setting of every session, and why it does not depend on a default. An older PostgreSQL may not know it."""

    name: str
    value: str
    reason: str


SETTINGS: Final = (
    SessionSetting("default_transaction_isolation", "read committed", "a statement sees what it waited for"),
    SessionSetting("default_transaction_deferrable", "off", "a snapshot for the audit does not wait"),
    SessionSetting("statement_timeout", "0", "the client bounds each statement; a migration may take hours"),
    SessionSetting("lock_timeout", "1000", "a lock of others ends a statement while its outcome is still known"),
    SessionSetting("transaction_timeout", "0", "as for statements"),
    SessionSetting("idle_session_timeout", "0", "one session listens, and a pool keeps idle ones"),
    SessionSetting(
        "idle_in_transaction_session_timeout", "5000", "a client that is cut off holds no locks for hours"
    ),
    SessionSetting("client_connection_check_interval", "1000", "the same, while a statement runs"),
    SessionSetting("TimeZone", "UTC", "the same times on every machine"),
    SessionSetting("standard_conforming_strings", "on", "statements are read in one way"),
    SessionSetting("transform_null_equals", "off", "statements are read in one way"),
    SessionSetting("plan_cache_mode", "auto", "some statements ask for a plan each time, the others must not"),
)

# A role that is read only by default is made able to write. A server or a database that is read only is left so:
# that fences an old primary. A commit always waits for the disk; a stricter default stays. The view pg_settings
# writes out some 400 settings, 2 ms of processor time, so it is read only if the answer depends on it.
_SET: Final = """
SELECT count(set_config(name, CASE
    WHEN name = 'synchronous_commit' AND current_setting(name) <> 'off' THEN current_setting(name)
    ELSE value END, false))
FROM (VALUES {values}, ('synchronous_commit', 'on'), ('default_transaction_read_only', 'off')) AS w (name, value)
WHERE current_setting(name, true) IS NOT NULL AND (name <> 'default_transaction_read_only'
    OR current_setting('default_transaction_read_only') = 'on' AND EXISTS (SELECT FROM pg_settings AS s
        WHERE s.name = 'default_transaction_read_only' AND s.source IN ('user', 'database user')))
"""
# A pooler repeats to each client what it once heard. After these the server reports it again.
_SAY_AGAIN: Final = ("SET default_transaction_read_only = on", "RESET default_transaction_read_only")
OTHER_PRIMARY: Final = "PostgreSQL: another server has taken over"
READ_ONLY: Final = "PostgreSQL: this server has become read only (default_transaction_read_only)"
_ADVICE: Final = "name the primary, or several hosts and target_session_attrs=read-write"


class Primary(NamedTuple):
    """The server that takes writes: its cluster, its timeline (one more after each promotion), its start."""

    cluster: int
    timeline: str
    started_at: datetime


class Sessions:
    """Makes sessions. All are ended when one turns out to be on a server that takes no writes, or when a new one is
    on another server: an answer of an old primary must not be passed on.

    `writes`: a session on a standby is refused. Commands that only read take it.
    """

    def __init__(self, dsn: str, timeout_s: float, *, writes: bool = True) -> None:
        self.dsn = dsn
        self._timeout_s = timeout_s
        self._writes = writes
        self._hosts = Hosts(dsn)
        self._open: WeakSet[Session] = WeakSet()
        self._primary: Primary | None = None
        self._generation = 0
        self._replaced_because = ""
        self.schema = ""  # of the records, quoted; empty: not known yet

    async def connect(self, settings: Mapping[str, str] | None = None, *, is_bounded: bool = True) -> Session:
        """A new session with these settings besides SETTINGS; `is_bounded`: each statement has the timeout.

        The hosts are tried one after another, within one timeout. Raises StoreUnavailable, errors of asyncpg,
        OSError.
        """
        first_error: Exception | None = None
        async with asyncio.timeout(self._timeout_s):
            for dsn in self._hosts.in_order:
                try:
                    return await self._connect_to(dsn, settings, self._timeout_s if is_bounded else None)
                except Exception as error:
                    first_error = first_error or error
        assert first_error is not None
        raise first_error

    async def connect_for_pool(self, *_: object, **__: object) -> Session:
        """As `connect`, in the form in which asyncpg asks for it."""
        return await self.connect()

    async def _connect_to(self, dsn: str, settings: Mapping[str, str] | None, bound_s: float | None) -> Session:
        try:
            connection = await self._reach(dsn, bound_s)
            try:
                await self.begin(connection, settings)
            except BaseException:
                connection.terminate()
                raise
        except BaseException:  # also a cancellation: the caller has waited long enough
            self._hosts.failed(dsn)
            raise
        return connection

    async def _reach(self, dsn: str, bound_s: float | None) -> Session:
        return await asyncpg.connect(
            dsn, timeout=self._timeout_s, command_timeout=bound_s, connection_class=EndingConnection
        )

    async def look_for_another_primary(self) -> None:
        """Look with new connections whether another server has taken over; then all sessions are ended.

        A server that takes no writes, or does not answer, changes nothing here: the sessions themselves meet that.
        """
        await asyncio.gather(*map(self._look_at, self._hosts.to_look_at))

    async def _look_at(self, dsn: str) -> None:
        with suppress(StoreUnavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(self._timeout_s):
                connection = await self._reach(dsn, self._timeout_s)
                try:
                    facts = await connection.fetchrow(SQL["facts"])
                    assert facts is not None
                    if not facts["is_standby"] and not facts["is_read_only"] and self._may_take_over(dsn, facts):
                        self._meet(_primary_of(facts))
                finally:
                    connection.terminate()

    def _may_take_over(self, dsn: str, facts: asyncpg.Record) -> bool:
        """At the host in use: any other server. At another host: a promotion, not a copy that was started alone."""
        known, seen = self._primary, _primary_of(facts)
        if known is None or dsn == self._hosts.in_order[0]:
            return known is not None
        return seen.cluster == known.cluster and seen.timeline > known.timeline

    async def begin(self, connection: Session, settings: Mapping[str, str] | None = None) -> None:
        """Set what must be set, and look which server it is. Raises StoreUnavailable."""
        await self.set(connection, settings)
        facts = await connection.fetchrow(SQL["facts"])
        assert facts is not None
        if self._writes:
            if facts["is_standby"] or facts["is_read_only"]:
                why = "a standby" if facts["is_standby"] else "read only (default_transaction_read_only)"
                raise StoreUnavailable(f"PostgreSQL: this server is {why}; {_ADVICE}")
            if _says_read_only(connection.get_settings()):
                for statement in _SAY_AGAIN:
                    await connection.execute(statement)
            self._meet(_primary_of(facts))
        self._open.add(connection)

    async def set(self, connection: Connection, settings: Mapping[str, str] | None = None) -> None:
        """Set what must be set."""
        values = {setting.name: setting.value for setting in SETTINGS} | dict(settings or {})
        if self.schema:
            values["search_path"] = self.schema
        rows = (f"('{name}', '{value.replace(chr(39), 2 * chr(39))}')" for name, value in values.items())
        await connection.execute(_SET.format(values=", ".join(rows)))

    def passing_on(self, connection: Connection) -> PassingOn:
        """Around what is asked on a session: its answer is passed on only if it is still one of the primary."""
        return PassingOn(self, self._generation, connection.get_settings())

    def check(self, generation: int, reported: object, error: Exception | None) -> None:
        """A session of this generation has answered, if only by an error. Raises StoreUnavailable.

        `reported`: the settings of which PostgreSQL reports each change, with its answers: it takes no statement to
        see that it has become read only.
        """
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self._replace(READ_ONLY)
            return
        if generation != self._generation:  # the session was ended, or its answer is one of the old primary
            raise StoreUnavailable(self._replaced_because) from error
        if error is None and self._writes and _says_read_only(reported):
            self._replace(READ_ONLY)
            raise StoreUnavailable(READ_ONLY)

    def _meet(self, primary: Primary) -> None:
        known = self._primary
        if known is not None and primary.cluster == known.cluster and primary.timeline < known.timeline:
            raise StoreUnavailable("PostgreSQL: this server is an old primary, another one was promoted")
        self._primary = primary
        if known not in (None, primary):
            self._replace(OTHER_PRIMARY)

    def _replace(self, why: str) -> None:
        """End every session, so that each statement in flight fails: not for its own reason, but for this one."""
        self._generation += 1
        self._replaced_because = why
        for connection in list(self._open):
            connection.terminate()
        self._open.clear()


class PassingOn:
    """Around what is asked on a session (see Sessions.passing_on). A class: entered for every statement."""

    __slots__ = ("_generation", "_reported", "_sessions")

    def __init__(self, sessions: Sessions, generation: int, reported: object) -> None:
        self._sessions = sessions
        self._generation = generation
        self._reported = reported

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, Exception):
            self._sessions.check(self._generation, self._reported, error)


async def wait_for_locks(connection: Connection) -> None:
    """In this transaction, locks are waited for until the client gives up: the work ahead may take long."""
    await connection.execute("SET LOCAL lock_timeout = 0")


def _primary_of(facts: asyncpg.Record) -> Primary:
    return Primary(facts["cluster"], facts["timeline"], facts["started_at"])


def _says_read_only(reported: object) -> bool:
    """`reported`: the settings of which PostgreSQL reports each change, together with an answer."""
    return getattr(reported, "default_transaction_read_only", "off") == "on"
