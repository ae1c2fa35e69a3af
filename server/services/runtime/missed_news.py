"""What users may not have been told while news of another server was lost, read from the record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from server.core.ledger import TransferKind, WalletBalance
from server.services.chat.groups import GroupService
from server.services.chat.posts import PostReader
from server.services.runtime.events import BalanceChange, Posted
from storage.postgres.chat.messages import MessageStore
from storage.postgres.money.wallets import WalletStore
from storage.postgres.sets.places import Sets, grouped

USERS_AT_ONCE: Final = 500


class MissedNews:
    """Only reads. Raises StoreUnavailable."""

    def __init__(
        self, messages: MessageStore, wallets: WalletStore, posts: PostReader, groups: GroupService, sets: Sets
    ) -> None:
        self._sets = sets
        self._messages = messages
        self._wallets = wallets
        self._posts = posts
        self._groups = groups

    async def in_parts(self, user_ids: Sequence[int]) -> list[list[int]]:
        """Users in parts, each of one set of PostgreSQL: it has all their news, or gives no answer."""
        places = await self._sets.of_users(user_ids)
        return list(grouped(user_ids, places.__getitem__).values())

    async def posts(
        self, user_ids: Sequence[int], also_in: Sequence[int], since_ms: int
    ) -> list[tuple[Posted, Collection[int]]]:
        """The last message of each stream of these users and of the streams `also_in`, if it was posted since then.

        With it whom it concerns. A client that misses earlier ones finds that by the number; one that has it
        ignores it.
        """
        rows = await self._messages.newest_of(user_ids, also_in, since_ms)
        posts = await self._posts.read(rows)
        await self._groups.keep({row.stream_id for row in rows if row.stream_id not in user_ids})
        return [(post, self._groups.viewers(row.stream_id)) for row, post in zip(rows, posts, strict=True)]

    async def balances(self, known: Mapping[int, int]) -> list[BalanceChange]:
        """The changes of wallets after the version that is known of each."""
        holdings = await self._wallets.holdings(list(known))
        found = []
        for user_id, version in known.items():
            if user_id in holdings and holdings[user_id].balance.version > version:
                found += [
                    BalanceChange(
                        user_id,
                        WalletBalance(row.balance_fen, row.version),
                        row.change_fen,
                        TransferKind(row.kind).name.lower(),
                    )
                    for row in await self._wallets.entries(user_id, version)
                ]
        return found
