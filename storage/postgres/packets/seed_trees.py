"""Trees of server seeds, sealed, and the epochs in which they are used. What is inside a tree is not known here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database
    from storage.postgres.packets.packets import PacketRow

_SQL = statements.load(__file__)

TreeKey: TypeAlias = tuple[int, int]  # user, number


class SeedTreeRow(NamedTuple):
    """A tree as it is recorded."""

    user_id: int
    number: int
    root: bytes
    sealed: bytes
    key_id: str
    created_at_ms: int

    @property
    def key(self) -> TreeKey:
        """Its user and its number."""
        return self.user_id, self.number


class SeedEpochRow(NamedTuple):
    """From `first_index` on, seeds are used by the database with this origin; `key_id` sealed its first trees."""

    first_index: int
    origin: str
    key_id: str
    at_ms: int


class PacketSeeds(Protocol):
    """What a send asks of the service that knows the seeds, for packets whose server seeds are now theirs."""

    def tree_of(self, user_id: int, index: int) -> TreeKey:
        """The tree with server seed `index` of a user."""
        ...

    def unknown(self, trees: Collection[TreeKey]) -> list[TreeKey]:
        """Those of these trees that must be learned before a packet uses them."""
        ...

    def make(self, tree: TreeKey) -> SeedTreeRow:
        """A new tree."""
        ...

    def learn(self, rows: Sequence[SeedTreeRow]) -> None:
        """These stand in the record."""
        ...

    def use(self, row: PacketRow, index: int) -> PacketRow:
        """The packet with server seed `index`: its seed is derived, its commitment made."""
        ...


class SeedTreeStore:
    """Statements on trees and epochs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next_index(self, user_id: int) -> int:
        """The server seed of the next packet that a user sends."""
        async with self._database.reading() as connection:
            return int(await connection.fetchval(_SQL["next_index"], user_id))

    async def trees(self, keys: Collection[TreeKey]) -> list[SeedTreeRow]:
        """Those of these trees that exist."""
        async with self._database.reading() as connection:
            return await find(connection, keys)

    async def add(self, made: Sequence[SeedTreeRow]) -> list[SeedTreeRow]:
        """Record new trees; what stands in the record then, for a tree that exists already the earlier one."""
        async with self._database.transaction() as connection:
            return await add(connection, made)

    async def epoch(self) -> SeedEpochRow | None:
        """The newest epoch; None before the first start of a server."""
        async with self._database.reading() as connection:
            return await _epoch(connection)

    async def begin_epoch(self, key_id: str, now_ms: int, *, only_if_restored: bool = False) -> SeedEpochRow | None:
        """Begin an epoch: fresh trees for every user. `only_if_restored`: if there is none of this database yet.

        The epoch that has begun; None: the newest one goes on. Raises StoreUnavailable.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_epochs"])  # servers that start together begin one
            origin = str(await connection.fetchval(_SQL["origin"]))
            last = await _epoch(connection)
            if only_if_restored and last is not None and last.origin == origin:
                return None
            first_index = await connection.fetchval(_SQL["begin_epoch"], now_ms, origin, key_id)
            return SeedEpochRow(first_index, origin, key_id, now_ms)

    async def sealed_otherwise(self, key_id: str, after: TreeKey) -> list[SeedTreeRow]:
        """A thousand of the trees that are sealed under another key than this one, behind `after`."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["sealed_otherwise"], key_id, *after)
        return [SeedTreeRow(*row) for row in rows]

    async def seal_again(self, rows: Sequence[SeedTreeRow]) -> None:
        """Replace the seals of these trees; all are under one key now."""
        columns = [row.user_id for row in rows], [row.number for row in rows], [row.sealed for row in rows]
        async with self._database.reading() as connection:
            await connection.execute(_SQL["seal_again"], *columns, rows[0].key_id)


async def find(connection: Connection, keys: Collection[TreeKey]) -> list[SeedTreeRow]:
    """Those of these trees that exist."""
    users, numbers = [user_id for user_id, _ in keys], [number for _, number in keys]
    return [SeedTreeRow(*row) for row in await connection.fetch(_SQL["trees"], users, numbers)]


async def add(connection: Connection, made: Sequence[SeedTreeRow]) -> list[SeedTreeRow]:
    """Record new trees; what stands in the record then."""
    await connection.execute(_SQL["insert_trees"], *([row[column] for row in made] for column in range(6)))
    return await find(connection, [row.key for row in made])  # another server may have been first


async def learn(connection: Connection, seeds: PacketSeeds, keys: Collection[TreeKey]) -> None:
    """Let a service know these trees; those that do not exist are made."""
    unknown = seeds.unknown(keys)
    if not unknown:
        return
    found = await find(connection, unknown)
    missing = set(unknown) - {row.key for row in found}
    seeds.learn([*found, *(await add(connection, [seeds.make(key) for key in missing]) if missing else ())])


async def _epoch(connection: Connection) -> SeedEpochRow | None:
    row = await connection.fetchrow(_SQL["epoch"])
    return None if row is None else SeedEpochRow(*row)
