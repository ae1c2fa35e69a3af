"""What the stores ask of a service that knows the seeds, answered without secrets."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds, SeedTreeRow, TreeKey


class SeedsInPlain(PacketSeeds):
    """Packets keep the seeds that they have, as those of an older server."""

    def tree_of(self, user_id: int, index: int) -> TreeKey:
        return user_id, index // 64

    def unknown(self, trees: Collection[TreeKey]) -> list[TreeKey]:
        return []

    def make(self, tree: TreeKey) -> SeedTreeRow:
        raise AssertionError("no tree is unknown")

    def learn(self, rows: Sequence[SeedTreeRow]) -> None:
        """Nothing to know."""

    def use(self, row: PacketRow, index: int) -> PacketRow:
        return row


class LiteralSeeds(SeedsInPlain):
    """Trees with literal roots; each use of a server seed is kept, in order."""

    def __init__(self) -> None:
        self.known: dict[TreeKey, SeedTreeRow] = {}
        self.made: list[TreeKey] = []
        self.used: list[tuple[int, int]] = []  # packet, index

    def unknown(self, trees: Collection[TreeKey]) -> list[TreeKey]:
        return sorted(set(trees) - self.known.keys())

    def make(self, tree: TreeKey) -> SeedTreeRow:
        self.made.append(tree)
        return tree_row(*tree)

    def learn(self, rows: Sequence[SeedTreeRow]) -> None:
        self.known |= {row.key: row for row in rows}

    def use(self, row: PacketRow, index: int) -> PacketRow:
        assert self.tree_of(row.sender_id, index) in self.known
        self.used.append((row.packet_id, index))
        return with_seed(row, index)


def tree_row(user_id: int, number: int, root: int = 1) -> SeedTreeRow:
    """A tree with a root of literal bytes."""
    return SeedTreeRow(user_id, number, bytes([root]) * 32, b"sealed", "k", 1_000)


def with_seed(row: PacketRow, index: int) -> PacketRow:
    """A packet that uses a server seed."""
    return row._replace(seed=None, seed_index=index, client_seed=row.client_seed or b"", commitment=b"c" * 32)
