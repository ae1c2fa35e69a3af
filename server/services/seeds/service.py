"""The server seeds of users: trees of them are made and told ahead, and each packet uses the next one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

import structlog

from server.core import seeds
from server.core.seeds import Content
from server.services.seeds.seals import NONCE_BYTES, Seals, SeedsSealed
from storage.errors import StoreRefused
from storage.postgres.database import Database
from storage.postgres.packets.new_packets import with_seed
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds, SeedTreeRow, SeedTreeStore, TreeKey

LOG = structlog.get_logger()
KNOWN_MAX: Final = 50_000  # secrets of trees that are kept unsealed in memory


class ToldTrees(NamedTuple):
    """What a user may know before sending: the index of the next seed, and the roots of two trees by number."""

    next_index: int
    roots: dict[int, bytes]


class SeedProof(NamedTuple):
    """How the seed of a packet that is over comes from a tree."""

    server_seed: bytes
    path: list[bytes]
    root: bytes


class SeedService:
    """Trees of all users. Raises StoreUnavailable; SeedsSealed if a tree cannot be unsealed."""

    def __init__(
        self,
        store: SeedTreeStore,
        keys: Mapping[str, bytes],
        random_bytes: Callable[[int], bytes],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._known: dict[TreeKey, bytes] = {}  # secrets, the oldest first
        self.use_keys(keys)

    def use_keys(self, keys: Mapping[str, bytes]) -> None:
        """Seal and unseal with these keys from now on."""
        self.keys = dict(keys)
        self._seals = Seals(keys)

    async def open(self) -> None:
        """Begin an epoch if this database is restored or new. Raises StoreRefused without the key of its seeds."""
        last = await self._store.epoch()
        if last is not None and last.key_id not in self._seals:
            raise StoreRefused(
                f"the seeds in this database are sealed with key {last.key_id}, which is not in the seed key file: "
                "copy it from another server or from your backup; if it is lost, run `hongbao seeds renew`"
            )
        begun = await self._store.begin_epoch(self._seals.key_id, self._now_ms(), only_if_restored=True)
        if begun is not None:
            LOG.info("seed_epoch_began", first_index=begun.first_index, restored=last is not None)

    @property
    def key_id(self) -> str:
        """Of the key that seals now."""
        return self._seals.key_id

    async def told(self, user_id: int) -> ToldTrees:
        """The roots of a user's current and next tree; both are recorded before they are told."""
        index = await self._store.next_index(user_id)
        numbers = seeds.tree_of(index), seeds.tree_of(index) + 1
        found = {row.number: row for row in await self._store.trees([(user_id, number) for number in numbers])}
        missing = [self.make((user_id, number)) for number in numbers if number not in found]
        if missing:
            found |= {row.number: row for row in await self._store.add(missing)}
        return ToldTrees(index, {number: found[number].root for number in numbers})

    def make(self, tree: TreeKey) -> SeedTreeRow:
        """A new tree, not recorded yet."""
        user_id, number = tree
        secret = self._random_bytes(seeds.SECRET_BYTES)
        sealed = self._seals.seal(secret, user_id, number, self._random_bytes(NONCE_BYTES))
        return SeedTreeRow(
            user_id, number, seeds.Tree(secret, number).root, sealed, self._seals.key_id, self._now_ms()
        )

    # --- packets ----------------------------------------------------------------------------------------------

    def for_packets(self) -> SeedTries:
        """The seeds of packets that are to be recorded."""
        return SeedTries(self)

    async def of(self, rows: Collection[PacketRow]) -> dict[int, bytes]:
        """The derived seeds of recorded packets by id; older packets hold theirs, and are left out.

        Left out, too, with a critical event: packets whose tree stays sealed.
        """
        used = [(row, _tree_of(row)) for row in rows if row.seed_index is not None]
        secrets = await self._secrets({tree for _, tree in used})
        return {row.packet_id: seed_of(row, secrets[tree]) for row, tree in used if tree in secrets}

    async def proof(self, row: PacketRow) -> SeedProof | None:
        """How a packet's seed comes from its tree; None: it is an older packet, or the tree stays sealed."""
        if row.seed_index is None:
            return None
        tree = _tree_of(row)
        secret = (await self._secrets({tree})).get(tree)
        return None if secret is None else _proof(row, secret)

    async def _secrets(self, trees: Collection[TreeKey]) -> dict[TreeKey, bytes]:
        """The secrets of these trees, as far as they exist and the keys do."""
        secrets = self.in_memory(trees)
        unknown = [tree for tree in trees if tree not in secrets]
        for row in await self._store.trees(unknown) if unknown else ():
            try:
                secrets[row.key] = self.unseal(row)
            except SeedsSealed as error:
                LOG.critical("seed_tree_is_sealed", why=str(error))
        self.keep(secrets)
        return secrets

    def in_memory(self, trees: Collection[TreeKey]) -> dict[TreeKey, bytes]:
        """The secrets of those of these trees that are in memory."""
        return {tree: self._known[tree] for tree in trees if tree in self._known}

    def unseal(self, row: SeedTreeRow) -> bytes:
        """The secret of a recorded tree. Raises SeedsSealed."""
        return self._seals.unseal(row.key_id, row.sealed, row.user_id, row.number)

    def keep(self, secrets: Mapping[TreeKey, bytes]) -> None:
        """These trees stand in the record: keep them in memory."""
        self._known |= secrets
        if len(self._known) > KNOWN_MAX:
            for tree in list(islice(self._known, len(self._known) - KNOWN_MAX)):
                del self._known[tree]


