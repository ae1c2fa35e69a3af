"""Deliveries: one row for each event and endpoint. A server leases what it sends; a row that was sent is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from storage import statements
from storage.postgres.webhooks.endpoints import EndpointRow, row_of

if TYPE_CHECKING:
    from storage.postgres.database import Database, WriterConnection

_SQL = statements.load(__file__)
_REPLAY_BATCH = 1_000


class DeliveryState(IntEnum):
    """The numbers stand in the records."""

    WAITING = 0
    DELIVERED = 1
    FAILED = 2


class EventRow(NamedTuple):
    """An event: `number` grows with those of its subject, `previous` is the one before.

    `body`: of an event that came from another set of PostgreSQL, which has the records that it tells of.
    """

    event_id: int
    webhook_id: UUID
    type: str
    subject: int
    number: int
    previous: int
    at_ms: int
    body: bytes | None = None


class DueEndpoint(NamedTuple):
    """An enabled endpoint, and how many deliveries are due there, up to a limit."""

    endpoint: EndpointRow
    due: int


class TakenDelivery(NamedTuple):
    """A delivery that this server sends, until `lease_ms`."""

    endpoint_id: int
    attempts: int  # that failed before
    lease_ms: int
    event: EventRow


class OutcomeRow(NamedTuple):
    """What became of an attempt. `status` 0: no answer; `next_at_ms`: of the next attempt."""

    endpoint_id: int
    event_id: int
    lease_ms: int
    state: DeliveryState
    next_at_ms: int
    at_ms: int
    status: int
    error: str


class DeliveryRow(NamedTuple):
    """A delivery as it is listed. `next_at_ms` 0: it does not wait."""

    event_id: int
    webhook_id: UUID
    type: str
    subject: int
    number: int
    at_ms: int
    state: DeliveryState
    attempts: int
    last_status: int
    last_error: str
    last_at_ms: int
    next_at_ms: int


class QueueRow(NamedTuple):
    """An endpoint and its queue: waiting deliveries, counted up to a limit, and the time of the oldest event."""

    name: str
    state: str
    waiting: int
    oldest_ms: int | None


class ConditionRow(NamedTuple):
    """An endpoint: how many deliveries wait and when the first is due (None: none waits), and the last attempt
    (`last_at_ms` 0: none). `failures`: attempts since the last one that arrived.
    """

    name: str
    waiting: int
    due_ms: int | None
    last_at_ms: int
    last_status: int
    last_error: str
    failures: int


class DeliveryStore:
    """Statements on deliveries."""

    def __init__(self, database: Database, writer: WriterConnection) -> None:
        """`writer` is for the loop that delivers, the pool for requests."""
        self._database = database
        self._writer = writer

    async def look(self, now_ms: int, most: int) -> list[DueEndpoint]:
        """The enabled endpoints, and how many deliveries are due at each, up to `most`."""
        async with self._writer.alone() as connection:
            rows = await connection.fetch(_SQL["look"], now_ms, most)
        return [DueEndpoint(row_of(row), row["due"]) for row in rows]

    async def take(self, rooms: Mapping[int, int], now_ms: int, lease_ms: int) -> list[TakenDelivery]:
        """Lease due deliveries, so many of each endpoint, until `lease_ms`."""
        async with self._writer.alone() as connection:
            rows = await connection.fetch(_SQL["take"], list(rooms), list(rooms.values()), now_ms, lease_ms)
        return [TakenDelivery(row[0], row[1], row[2], EventRow(*row[3:])) for row in map(tuple, rows)]

    async def record(self, outcomes: Sequence[OutcomeRow]) -> None:
        """Record attempts; again is harmless."""
        async with self._writer.alone() as connection:
            await connection.execute(_SQL["record"], *map(list, zip(*outcomes, strict=True)))

    async def page(self, endpoint_id: int, before: int, state: int, most: int) -> list[DeliveryRow]:
        """Deliveries of events before this one, the newest first. `state` below 0: all."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["list"], endpoint_id, before, state, most)
        return [DeliveryRow(*row)._replace(state=DeliveryState(row["state"])) for row in rows]

    async def replay_one(self, endpoint_id: int, event_id: int, now_ms: int) -> bool:
        """Send a delivery again; False: there is none."""
        async with self._database.reading() as connection:
            return await connection.fetchval(_SQL["replay_one"], endpoint_id, event_id, now_ms) is not None

    async def replay(self, endpoint_id: int, from_ms: int, now_ms: int, *, only_failed: bool) -> int:
        """Send all events since a time again, or those of them that were not delivered; how many."""
        replayed, behind = 0, 0
        while True:
            async with self._database.reading() as connection:
                row = await connection.fetchrow(
                    _SQL["replay"], endpoint_id, now_ms, from_ms, only_failed, behind, _REPLAY_BATCH
                )
            assert row is not None
            last, count = row
            if last is None:
                return replayed
            replayed, behind = replayed + count, last

    async def test(self, endpoint_id: int, now_ms: int) -> int:
        """An event for this endpoint alone; its id."""
        async with self._database.reading() as connection:
            return int(await connection.fetchval(_SQL["test"], endpoint_id, now_ms))

    async def figures(self, most: int) -> list[QueueRow]:
        """The queues of all endpoints; waiting deliveries are counted up to `most` of each."""
        async with self._database.reading() as connection:
            return [QueueRow(*row) for row in await connection.fetch(_SQL["figures"], most)]

    async def conditions(self, most: int) -> list[ConditionRow]:
        """How deliveries to all endpoints go; of each, up to `most` are counted and looked at."""
        async with self._database.reading() as connection:
            return [ConditionRow(*row) for row in await connection.fetch(_SQL["conditions"], most)]

    async def clean(self, before_ms: int, removed_before_ms: int, most: int) -> int:
        """Delete old events, `most` of them, and what removed endpoints leave; how many rows."""
        async with self._writer.alone() as connection:
            events = await connection.fetch(_SQL["clean"], before_ms, most)
            deliveries = await connection.fetch(_SQL["clean_removed"], most)
            await connection.execute(_SQL["forget_removed"], removed_before_ms)
        return len(events) + len(deliveries)
