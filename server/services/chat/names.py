"""The names of users. They are for display: no request fails because a name could not be read.

A name that a user chooses is unique, also among those that the chat backend gives. The backend may give one name to
several users; a user who has chosen it loses it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from server.core.limits import Limits, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.batching import Batcher
from storage.postgres.chat.unique_names import unique_form
from storage.postgres.chat.users import NameTaken, UserStore

BATCH_MAX = 20  # requests whose names are read at once, of up to some hundred users each
KEPT_MAX = 100_000  # names in memory; more are dropped, the longest unused first
NAMELESS_PART = 0.1  # of them as many users who are known to have none, apart: made-up ids push no name out


class NameService:
    """Use cases on names. Those in use are kept in memory and in step."""

    def __init__(
        self, store: UserStore, limits: Limits, kept_max: int = KEPT_MAX, *, self_service: bool = True
    ) -> None:
        """`self_service`: users choose their names; otherwise only the chat backend gives names."""
        self._store = store
        self._self_service = self_service
        self._limits = limits
        self._kept_max = kept_max
        self._names: OrderedDict[int, str] = OrderedDict()  # the longest unused first
        self._nameless: OrderedDict[int, str] = OrderedDict()  # the oldest first; all ""
        self._reads: dict[
            int, set[int]
        ] = {}  # each read in flight: the users whose names have not changed meanwhile
        self.batcher: Batcher[tuple[int, ...], Mapping[int, str]] = Batcher(self._load, BATCH_MAX, limits)

    async def call(self, user_id: int, name: str) -> None:
        """Others see the user called so from now on; "": not at all. Raises RequestRefused, StoreUnavailable."""
        if not self._self_service:
            raise RequestRefused(Reason.BACKEND_DECIDES)
        self.check(name)
        if name and not unique_form(name):
            raise RequestRefused(Reason.BAD_NAME, "name: no character of it is visible")
        try:
            await self._store.choose_name(user_id, name)
        except NameTaken:
            raise RequestRefused(Reason.NAME_TAKEN) from None
        self._drop(user_id)  # read again when it is needed: another server may have changed it since

    def check(self, name: str) -> None:
        """Raise RequestRefused if no user may be called so."""
        check_text("name", name, 0, self._limits.name_bytes_max, Reason.BAD_NAME)

    def forget(self, user_ids: Iterable[int]) -> None:
        """The names of these users have changed: they are read again when they are needed next."""
        for user_id in user_ids:
            self._drop(user_id)

    def forget_all(self) -> None:
        """Any name may have changed."""
        self._names.clear()
        self._nameless.clear()
        for asked in self._reads.values():
            asked.clear()

    async def of(self, user_ids: Sequence[int]) -> list[str]:
        """The names of these users, in their order; "" for a user without a name, or if it cannot be read now."""
        names = {one: name for one in user_ids if (name := self._used(one)) is not None}
        if missing := {one for one in user_ids if one not in names}:
            # the names in memory were taken out before: they may be dropped from memory during the read
            names.update(await self._read(tuple(missing)))
        return [names.get(one, "") for one in user_ids]

    async def by_id(self, user_ids: Iterable[int]) -> dict[int, str]:
        """The names of these users, by their ids."""
        asked = list(dict.fromkeys(user_ids))
        return dict(zip(asked, await self.of(asked), strict=True))

    async def _read(self, user_ids: tuple[int, ...]) -> Mapping[int, str]:
        """All of them are one item of a batch: a task and a future for each would cost more than reading them."""
        unchanged = set(user_ids)
        self._reads[id(unchanged)] = unchanged
        try:
            found = await self.batcher.submit(user_ids)
        except RequestRefused:
            return {}
        finally:
            del self._reads[id(unchanged)]
        for user_id in unchanged:
            self._keep(user_id, found.get(user_id, ""))
        return found

    async def _load(self, asked: list[tuple[int, ...]]) -> list[Mapping[int, str]]:
        found = await self._store.names(list({user_id for user_ids in asked for user_id in user_ids}))
        return [found] * len(asked)

    def _drop(self, user_id: int) -> None:
        """Have no name of this user in memory, nor take one from a read that began before now."""
        self._names.pop(user_id, None)
        self._nameless.pop(user_id, None)
        for unchanged in self._reads.values():
            unchanged.discard(user_id)

    def _keep(self, user_id: int, name: str) -> None:
        kept, most = (self._names, 1.0) if name else (self._nameless, NAMELESS_PART)
        kept[user_id] = name
        if len(kept) > self._kept_max * most:
            kept.popitem(last=False)

    def _used(self, user_id: int) -> str | None:
        name = self._names.get(user_id)
        if name is None:
            return self._nameless.get(user_id)
        self._names.move_to_end(user_id)
        return name