class SeedsOfBatch(PacketSeeds):
    """Gives packets their seeds while they are recorded; trees are kept once the record has committed."""

    def __init__(self, service: SeedService) -> None:
        self._service = service
        self._secrets: dict[TreeKey, bytes] = {}
        self.seeds: dict[int, bytes] = {}  # by packet

    def tree_of(self, user_id: int, index: int) -> TreeKey:
        return user_id, seeds.tree_of(index)

    def unknown(self, trees: Collection[TreeKey]) -> list[TreeKey]:
        self._secrets |= self._service.in_memory(trees)
        return [tree for tree in trees if tree not in self._secrets]

    def make(self, tree: TreeKey) -> SeedTreeRow:
        return self._service.make(tree)

    def learn(self, rows: Sequence[SeedTreeRow]) -> None:
        self._secrets |= {row.key: self._service.unseal(row) for row in rows}

    def use(self, row: PacketRow, index: int) -> PacketRow:
        secret, content = self._secrets[row.sender_id, seeds.tree_of(index)], content_of(row)
        server_seed = seeds.server_seed(secret, index)
        seed = seeds.packet_seed(server_seed, index, row.client_seed or b"", content)
        self.seeds[row.packet_id] = seed
        return with_seed(row, index, commitment=seeds.commitment(seed, row.packet_id, content))

    def keep(self) -> None:
        """The record has committed."""
        self._service.keep(self._secrets)


class SeedTries:
    """The seeds of packets that are to be recorded. A try that fails uses none: each begins with fresh ones."""

    def __init__(self, service: SeedService) -> None:
        self._service = service
        self._last: SeedsOfBatch | None = None

    def begin(self) -> SeedsOfBatch:
        """Begin a try, in its transaction."""
        self._last = SeedsOfBatch(self._service)
        return self._last

    def keep(self) -> Mapping[int, bytes]:
        """The last try has committed: its trees are kept in memory. The seeds by packet."""
        if self._last is None:
            return {}
        self._last.keep()
        return self._last.seeds


def content_of(row: PacketRow) -> Content:
    """What of a recorded packet goes into its seed."""
    return Content(row.sender_id, row.kind, row.total_fen, row.shares, row.share_fen_min, row.share_fen_max)


def seed_of(row: PacketRow, secret: bytes) -> bytes:
    """The seed of a recorded packet, from the secret of its tree."""
    assert row.seed_index is not None
    return packet_seed_of(row, seeds.server_seed(secret, row.seed_index))


def packet_seed_of(row: PacketRow, server_seed: bytes) -> bytes:
    """The seed of a recorded packet, from its server seed."""
    assert row.seed_index is not None
    return seeds.packet_seed(server_seed, row.seed_index, row.client_seed or b"", content_of(row))


def _proof(row: PacketRow, secret: bytes) -> SeedProof:
    """How the seed of a recorded packet comes from its tree."""
    assert row.seed_index is not None
    tree = seeds.Tree(secret, seeds.tree_of(row.seed_index))
    return SeedProof(tree.seed(row.seed_index), tree.path(row.seed_index), tree.root)


async def proof_of(database: Database, row: PacketRow, keys: Mapping[str, bytes]) -> SeedProof | None:
    """How a recorded packet's seed comes from its tree, for a command; None as `SeedService.proof`."""
    return await SeedService(SeedTreeStore(database), keys, os.urandom, lambda: 0).proof(row)


def _tree_of(row: PacketRow) -> TreeKey:
    assert row.seed_index is not None
    return row.sender_id, seeds.tree_of(row.seed_index)
