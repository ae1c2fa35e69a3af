"""Operators of the back office, their sessions, and the log, which is only written to and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
ENTRY_MAX = 2**63 - 1
LOOKED_MAX = 100_000  # entries that are looked through for a door


class OperatorRow(NamedTuple):
    """An operator; see migrations 0038, 0041. `seen_at_ms`: of the newest session; None: there is none."""

    operator_id: int
    name: str
    role: str
    system_uid: int | None
    key_hash: str | None
    made_at_ms: int
    key_made_at_ms: int
    seen_at_ms: int | None
    oidc_issuer: str | None
    oidc_subject: str | None
    is_disabled: bool


class SessionRow(NamedTuple):
    """The operator of a session, with the role of now."""

    operator_id: int
    name: str
    role: str
    system_uid: int | None


class OfficeEntryRow(NamedTuple):
    """An entry of the log; see migration 0038. `operator_id` None: a user of the system, on the command line."""

    entry_id: int
    at_ms: int
    operator_id: int | None
    operator: str
    role: str
    uid: int
    address: str
    door: str
    state: str
    of_entry: int | None
    subject_kind: str
    subject: str
    case_number: str
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]


class EntryFilter(NamedTuple):
    """Which entries are read; an empty text: any."""

    operator: str = ""
    subject_kind: str = ""
    subject: str = ""
    door: str = ""


EVERY_ENTRY = EntryFilter()


class OfficeStore:
    """Statements of the back office. All raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_there(self) -> bool:
        """Whether these records have the tables: a server of this version makes them at its start."""
        async with self._database.reading() as connection:
            return bool(await connection.fetchval(_SQL["is_there"]))

    # --- operators --------------------------------------------------------------------------------------------

    async def add_operator(
        self, name: str, role: str, system_uid: int | None, now_ms: int, entry: OfficeEntryRow
    ) -> int | None:
        """Record an operator without a key, and who made it; None: name or user of the system are taken."""
        async with self._database.transaction() as connection:
            made = await connection.fetchval(_SQL["add_operator"], name, role, system_uid, now_ms)
            if made is None:
                return None
            await _write(connection, entry._replace(subject=str(made)))
            return int(made)

    async def operators(self, *, operator_id: int | None = None, name: str | None = None) -> list[OperatorRow]:
        """All operators, or the one with this number or name."""
        async with self._database.reading() as connection:
            return [OperatorRow(*row) for row in await connection.fetch(_SQL["operators"], operator_id, name)]

    async def set_key(self, operator_id: int, key_hash: str | None, now_ms: int, entry: OfficeEntryRow) -> None:
        """The operator has this key alone (None: none) from now on; sessions end."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["set_key"], operator_id, key_hash, now_ms)
            await connection.execute(_SQL["end_sessions"], operator_id)
            await _write(connection, entry)

    async def set_role(self, operator_id: int, role: str, entry: OfficeEntryRow) -> None:
        """The operator has this role, from the next request on."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["set_role"], operator_id, role)
            await _write(connection, entry)

    # --- single sign-on ---------------------------------------------------------------------------------------

    async def begin_sign_on(self, token_hash: bytes, path: str, now_ms: int, before_ms: int) -> None:
        """A browser has begun to sign on. Those that have begun before are over, and deleted."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["prune_sign_ons"], before_ms)
            await connection.execute(_SQL["begin_sign_on"], token_hash, path, now_ms)

    async def take_sign_on(self, token_hash: bytes, after_ms: int) -> str | None:
        """End what a browser has begun after then; the path it wanted. None: there is no such, or it was ended."""
        async with self._database.reading() as connection:
            found = await connection.fetchval(_SQL["take_sign_on"], token_hash, after_ms)
        return None if found is None else str(found)

    async def operator_of_subject(self, issuer: str, subject: str) -> OperatorRow | None:
        """The operator who has this subject at a provider."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["operator_of_subject"], issuer, subject)
        return None if row is None else OperatorRow(*row)

    async def add_signed_on(
        self, name: str, role: str, issuer: str, subject: str, entry: OfficeEntryRow
    ) -> int | None:
        """Record an operator who has signed on for the first time; None: the name or the subject are taken."""
        async with self._database.transaction() as connection:
            made = await connection.fetchval(_SQL["add_signed_on"], name, role, issuer, subject, entry.at_ms)
            if made is None:
                return None
            await _write(connection, entry._replace(subject=str(made)))
            return int(made)

    async def set_subject(self, operator_id: int, issuer: str, subject: str, entry: OfficeEntryRow) -> bool:
        """The operator signs on as this subject from now on; False: another operator does."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(_SQL["set_subject"], operator_id, issuer, subject) is None:
                return False
            await _write(connection, entry)
            return True

    async def begin_signed_on(
        self,
        token_hash: bytes,
        signed_on: OperatorRow,
        began_after_ms: int,
        seen_after_ms: int,
        entry: OfficeEntryRow,
    ) -> bool:
        """Begin a session of an operator who has signed on; False: disabled, or another subject by now."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["prune_sessions"], began_after_ms, seen_after_ms)
            columns = token_hash, signed_on.operator_id, entry.at_ms, signed_on.oidc_issuer, signed_on.oidc_subject
            if await connection.fetchval(_SQL["begin_signed_on"], *columns) is None:
                return False
            await _write(connection, entry)
            return True

    # --- sessions ---------------------------------------------------------------------------------------------

    async def begin_session(
        self,
        token_hash: bytes,
        compared: OperatorRow,
        began_after_ms: int,
        seen_after_ms: int,
        entry: OfficeEntryRow,
    ) -> bool:
        """Begin a session of an operator who has shown a key; False: it is not the operator's key any more.

        Sessions that are over by these times are deleted.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["prune_sessions"], began_after_ms, seen_after_ms)
            columns = token_hash, compared.operator_id, entry.at_ms, compared.key_hash
            if await connection.fetchval(_SQL["begin_session"], *columns) is None:
                return False
            await _write(connection, entry)
            return True

    async def session(
        self, token_hash: bytes, now_ms: int, began_after_ms: int, seen_after_ms: int
    ) -> SessionRow | None:
        """The operator of a session that is not over by these times; it counts as used now."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["session"], token_hash, now_ms, began_after_ms, seen_after_ms)
        return None if row is None else SessionRow(*row)

    async def end_session(self, token_hash: bytes, entry: OfficeEntryRow) -> None:
        """The cookie of a session is worth nothing from now on."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["end_session"], token_hash)
            await _write(connection, entry)

    # --- the log ----------------------------------------------------------------------------------------------

    async def write(self, entry: OfficeEntryRow) -> int:
        """Append an entry; its number."""
        async with self._database.reading() as connection:
            return await _write(connection, entry)

    async def entry(self, entry_id: int) -> OfficeEntryRow | None:
        """The entry with this number."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["entry"], entry_id)
        return None if row is None else _row(row)

    async def newest(self, before: int, wanted: EntryFilter, most: int) -> list[OfficeEntryRow]:
        """The newest entries before a number (0: all), the newest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["newest"], before or ENTRY_MAX, *wanted, most, LOOKED_MAX)
        return [_row(row) for row in rows]

    async def asked(self, after_ms: int, most: int) -> list[OfficeEntryRow]:
        """What operators have asked others for since then, and what was not tried since; the newest first."""
        async with self._database.reading() as connection:
            return [_row(row) for row in await connection.fetch(_SQL["asked"], after_ms, most)]

    async def changes(self, subject_kind: str, subject: str, most: int) -> list[OfficeEntryRow]:
        """What operators have done about a subject, the newest first: ends, and changes without an end."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["changes"], subject_kind, subject, most)
        return [_row(row) for row in rows]


async def _write(connection: Connection, entry: OfficeEntryRow) -> int:
    *columns, before, after = entry[1:]
    facts = msgspec.json.encode(before).decode(), msgspec.json.encode(after).decode()
    return int(await connection.fetchval(_SQL["write"], *columns, *facts))


def _row(record: Any) -> OfficeEntryRow:
    fields: dict[str, Any] = dict(record)
    fields |= {name: msgspec.json.decode(fields[name]) for name in ("before", "after")}
    return OfficeEntryRow(**fields)
