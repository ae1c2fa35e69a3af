"""Endpoints of webhooks. Their secrets are shown by no `repr`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Database

_SQL = statements.load(__file__)


@dataclass(frozen=True, slots=True)
class EndpointSecrets:
    """The secret of an endpoint, and the one before, which is valid until a time."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(repr=False)
    previous_until_ms: int

    def valid(self, now_ms: int) -> list[bytes]:
        """Those that sign now, the newest first."""
        before = [self.previous] if self.previous is not None and now_ms < self.previous_until_ms else []
        return [self.current, *before]


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
    """The first nine columns of a record as an endpoint."""
    endpoint_id, name, url, types, state, created_at_ms, *secrets = record
    return EndpointRow(endpoint_id, name, url, tuple(types), state, created_at_ms, EndpointSecrets(*secrets[:3]))


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
        secret: bytes | None,
        previous_until_ms: int,
        now_ms: int,
        most: int,
    ) -> EndpointRow:
        """Make an endpoint or change it. No secret: it keeps the one that it has.

        Raises TooManyEndpoints if there are `most` others, NoSecret.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_puts"])
            if await connection.fetchval(_SQL["others"], name) >= most:
                raise TooManyEndpoints
            if secret is None:
                before = await connection.fetchrow(_SQL["by_name"], name)
                if before is None:
                    raise NoSecret
                secret = row_of(before).secrets.current
            row = await connection.fetchrow(_SQL["put"], name, url, types, state, secret, previous_until_ms, now_ms)
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

    async def remove(self, name: str, now_ms: int) -> bool:
        """Deliver nothing to an endpoint from now on; False: there was none. Its rows are deleted later."""
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["remove"], name, now_ms) is not None

    async def is_gone(self, endpoint: EndpointRow, now_ms: int) -> bool:
        """Disable an endpoint that has answered 410 at its present URL; False: it was changed meanwhile."""
        async with self._database.reading() as connection:
            name = await connection.fetchval(_SQL["gone"], endpoint.endpoint_id, endpoint.url, now_ms)
            return name is not None
