"""What operators do with seeds: begin fresh ones after a restore, and seal all trees under another key."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from server.services.seeds.seals import NONCE_BYTES, Seals
from storage.postgres.database import Database
from storage.postgres.database_time import DatabaseTimeStore
from storage.postgres.migrate import migrate
from storage.postgres.packets.seed_trees import SeedEpochRow, SeedTreeStore

BEFORE_ALL = (0, 0)


async def renew(database: Database, keys: Mapping[str, bytes], now_ms: int) -> SeedEpochRow:
    """Begin an epoch: every user's next packet uses a tree that was never told. Raises StoreUnavailable."""
    await migrate(database)  # the restored one may be older than this program
    begun = await SeedTreeStore(database).begin_epoch(Seals(keys).key_id, now_ms)
    assert begun is not None
    return begun


async def renew_now(database: Database, keys: Mapping[str, bytes]) -> SeedEpochRow:
    """`renew` at the time of the database, as servers have it. Raises StoreUnavailable."""
    return await renew(database, keys, int(await DatabaseTimeStore(database).now_ms()))


async def seal_all_again(
    database: Database, keys: Mapping[str, bytes], random_bytes: Callable[[int], bytes]
) -> int:
    """Seal all trees under the last key; how many were under another. Raises StoreUnavailable, SeedsSealed."""
    store, seals = SeedTreeStore(database), Seals(keys)
    sealed, last = 0, BEFORE_ALL
    while rows := await store.sealed_otherwise(seals.key_id, last):
        again = []
        for row in rows:
            secret = seals.unseal(row.key_id, row.sealed, row.user_id, row.number)
            renewed = seals.seal(secret, row.user_id, row.number, random_bytes(NONCE_BYTES))
            again.append(row._replace(sealed=renewed, key_id=seals.key_id))
        await store.seal_again(again)
        sealed, last = sealed + len(again), again[-1].key
    return sealed
