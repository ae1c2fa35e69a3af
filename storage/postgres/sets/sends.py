"""Sends over sets: a packet is made in the set of its sender, which has the wallet that pays it.

Users are in set 0, and so are groups. A ban holds the wallet of its user while it is recorded in set 0 (see
`SetUserStore.ban`), and a send reads bans there while it holds the wallet: so one of the two is first, as in one
database. Announcements for streams of other sets leave by the outbox of sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from storage.postgres.chat import messages, users
from storage.postgres.packets.resends import Keyed, KeyedResend, ResendStore
from storage.postgres.packets.sends import SendStore, Sent, Unsent
from storage.postgres.sets.outbox import SetTopic, tell_later, tell_words_later
from storage.postgres.sets.places import HOME, in_order

if TYPE_CHECKING:
    from storage.postgres.chat.messages import Post
    from storage.postgres.chat.users import Barred
    from storage.postgres.database import Connection
    from storage.postgres.money.wallets import TransferRow
    from storage.postgres.packets.packets import PacketRow
    from storage.postgres.packets.seed_trees import PacketSeeds
    from storage.postgres.sets.places import Sets


class ChatOfSets:
    """Users and streams as a transaction in one set meets them."""

    is_here = False

    def __init__(self, sets: Sets, number: int) -> None:
        self._sets = sets
        self._number = number

    async def barred(self, connection: Connection, pairs: Sequence[tuple[int, int]]) -> list[Barred | None]:
        """From set 0, while the wallets of the senders are held here."""
        if self._number == HOME or not pairs:
            return await users.barred(connection, pairs)
        async with self._sets.home.reading() as at_home:
            return await users.barred(at_home, pairs)

    async def append(self, connection: Connection, posts: Sequence[Post]) -> list[int]:
        """Posts in streams of this set are numbered now, others by their set."""
        places = await self._sets.of_streams({post.stream_id for post in posts}, written=True)
        here = [post for post in posts if places[post.stream_id] == self._number]
        numbers = iter(await messages.append(connection, here) if here else ())
        await tell_later(
            connection,
            [(one.stream_id, SetTopic.SENT, one.packet_id or 0, one.at_ms) for one in posts if one not in here],
        )
        return [next(numbers) if post in here else 0 for post in posts]

    async def not_members(self, connection: Connection, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """From set 0."""
        if self._number == HOME or not pairs:
            return await users.not_members(connection, pairs)
        async with self._sets.home.reading() as at_home:
            return await users.not_members(at_home, pairs)

    async def append_words(self, connection: Connection, said: Sequence[tuple[int, Post]]) -> list[int]:
        """Words are said in groups, whose streams are in set 0."""
        if self._number == HOME:
            return await messages.append(connection, [post for _, post in said])
        await tell_words_later(connection, said)
        return [0] * len(said)


class SetSendStore(SendStore):
    """The writers of new packets of all sets."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [SendStore(one, ChatOfSets(sets, number)) for number, one in enumerate(sets.databases)]

    async def record(
        self,
        rows: Sequence[PacketRow],
        transfer_of: Callable[[PacketRow], TransferRow],
        streams_of: Callable[[PacketRow], tuple[int, ...]],
        seeds: Callable[[], PacketSeeds],
        caps: Mapping[int, int] | None = None,
    ) -> list[Sent | Unsent]:
        """Packets of one set, by their ids."""
        (number,) = {self._sets.of_packet(row.packet_id) for row in rows}
        return await self._stores[number].record(rows, transfer_of, streams_of, seeds, caps)

    async def find_outcome(
        self, rows: Sequence[PacketRow], streams_of: Callable[[PacketRow], tuple[int, ...]]
    ) -> list[Sent | None]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        return await in_order(
            rows,
            lambda row: self._sets.of_packet(row.packet_id),
            lambda number, some: self._stores[number].find_outcome(some, streams_of),
        )

    async def before(self, sender_id: int, key: str) -> PacketRow | None:
        """In the set of the sender."""
        number = (await self._sets.of_users([sender_id]))[sender_id]
        return await self._stores[number].before(sender_id, key)


class SetResendStore(ResendStore):
    """Packets that are sent again, each in its set."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [ResendStore(one, ChatOfSets(sets, number)) for number, one in enumerate(sets.databases)]

    async def record(
        self,
        posts: Sequence[Post],
        receiver_id: int,
        group_id: int | None,
        groups_max: int,
        keyed: Keyed | None = None,
    ) -> list[int]:
        """In the set of the packet; 0 for an announcement that another set numbers."""
        number = self._sets.of_packet(posts[0].packet_id or 0)
        return await self._stores[number].record(posts, receiver_id, group_id, groups_max, keyed)

    async def before(self, packet_id: int, key: str) -> KeyedResend | None:
        """In the set of the packet."""
        return await self._stores[self._sets.of_packet(packet_id)].before(packet_id, key)

    async def find_outcome(self, posts: Sequence[Post]) -> list[int | None]:
        """In the set of the packet. What was to be numbered elsewhere is told from there."""
        return await in_order(
            posts,
            lambda post: self._sets.of_packet(post.packet_id or 0),
            lambda number, some: self._stores[number].find_outcome(some),
        )
