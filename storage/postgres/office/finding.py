"""What the back office searches for: users by name, movements by key, what became of a packet; over all sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.chat.unique_names import unique_form
from storage.postgres.sets.places import HOME, all_of, grouped

if TYPE_CHECKING:
    from storage.postgres.database import Database
    from storage.postgres.sets.places import Sets

_SQL = statements.load(__file__)
NAMED_MAX: Final = 50
POSTS_WITHIN: Final = 5_000  # of the newest messages of a stream


class NamedUserRow(NamedTuple):
    """A user with a name."""

    user_id: int
    name: str


class KnownUserRow(NamedTuple):
    """What the record says of a known user. `banned_at_ms` None: not banned; `known_at_ms` 0: for long."""

    name: str
    banned_at_ms: int | None
    tokens_from_s: int
    known_at_ms: int
    is_sponsor: bool


class KeyedRow(NamedTuple):
    """What a key of a user has moved. `kind`: a TransferKind; `number`: of a packet or payment, else 0."""

    kind: int
    number: int
    other_id: int
    amount_fen: int
    at_ms: int
    text: str


class PacketTransferRow(NamedTuple):
    """Money that left a packet. `user_id`: whose it is; of a campaign's lease the account that it went back to."""

    kind: int
    user_id: int
    amount_fen: int
    at_ms: int


class PostRow(NamedTuple):
    """A message about a packet; `reminder` 0: the packet itself."""

    stream_id: int
    message: int
    reminder: int
    at_ms: int


class GroupLifeRow(NamedTuple):
    """A group. `kind`: group, signed or direct; `deleted_at_ms` None: it is there."""

    name: str
    owner_id: int
    kind: str
    external_id: str
    created_at_ms: int
    deleted_at_ms: int | None
    members: int
    messages: int


class MemberLifeRow(NamedTuple):
    """A user who is or was a member. `joined_at_ms` None: the chat backend said that they left before they came."""

    user_id: int
    joined_at_ms: int | None
    left_at_ms: int | None
    removed_at_ms: int | None


class GroupPacketRow(NamedTuple):
    """A packet in a group, and when it was posted there."""

    packet_id: int
    at_ms: int


class PacketTraceRow(NamedTuple):
    """What the records hold of a packet besides its row and its claims."""

    transfers: Sequence[PacketTransferRow]
    groups: dict[int, int]
    best_user_id: int | None
    scheduled: str


class FindingStore:
    """Statements of searches. All raise StoreUnavailable, if one of the sets that are asked gives no answer."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets

    async def by_name(self, name: str) -> list[NamedUserRow]:
        """Users whose names look like this one, at most NAMED_MAX."""
        form = unique_form(name)
        if not form:
            return []
        async with self._sets.home.reading() as connection:
            return [NamedUserRow(*row) for row in await connection.fetch(_SQL["by_name"], form, NAMED_MAX)]

    async def user(self, user_id: int) -> KnownUserRow | None:
        """A known user."""
        async with self._sets.home.reading() as connection:
            row = await connection.fetchrow(_SQL["user"], user_id)
        return None if row is None else KnownUserRow(*row)

    async def by_key(self, user_id: int, key: str) -> list[KeyedRow]:
        """What a user has moved with a key; payments come after the movements."""
        async with (await self._of_user(user_id)).reading() as connection:
            found = [KeyedRow(*row) for row in await connection.fetch(_SQL["by_key"], user_id, key)]
        return found + await self._payments(user_id, key)

    async def _payments(self, user_id: int, key: str) -> list[KeyedRow]:
        databases = dict(enumerate(self._sets.databases))
        found = await all_of({number: _keyed(one, user_id, key) for number, one in databases.items()})
        return [row for number in sorted(found) for row in found[number]]

    async def group(self, group_id: int) -> GroupLifeRow | None:
        """A group, also one that was deleted."""
        async with self._sets.home.reading() as connection:
            row = await connection.fetchrow(_SQL["group"], group_id)
        return None if row is None else GroupLifeRow(*row)

    async def members(self, group_id: int, most: int) -> list[MemberLifeRow]:
        """Who is or was in a group, those who came or went last first."""
        async with self._sets.home.reading() as connection:
            rows = await connection.fetch(_SQL["members_of_group"], group_id, most)
        return [MemberLifeRow(*row) for row in rows]

    async def group_packets(self, group_id: int, most: int) -> list[GroupPacketRow]:
        """Packets among the newest POSTS_WITHIN messages of a group, the newest first."""
        async with self._sets.home.reading() as connection:
            rows = await connection.fetch(_SQL["packets_of_group"], group_id, POSTS_WITHIN, most)
        return [GroupPacketRow(*row) for row in rows]

    async def trace(self, packet_id: int) -> PacketTraceRow:
        """What became of a packet, as of one moment of its set."""
        database = self._sets.databases[self._sets.of_packet(packet_id)]
        async with (
            database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            transfers = await connection.fetch(_SQL["transfers_of_packet"], packet_id)
            groups = await connection.fetch(_SQL["groups_of_packet"], packet_id)
            best = await connection.fetchval(_SQL["best_luck"], packet_id)
            scheduled = await connection.fetchval(_SQL["scheduled"], packet_id)
        moved = [PacketTransferRow(*row) for row in transfers]
        return PacketTraceRow(moved, {row["group_id"]: row["at_ms"] for row in groups}, best, scheduled or "")

    async def charge_of(self, user_id: int, key: str, packet_id: int) -> tuple[int, int] | None:
        """Number and time of the charge that brought the money of a packet."""
        for database in self._sets.databases:
            async with database.reading() as connection:
                row = await connection.fetchrow(_SQL["charge_of_packet"], user_id, key, packet_id)
            if row is not None:
                return row["number"], row["created_at_ms"]
        return None

    async def posts(self, packet_id: int, stream_ids: Sequence[int]) -> list[PostRow]:
        """Messages about a packet, among the newest POSTS_WITHIN of each of these streams."""
        places = await self._sets.of_streams(stream_ids)
        by_set = grouped(stream_ids, lambda one: places[one])
        found = await all_of({number: self._posts(number, packet_id, ids) for number, ids in by_set.items()})
        return sorted((row for rows in found.values() for row in rows), key=lambda row: (row.at_ms, row.message))

    async def _posts(self, number: int, packet_id: int, stream_ids: Sequence[int]) -> list[PostRow]:
        async with self._sets.databases[number].reading() as connection:
            rows = await connection.fetch(_SQL["posts"], stream_ids, packet_id, POSTS_WITHIN)
        return [PostRow(*row) for row in rows]

    async def _of_user(self, user_id: int) -> Database:
        number = (await self._sets.of_users([user_id])).get(user_id, HOME)
        return self._sets.databases[number]


async def _keyed(database: Database, user_id: int, key: str) -> list[KeyedRow]:
    async with database.reading() as connection:
        return [KeyedRow(*row) for row in await connection.fetch(_SQL["payments_by_key"], user_id, key)]
