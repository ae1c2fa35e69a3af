"""The change feed in PostgreSQL: notifications of changes, and the leases of the servers that follow them.

Triggers notify of changes (see migration 0010), in the transaction that made them. PostgreSQL delivers
notifications to each connection that listens, in the order of the commits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage import statements
from storage.errors import StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
NODES: Final = 1_752_460_337  # the class of the advisory locks on node numbers: ours, so no other program has it


class Topic(StrEnum):
    """What a message is about: the channel on which it comes."""

    CHANGE = "hongbao_changes"  # from a trigger: a change is recorded
    ASK = "hongbao_asks"  # a server asks the others whether they have followed a change
    TOLD = "hongbao_told"  # a server has followed a change
    BEAT = "hongbao_beats"  # a server has renewed its lease: messages before it have all been delivered


class Change(NamedTuple):
    """A record that changed: the kind of record, its id, and its version since the change."""

    kind: str
    id: int
    version: int


class FeedMessage(NamedTuple):
    """A message as it was delivered. `server_id`: the sender; 0: a trigger. `version` of a beat: its number."""

    topic: Topic
    change: Change
    server_id: int = 0


class OtherServer(NamedTuple):
    """A server on the same database. `address`: where other servers reach it; empty: nowhere."""

    server_id: int
    address: str


class ChangeFeedStore:
    """Statements on leases, and the connection that listens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = database.writer()
        self._listening: Connection | None = None

    async def listen(self, receive: Callable[[FeedMessage], None], lose: Callable[[], None]) -> None:
        """Listen on a new connection: `receive` gets every message that is committed from now on, in its order.

        `lose` is called when the connection is lost; then `listen` again. Forgotten leases are removed.
        """
        self._listening = None
        self._writer.drop()
        async with self._writer.alone() as connection:

            def deliver(_connection: Any, _pid: int, channel: str, payload: object) -> None:
                if connection is self._listening and (message := parsed(channel, str(payload))) is not None:
                    receive(message)

            def end(_connection: Any) -> None:
                if connection is self._listening:
                    lose()

            self._listening = connection
            connection.add_termination_listener(end)
            for topic in Topic:
                await connection.add_listener(topic, deliver)
            await connection.execute(_SQL["forget"])

    async def take_node(self, first: int, last: int) -> int:
        """The first node number of these that no other server has; ours while we listen. Raises StoreRefused."""
        async with self._writer.alone() as connection:
            self._check(connection)
            number = await connection.fetchval(_SQL["take_node"], NODES, first, last)
        if number is None:
            raise StoreRefused(f"other servers on this database have the node numbers {first} to {last}")
        return int(number)

    async def beat(self, server_id: int, number: int, lease_s: float, address: str) -> list[OtherServer]:
        """Renew the lease of a server, say where it is reached, and send the message BEAT.

        Returns the others that have a lease younger than this.
        """
        async with self._writer.alone() as connection:
            self._check(connection)
            change = text(Change("beat", 0, number))
            rows = await connection.fetch(_SQL["beat"], server_id, change, lease_s, address)
        return [OtherServer(row["server_id"], row["address"]) for row in rows if row["server_id"] is not None]

    async def tell(self, server_id: int, changes: Sequence[Change]) -> None:
        """Send the message TOLD for each of these."""
        async with self._writer.alone() as connection:
            self._check(connection)
            await connection.execute(_SQL["tell"], server_id, [text(change) for change in changes])

    async def ask(self, server_id: int, change: Change, lease_s: float) -> set[int]:
        """The other servers whose lease is younger than this; they get the message ASK."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["ask"], server_id, text(change), lease_s)
        return {row["server_id"] for row in rows}

    async def leave(self, server_id: int) -> None:
        """End the lease of a server, and stop to listen."""
        self._listening = None
        self._writer.drop()
        async with self._database.reading() as connection:
            await connection.execute(_SQL["leave"], server_id)

    def _check(self, connection: object) -> None:
        """A connection that was made meanwhile does not listen."""
        if connection is not self._listening:
            raise StoreUnavailable("PostgreSQL: the connection that listens was lost")


def text(change: Change) -> str:
    """A change as it stands in a notification; messages between servers append ":" and the sender."""
    return f"{change.kind}:{change.id}:{change.version}"


def parsed(channel: str, payload: str) -> FeedMessage | None:
    """The message of a notification; None: none of ours. Any user of the database can send notifications."""
    kind, *numbers = payload.split(":")
    try:
        record_id, version, *sender = map(int, numbers)
        return FeedMessage(Topic(channel), Change(kind, record_id, version), sender[0] if sender else 0)
    except ValueError:
        return None
