"""What users are called. Names are for the eye: nothing fails because one could not be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from server.core.limits import Fault, Limits, check_bytes
from server.services.batching import Batcher
from server.services.refusals import Refused
from storage.postgres.names import Names as NameStore

BATCH_MAX = 2_000
KEPT_MAX = 100_000  # names in memory; more are let go of, the longest unused first


class Names:
    """Use cases on names. Those in use are kept in memory and in step."""

    def __init__(self, store: NameStore, limits: Limits, kept_max: int = KEPT_MAX) -> None:
        self._store = store
        self._limits = limits
        self._kept_max = kept_max
        self._names: dict[int, str] = {}  # the longest unused first; "" for who has none
        self.batcher: Batcher[int, str] = Batcher(self._load, BATCH_MAX, limits)

    async def call(self, user_id: int, name: str) -> None:
        """Others see the user called so from now on; "": not at all. Raises Broken, StoreUnavailable."""
        check_bytes(name, 0, self._limits.name_bytes_max, Fault.BAD_NAME)
        await self._store.put(user_id, name)
        self._keep(user_id, name)

    async def of(self, user_ids: Sequence[int]) -> list[str]:
        """What these users are called, in their order; "" for who has no name, or if it cannot be read now."""
        if missing := {user_id for user_id in user_ids if user_id not in self._names}:
            await asyncio.gather(*map(self._read, missing))
        return [self._used(user_id) for user_id in user_ids]

    async def by_id(self, user_ids: Iterable[int]) -> dict[int, str]:
        """What these users are called, by their ids."""
        asked = list(dict.fromkeys(user_ids))
        return dict(zip(asked, await self.of(asked), strict=True))

    async def _read(self, user_id: int) -> None:
        try:
            name = await self.batcher.submit(user_id)
        except Refused:
            return
        if user_id not in self._names:  # else it was set meanwhile
            self._keep(user_id, name)

    async def _load(self, user_ids: list[int]) -> list[str]:
        found = await self._store.load(list(set(user_ids)))
        return [found.get(user_id, "") for user_id in user_ids]

    def _keep(self, user_id: int, name: str) -> None:
        self._names.pop(user_id, None)
        self._names[user_id] = name
        if len(self._names) > self._kept_max:
            del self._names[next(iter(self._names))]

    def _used(self, user_id: int) -> str:
        name = self._names.get(user_id)
        if name is None:
            return ""
        self._keep(user_id, name)
        return name
