"""Operators of the back office: made on the command line, logged in by a key, known by a session."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import structlog

from server.core.office.entries import EntryState, Facts, OfficeEntry, OfficeRefused, Operator, Subject
from server.core.office.login_limits import LoginLimits
from server.core.office.operator_keys import (
    IDLE_MS,
    SECRET_BYTES,
    SESSION_MS,
    OperatorKey,
    key_in,
    secret_of,
    session_hash,
    uid_of,
)
from server.core.office.roles import Door, OfficeRole
from server.core.office.sign_on import SUBJECT_MAX
from server.services.cards.passwords import Hashing
from server.services.office.journal import row_of
from storage.postgres.office.office import OfficeEntryRow, OfficeStore, OperatorRow

LOG = structlog.get_logger()
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
COMPARED_MAX: Final = 8  # keys at once; each takes a thread for about 15 ms
KnownOperator: TypeAlias = OperatorRow


class TooManyLogins(Exception):
    """An address has tried too often. `wait_s`: until it may try again."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many tries: wait {wait_s:.0f} s")
        self.wait_s = wait_s


class LoginGuard:
    """The tries of addresses, which all ways to log in share."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._limits, self._elapsed_s = LoginLimits(), elapsed_s

    def take(self, address: str) -> None:
        """An address tries. Raises TooManyLogins."""
        if wait_s := self._limits.take(address, self._elapsed_s()):
            raise TooManyLogins(wait_s)

    def give_back(self, address: str) -> None:
        """It was right."""
        self._limits.give_back(address)


class OperatorService:
    """All methods raise StoreUnavailable; those of the command line also OfficeRefused."""

    def __init__(
        self,
        store: OfficeStore,
        now_ms: Callable[[], int],
        elapsed_s: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`elapsed_s` is a monotonic clock."""
        self._store = store
        self._now_ms, self._random_bytes = now_ms, random_bytes
        self._hashing = Hashing()
        self.guard = LoginGuard(elapsed_s)
        self._comparing = 0

    # --- on the command line ----------------------------------------------------------------------------------

    async def add(self, name: str, role: OfficeRole, system_uid: int | None, by: Operator) -> OperatorKey:
        """Make an operator; the key, which is told once. `system_uid`: this person on the command line."""
        if not NAME.fullmatch(name):
            raise OfficeRefused(
                "a name has 1 to 32 letters, digits, dots, - and _, and begins with one of the first two"
            )
        after = {"name": name, "role": str(role), "system_uid": system_uid}
        entry = OfficeEntry(by, Door.ADD_OPERATOR, EntryState.DONE, Subject("operator"), after=after)
        now_ms = self._now_ms()
        made = await self._store.add_operator(name, role, system_uid, now_ms, row_of(entry, now_ms))
        if made is None:
            raise OfficeRefused(f"there is an operator {name} already, or one who is this user of the system")
        return await self._give_key(made, by)

    async def new_key(self, name: str, by: Operator) -> OperatorKey:
        """Another key for an operator; the one before it, and all sessions, end."""
        return await self._give_key((await self._named(name)).operator_id, by)

    async def disable(self, name: str, by: Operator) -> None:
        """Take the key of an operator away, who is logged out at once. `new_key` gives one again."""
        found = await self._named(name)
        now_ms = self._now_ms()
        await self._store.set_key(
            found.operator_id, None, now_ms, _changed(found.operator_id, by, {"key": "none"}, now_ms)
        )

    async def link(self, name: str, issuer: str, subject: str, by: Operator) -> None:
        """An operator is this subject of a provider, and may sign on there."""
        found = await self._named(name)
        if not 1 <= len(subject) <= SUBJECT_MAX or not subject.isprintable():
            raise OfficeRefused(f"a subject has 1 to {SUBJECT_MAX} printable characters")
        after = {"issuer": issuer, "subject": subject, "subject_before": found.oidc_subject}
        entry = _changed(found.operator_id, by, after, self._now_ms())
        if not await self._store.set_subject(found.operator_id, issuer, subject, entry):
            raise OfficeRefused("an operator is linked to this subject already")

    async def set_role(self, name: str, role: OfficeRole, by: Operator) -> None:
        """Another role, from the next request on."""
        found = await self._named(name)
        after = {"role": str(role), "role_before": found.role}
        await self._store.set_role(found.operator_id, role, _changed(found.operator_id, by, after, self._now_ms()))

    async def all(self) -> Sequence[KnownOperator]:
        """All operators."""
        return await self._store.operators()

    async def _named(self, name: str) -> OperatorRow:
        found = await self._store.operators(name=name)
        if not found:
            raise OfficeRefused(f"there is no operator {name}")
        return found[0]

    async def _give_key(self, operator_id: int, by: Operator) -> OperatorKey:
        key = OperatorKey(operator_id, secret_of(self._random_bytes(SECRET_BYTES)))
        key_hash, now_ms = await self._hashing.make(key.secret.encode()), self._now_ms()
        await self._store.set_key(operator_id, key_hash, now_ms, _changed(operator_id, by, {"key": "new"}, now_ms))
        return key

    # --- in the browser ---------------------------------------------------------------------------------------

    async def log_in(self, text: str, address: str) -> str | None:
        """The secret of a new session for a key; None: no operator has this key. Raises TooManyLogins."""
        self.guard.take(address)
        key = key_in(text)
        found = None if key is None else await self._owner(key)
        if found is None:
            LOG.warning("office_login_failed", address=address)
            return None
        self.guard.give_back(address)
        secret = secret_of(self._random_bytes(SECRET_BYTES))
        operator = _operator(found.operator_id, found.name, found.role, found.system_uid, address)
        now_ms, token_hash = self._now_ms(), session_hash(secret)
        assert token_hash is not None
        subject = Subject("operator", str(found.operator_id))
        entry = row_of(OfficeEntry(operator, Door.LOG_IN, EntryState.DONE, subject), now_ms)
        ends = now_ms - SESSION_MS, now_ms - IDLE_MS
        return secret if await self._store.begin_session(token_hash, found, *ends, entry) else None

    async def _owner(self, key: OperatorKey) -> OperatorRow | None:
        """The operator whose key this is. Raises TooManyLogins."""
        if self._comparing >= COMPARED_MAX:
            raise TooManyLogins(1.0)
        self._comparing += 1
        try:
            found = await self._store.operators(operator_id=key.operator_id)
            if not found or found[0].key_hash is None:
                return None
            is_right = await self._hashing.fits(found[0].key_hash, key.secret.encode())
        finally:
            self._comparing -= 1
        return found[0] if is_right else None

    async def operator(self, secret: str, address: str) -> Operator | None:
        """The operator of a session, with the role of now; None: it is over, or there was none."""
        token_hash = session_hash(secret)
        if token_hash is None:
            return None
        now_ms = self._now_ms()
        row = await self._store.session(token_hash, now_ms, now_ms - SESSION_MS, now_ms - IDLE_MS)
        return None if row is None else _operator(*row, address)

    async def log_out(self, secret: str, operator: Operator) -> None:
        """The session is over."""
        token_hash, subject = session_hash(secret), Subject("operator", str(operator.operator_id))
        assert token_hash is not None
        entry = OfficeEntry(operator, Door.LOG_OUT, EntryState.DONE, subject)
        await self._store.end_session(token_hash, row_of(entry, self._now_ms()))


def _operator(operator_id: int, name: str, role: str, system_uid: int | None, address: str) -> Operator:
    return Operator(operator_id, name, role, uid_of(operator_id, system_uid), address)


def _changed(operator_id: int, by: Operator, after: Facts, now_ms: int) -> OfficeEntryRow:
    subject = Subject("operator", str(operator_id))
    return row_of(OfficeEntry(by, Door.CHANGE_OPERATOR, EntryState.DONE, subject, after=after), now_ms)
