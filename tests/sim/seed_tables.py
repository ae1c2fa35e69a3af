"""Simulated tables of seed trees and their epochs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from storage.postgres.packets.seed_trees import PacketSeeds, SeedEpochRow, SeedTreeRow, TreeKey


class SeedTables:
    """Trees by user and number, epochs in their order, and the next server seed of each wallet."""

    def __init__(self) -> None:
        self.trees: dict[TreeKey, SeedTreeRow] = {}
        self.epochs: list[SeedEpochRow] = []
        self.next_seeds: dict[int, int] = {}

    def next_seed(self, user_id: int) -> int:
        first = self.epochs[-1].first_index if self.epochs else 0
        return max(self.next_seeds.get(user_id, 0), first)

    def find_trees(self, keys: Collection[TreeKey]) -> list[SeedTreeRow]:
        return [self.trees[key] for key in keys if key in self.trees]

    def add_trees(self, made: Sequence[SeedTreeRow]) -> list[SeedTreeRow]:
        for row in made:
            self.trees.setdefault(row.key, row)
        return self.find_trees([row.key for row in made])

    def learn_tree(self, seeds: PacketSeeds, tree: TreeKey) -> None:
        """As seed_trees.learn of the real stores."""
        if seeds.unknown([tree]):
            seeds.learn(self.find_trees([tree]) or self.add_trees([seeds.make(tree)]))

    def begin_epoch(self, key_id: str, now_ms: int, only_if_restored: bool) -> SeedEpochRow | None:
        if only_if_restored and self.epochs:  # simulated tables are never restored
            return None
        used = [*self.next_seeds.values(), *(row.first_index for row in self.epochs)]
        number = max([(now_ms + 63) // 64, *(index // 64 + 2 for index in used)])
        self.epochs.append(SeedEpochRow(number * 64, "simulated", key_id, now_ms))
        return self.epochs[-1]
