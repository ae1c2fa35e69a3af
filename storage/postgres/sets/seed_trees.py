"""Trees of server seeds over sets: those of a user are beside the wallet. Each set has epochs of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from storage.postgres.packets.seed_trees import SeedEpochRow, SeedTreeRow, SeedTreeStore, TreeKey
from storage.postgres.sets.places import HOME, all_of, grouped

if TYPE_CHECKING:
    from storage.postgres.sets.places import Sets


class SetSeedTreeStore(SeedTreeStore):
    """The trees of all sets."""

    def __init__(self, sets: Sets, stores: Sequence[SeedTreeStore]) -> None:
        self._sets = sets
        self._stores = stores

    async def next_index(self, user_id: int) -> int:
        """In the set of the user, who is placed."""
        return await self._stores[(await self._sets.place([user_id]))[user_id]].next_index(user_id)

    async def trees(self, keys: Collection[TreeKey]) -> list[SeedTreeRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        places = await self._sets.of_users({user_id for user_id, _ in keys})
        by_set = grouped(keys, lambda key: places[key[0]])
        found = await all_of({number: self._stores[number].trees(some) for number, some in by_set.items()})
        return [row for rows in found.values() for row in rows]

    async def add(self, made: Sequence[SeedTreeRow]) -> list[SeedTreeRow]:
        """Raises StoreUnavailable if one of the sets gives no answer: others may have recorded theirs."""
        places = await self._sets.place({row.user_id for row in made})
        by_set = grouped(made, lambda row: places[row.user_id])
        found = await all_of({number: self._stores[number].add(some) for number, some in by_set.items()})
        return [row for rows in found.values() for row in rows]

    async def epoch(self) -> SeedEpochRow | None:
        """That of set 0."""
        return await self._stores[HOME].epoch()

    async def begin_epoch(self, key_id: str, now_ms: int, *, only_if_restored: bool = False) -> SeedEpochRow | None:
        """In every set that needs one, but those that are late; what was begun in the last of them."""
        begun = None
        for number, store in enumerate(self._stores):
            if number in self._sets.late:
                continue
            begun = await store.begin_epoch(key_id, now_ms, only_if_restored=only_if_restored) or begun
        return begun
