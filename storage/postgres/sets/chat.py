"""The chat over sets: users, groups and their streams are in set 0, an inbox is in the set of its user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.postgres.chat.groups import GroupStore, ProfileRow, StreamPositionRow
from storage.postgres.chat.messages import MessageRow, MessageStore, Post, StreamBounds, StreamReader, Stretch
from storage.postgres.chat.relays import RelayStore, TurnAfter, TurnRow
from storage.postgres.chat.users import AccessRow, Barred, UserStore
from storage.postgres.money import wallets
from storage.postgres.sets.places import HOME, all_of, grouped, in_order

if TYPE_CHECKING:
    from asyncpg import Record

    from storage.postgres.database import Database
    from storage.postgres.money.wallets import HoldingRow, WalletStore
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)


async def group_names(home: Database, group_ids: Sequence[int]) -> dict[int, str]:
    """What groups are called."""
    async with home.reading() as connection:
        return {row["group_id"]: row["name"] for row in await connection.fetch(SQL["group_names"], group_ids)}


class SetUserStore(UserStore):
    """Users are in set 0; a ban holds the wallet, which is in the set of the user."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets

    async def ban(self, user_id: int, banned_at_ms: int | None) -> AccessRow:
        """While the wallet is held: a packet that the user sends meanwhile is recorded before, or never."""
        number = (await self._sets.of_users([user_id]))[user_id]
        if number == HOME:
            return await super().ban(user_id, banned_at_ms)
        async with self._sets.databases[number].transaction() as connection:
            await wallets.lock(connection, [user_id])
            return await super().ban(user_id, banned_at_ms)


class SetGroupStore(GroupStore):
    """Groups are in set 0. What a user finds at login is in two sets."""

    def __init__(self, sets: Sets, holdings: WalletStore) -> None:
        super().__init__(sets.home)
        self._sets = sets
        self._holdings = holdings

    async def profiles(self, user_ids: Sequence[int]) -> dict[int, ProfileRow]:
        """Of the users whose set answers."""
        found = await super().profiles(user_ids)
        places = await self._sets.of_users(user_ids)
        holdings = await self._holdings.holdings(user_ids)
        away = grouped((one for one in user_ids if places[one] != HOME and one in holdings), places.__getitem__)
        inboxes = await all_of({number: self._inboxes(number, some) for number, some in away.items()})
        last = {stream_id: message for some in inboxes.values() for stream_id, message in some.items()}
        return {
            user_id: _complete(user_id, profile, holdings[user_id], last)
            for user_id, profile in found.items()
            if user_id in holdings
        }

    async def _inboxes(self, number: int, user_ids: Sequence[int]) -> dict[int, int]:
        async with self._sets.databases[number].reading() as connection:
            rows = await connection.fetch(SQL["inboxes"], user_ids)
        return {row["stream_id"]: row["last_message"] for row in rows}


def _complete(user_id: int, profile: ProfileRow, holding: HoldingRow, last: Mapping[int, int]) -> ProfileRow:
    """A profile of set 0 with what the set of the user has."""
    streams = list(profile.streams)
    if user_id in last:
        streams.insert(0, StreamPositionRow(user_id, "", user_id, last[user_id]))
    return ProfileRow(holding, streams, profile.access)


class SetMessageStore(MessageStore):
    """Streams: those of groups in set 0, inboxes in the sets of their users."""

    def __init__(self, sets: Sets, stores: Sequence[MessageStore]) -> None:
        self._sets = sets
        self._stores = stores

    async def append(self, posts: Sequence[Post], receivers: Mapping[int, int]) -> list[int | Barred]:
        """Users write into groups and one-to-one chats, which are in set 0."""
        return await self._stores[HOME].append(posts, receivers)

    async def positions(self, readers: Sequence[StreamReader]) -> list[StreamBounds]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        places = await self._sets.of_streams({one.stream_id for one in readers})
        return await in_order(
            readers,
            lambda one: places[one.stream_id],
            lambda number, some: self._stores[number].positions(some),
        )

    async def after(self, stream_id: int, message: int, most: int) -> list[MessageRow]:
        """From the set of the stream."""
        return await (await self._of(stream_id)).after(stream_id, message, most)

    async def between(self, stretches: Sequence[Stretch]) -> list[MessageRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        places = await self._sets.of_streams({one.stream_id for one in stretches})
        by_set = grouped(stretches, lambda one: places[one.stream_id])
        found = await all_of({number: self._stores[number].between(some) for number, some in by_set.items()})
        return [row for rows in found.values() for row in rows]

    async def newest_of(
        self, user_ids: Sequence[int], stream_ids: Sequence[int], since_ms: int
    ) -> list[MessageRow]:
        """Raises StoreUnavailable if one of the sets gives no answer: what it has was not told."""
        places = await self._sets.of_users(user_ids)
        by_set = grouped(user_ids, places.__getitem__)
        calls = {
            number: self._stores[number].newest_of(some, [], since_ms)
            for number, some in by_set.items()
            if number != HOME
        }
        calls[HOME] = self._stores[HOME].newest_of(user_ids, stream_ids, since_ms)
        return [row for rows in (await all_of(calls)).values() for row in rows]

    async def last(self, stream_id: int) -> int:
        """In the set of the stream."""
        return await (await self._of(stream_id)).last(stream_id)

    async def _of(self, stream_id: int) -> MessageStore:
        return self._stores[(await self._sets.of_streams([stream_id]))[stream_id]]


class SetRelayStore(RelayStore):
    """Rules and turns are in set 0; the best share is in the set of its packet, which tells of it."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets

    async def turns(self, packet_ids: Sequence[int]) -> dict[int, TurnRow]:
        """Raises StoreUnavailable if a set of one of the packets gives no answer."""
        return {
            packet_id: TurnRow(turn.user_id, turn.times, turn.best_fen)
            for packet_id, turn in (await self.turns_after(packet_ids)).items()
            if turn is not None
        }

    async def turns_after(self, packet_ids: Sequence[int]) -> dict[int, TurnAfter | None]:
        """Of these packets those of which set 0 was told; others may have a turn soon."""
        async with self._sets.home.reading() as connection:
            rows = await connection.fetch(SQL["turns_told"], packet_ids)
        found: dict[int, TurnAfter | None] = {row["packet_id"]: None for row in rows}
        turns = {row["packet_id"]: row for row in rows if row["group_id"] is not None}
        by_set = self._sets.packets_by_set(turns)
        parts = {number: [turns[one] for one in ids] for number, ids in by_set.items()}
        shares = await all_of({number: self._shares(number, part) for number, part in parts.items()})
        for packet_id, fen in (pair for some in shares.values() for pair in some.items()):
            row = turns[packet_id]
            found[packet_id] = TurnAfter(row["group_id"], row["user_id"], row["times"], fen)
        return found

    async def _shares(self, number: int, turns: Sequence[Record]) -> dict[int, int]:
        """What the users of these turns have got of the packets."""
        columns = [row["packet_id"] for row in turns], [row["user_id"] for row in turns]
        async with self._sets.databases[number].reading() as connection:
            return {row["packet_id"]: row["amount_fen"] for row in await connection.fetch(SQL["shares"], *columns)}
