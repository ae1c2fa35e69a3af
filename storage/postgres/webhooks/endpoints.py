"""Endpoints of webhooks. Their secrets are shown by no `repr`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Database

_SQL = statements.load(__file__)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is recorded: sealed under the key with this id; "": it is not sealed."""

    data: bytes = field(repr=False)
    key_id: str


@dataclass(frozen=True, slots=True)
class EndpointSecrets:
    """The secret of an endpoint, and the one before, which is valid until a time."""

    current: Sealed
    previous: Sealed | None
    previous_until_ms: int

    @property
    def recorded(self) -> list[Sealed]:
        """Both, if there are two."""
        return [self.current, *([] if self.previous is None else [self.previous])]

    def valid(self, now_ms: int) -> list[Sealed]:
        """Those that sign now, the newest first."""
        return self.recorded if now_ms < self.previous_until_ms else [self.current]


class EndpointRow(NamedTuple):
    """An endpoint. `types` that it wants; none: all. `state`: enabled, disabled, or gone (it answered 410)."""

    endpoint_id: int
    name: str
    url: str
    types: tuple[str, ...]
    state: str
    created_at_ms: int
    secrets: EndpointSecrets


class TooManyEndpoints(Exception):
    """There are as many endpoints as there may be; nothing was recorded."""


class NoSecret(Exception):
    """An endpoint that does not exist yet needs a secret; nothing was recorded."""


def row_of(record: asyncpg.Record) -> EndpointRow:
    """The first eleven columns of a record as an endpoint."""
    endpoint_id, name, url, types, state, created_at_ms, secret, key_id, before, before_key_id, until_ms, *_ = (
        record
    )
    previous = None if before is None else Sealed(before, before_key_id)
    secrets = EndpointSecrets(Sealed(secret, key_id), previous, until_ms)
    return EndpointRow(endpoint_id, name, url, tuple(types), state, created_at_ms, secrets)


class EndpointStore:
    """Statements on endpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(
        self,
        name: str,
        url: str,
        types: Sequence[str],
        state: str,
        choose: Callable[[EndpointRow | None], Sealed | None],
        previous_until_ms: int,
        now_ms: int,
        most: int,
    ) -> EndpointRow:
        """Make an endpoint or change it. `choose` gets it as it is and returns its next secret; None: no other.

        Raises TooManyEndpoints if there are `most` others, and what `choose` raises.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_puts"])
            if await connection.fetchval(_SQL["others"], name) >= most:
                raise TooManyEndpoints
            before = await connection.fetchrow(_SQL["by_name"], name)
            secret = choose(None if before is None else row_of(before))
            sealed = secret or Sealed(b"", "")
            row = await connection.fetchrow(
                _SQL["put"],
                name,
                url,
                types,
                state,
                sealed.data,
                previous_until_ms,
                now_ms,
                sealed.key_id,
                secret is None,
            )
            assert row is not None
            return row_of(row)

    async def all(self) -> list[EndpointRow]:
        """Every endpoint, by name."""
        async with self._database.reading() as connection:
            return [row_of(row) for row in await connection.fetch(_SQL["all"])]

    async def get(self, name: str) -> EndpointRow | None:
        """An endpoint."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["by_name"], name)
            return None if row is None else row_of(row)

    async def not_sealed_with(self, key_id: str) -> list[EndpointRow]:
        """Endpoints with a secret that is not sealed, or sealed under another key; removed ones too."""
        async with self._database.reading() as connection:
            return [row_of(row) for row in await connection.fetch(_SQL["not_sealed_with"], key_id)]

    async def seal_again(self, endpoint_id: int, before: Sealed, now: Sealed) -> bool:
        """Replace the seal of a secret; False: it is not there any more."""
        async with self._database.reading() as connection:
            words = endpoint_id, before.data, now.data, now.key_id
            return await connection.fetchval(_SQL["seal_again"], *words) is not None

    async def remove(self, name: str, now_ms: int) -> bool:
        """Deliver nothing to an endpoint from now on; False: there was none. Its rows are deleted later."""
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["remove"], name, now_ms) is not None

    async def is_gone(self, endpoint: EndpointRow, now_ms: int) -> bool:
        """Disable an endpoint that has answered 410 at its present URL; False: it was changed meanwhile."""
        async with self._database.reading() as connection:
            name = await connection.fetchval(_SQL["gone"], endpoint.endpoint_id, endpoint.url, now_ms)
            return name is not None
