"""Single sign-on: operators who log in at a provider of OpenID Connect, with the role that the provider tells.

A person who signs on for the first time becomes an operator. If an operator of that name exists already, a user of
the system says on the command line that both are one person: else one person could be two pairs of eyes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import structlog

from server.core.office.entries import EntryState, Facts, OfficeEntry, Operator, Subject
from server.core.office.operator_keys import IDLE_MS, SECRET_BYTES, SESSION_MS, secret_of, session_hash, uid_of
from server.core.office.roles import Door
from server.core.office.sign_on import (
    FLOW_MS,
    FlowSecrets,
    Person,
    SignOnRefused,
    SignOnRules,
    flow_secrets,
    is_state,
    person_of,
)
from server.services.office.journal import SYSTEM_ROLE, row_of
from server.services.office.operators import LoginGuard
from storage.postgres.office.office import OfficeEntryRow, OfficeStore, OperatorRow

LOG = structlog.get_logger()
BY: Final = "single sign-on"


class Provider(Protocol):
    """Where operators log in. All methods raise SignOnRefused."""

    @property
    def issuer(self) -> str:
        """Its name."""

    async def login_url(self, flow: FlowSecrets) -> str:
        """Where a browser goes."""

    async def claims(self, code: str, flow: FlowSecrets) -> Mapping[str, Any]:
        """The proven claims of the ID token for a code."""

    async def close(self) -> None:
        """Close all connections, for good."""


class BegunSignOn(NamedTuple):
    """Where the browser goes, and the secret that its cookie keeps meanwhile."""

    url: str
    secret: str


class SignedOn(NamedTuple):
    """The secret of a new session, and the page that was wanted."""

    secret: str
    path: str


class SignOnService:
    """All methods raise SignOnRefused, StoreUnavailable."""

    def __init__(
        self,
        store: OfficeStore,
        provider: Provider,
        rules: SignOnRules,
        guard: LoginGuard,
        now_ms: Callable[[], int],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`guard`: the tries of an address, which keys and sign-ons share."""
        self._store, self._provider, self._rules, self._guard = store, provider, rules, guard
        self._now_ms, self._random_bytes = now_ms, random_bytes

    async def begin(self, path: str, address: str) -> BegunSignOn:
        """A browser wants to sign on and then see a page. Raises TooManyLogins, too."""
        self._guard.take(address)
        secret = secret_of(self._random_bytes(SECRET_BYTES))
        url = await self._provider.login_url(flow_secrets(secret))
        now_ms = self._now_ms()
        await self._store.begin_sign_on(_hash(secret), path, now_ms, now_ms - FLOW_MS)
        return BegunSignOn(url, secret)

    async def finish(self, secret: str, told: Mapping[str, str], address: str) -> SignedOn:
        """The browser came back with `told` in its query; a session begins. Each flow ends once."""
        if session_hash(secret) is None or not is_state(secret, told.get("state", "")):
            raise SignOnRefused("the state is not that of the browser", "sign_on_over")
        path = await self._store.take_sign_on(_hash(secret), self._now_ms() - FLOW_MS)
        if path is None:
            raise SignOnRefused("the flow is over, or was ended before", "sign_on_over")
        if told.get("iss", self._provider.issuer) != self._provider.issuer:
            raise SignOnRefused("the answer is of another issuer")
        if not (code := told.get("code", "")):
            raise SignOnRefused(f"the provider gave no code: {told.get('error', '')[:60]!r}")
        person = person_of(await self._provider.claims(code, flow_secrets(secret)), self._rules)
        found = await self._operator(person, address)
        session = secret_of(self._random_bytes(SECRET_BYTES))
        now_ms, entry = self._now_ms(), self._entry(found, Door.LOG_IN, address, {"by": BY})
        if not await self._store.begin_signed_on(
            _hash(session), found, now_ms - SESSION_MS, now_ms - IDLE_MS, entry
        ):
            raise SignOnRefused(f"operator {found.name} is disabled", "sign_on_disabled")
        self._guard.give_back(address)
        return SignedOn(session, path)

    async def close(self) -> None:
        """Call the provider no more."""
        await self._provider.close()

    async def _operator(self, person: Person, address: str) -> OperatorRow:
        """The operator who this person is, with the role that the provider tells now."""
        found = await self._store.operator_of_subject(self._provider.issuer, person.subject)
        if found is None:
            found = await self._new(person, address)
        if found.is_disabled:
            raise SignOnRefused(f"operator {found.name} is disabled", "sign_on_disabled")
        if found.role != person.role:
            after = {"role": str(person.role), "role_before": found.role, "by": BY}
            entry = self._entry(found, Door.CHANGE_OPERATOR, address, after)
            await self._store.set_role(found.operator_id, person.role, entry)
            found = found._replace(role=person.role)
        return found

    async def _new(self, person: Person, address: str) -> OperatorRow:
        by = Operator(0, BY, SYSTEM_ROLE, 0, address)
        after = {"name": person.name, "role": str(person.role), "subject": person.subject}
        entry = OfficeEntry(by, Door.ADD_OPERATOR, EntryState.DONE, Subject("operator"), after=after)
        issuer, row = self._provider.issuer, row_of(entry, self._now_ms())
        await self._store.add_signed_on(person.name, person.role, issuer, person.subject, row)
        found = await self._store.operator_of_subject(issuer, person.subject)
        if found is None:
            raise SignOnRefused(f"there is another operator {person.name}: link them", "sign_on_name_taken")
        return found

    def _entry(self, found: OperatorRow, door: Door, address: str, after: Facts) -> OfficeEntryRow:
        uid = uid_of(found.operator_id, found.system_uid)
        operator = Operator(found.operator_id, found.name, found.role, uid, address)
        subject = Subject("operator", str(found.operator_id))
        return row_of(OfficeEntry(operator, door, EntryState.DONE, subject, after=after), self._now_ms())


def _hash(secret: str) -> bytes:
    found = session_hash(secret)
    assert found is not None
    return found
