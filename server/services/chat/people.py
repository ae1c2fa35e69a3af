"""Users as the chat backend decides: who is known, who is banned, their names, the tokens that are revoked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from server.core.ids import is_user
from server.core.refusals import Reason, RequestRefused
from server.services.chat.names import NameService
from server.services.chat.passes import PassService
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.events import AccessChange
from storage.errors import StoreUnavailable
from storage.postgres.chat.users import AccessRow, UserStore

READ_MAX: Final = 10_000  # users whose access is read at once
UNKNOWN_TOLD_MAX: Final = 5


class PeopleService:
    """Use cases of the chat backend on users. Each is idempotent, and done on all servers when it returns.

    Raises RequestRefused, StoreUnavailable: then ask again.
    """

    def __init__(
        self,
        store: UserStore,
        names: NameService,
        passes: PassService,
        changes: ChangeFeed,
        now_ms: Callable[[], int],
        bus: Bus,
    ) -> None:
        self._store = store
        self._names = names
        self._passes = passes
        self._changes = changes
        self._now_ms = now_ms
        self._bus = bus
        changes.on_change("user", self.follow)
        changes.on_gap(self.catch_up)

    async def put(self, names: Mapping[int, str], avatar_urls: Mapping[int, str] | None = None) -> None:
        """These users are known, and called so; other users who have chosen such a name have none from now on.

        Names are for display, so no other server is waited for.
        """
        for user_id, name in names.items():
            try:
                self._names.check(name)
            except RequestRefused as refused:
                raise RequestRefused(refused.reason, f"{refused.detail} (user {user_id})") from None
        lost = await self._store.put(names, avatar_urls)
        self._names.forget((*names, *lost))

    async def avatar_url(self, user_id: int) -> str:
        """Where the picture of a user is; empty: nowhere."""
        return (await self._store.avatar_urls([user_id])).get(user_id, "")

    async def avatar_urls(self, user_ids: Sequence[int]) -> list[str]:
        """The pictures of users in their order; "": none, or it cannot be read now, as with names."""
        try:
            found = await self._store.avatar_urls(list(user_ids))
        except StoreUnavailable:
            found = {}
        return [found.get(user_id, "") for user_id in user_ids]

    async def check_known(self, user_ids: Sequence[int]) -> None:
        """Raises RequestRefused if one of these users is not known here, such as the id of a mistyped name."""
        if unknown := await self._store.unknown(user_ids):
            listed = ", ".join(map(str, unknown[:UNKNOWN_TOLD_MAX]))
            more = f" and {len(unknown) - UNKNOWN_TOLD_MAX} more" if len(unknown) > UNKNOWN_TOLD_MAX else ""
            raise RequestRefused(Reason.NO_SUCH_USER, f"the server knows no user {listed}{more}")

    async def ban(self, user_id: int) -> None:
        """End the connections of a user and refuse their logins, until the ban is lifted."""
        await self._announce(await self._store.ban(user_id, self._now_ms()))

    async def lift_ban(self, user_id: int) -> None:
        """Let a user in again."""
        await self._announce(await self._store.ban(user_id, None))

    async def revoke_tokens(self, user_id: int) -> int:
        """End the connections of a user and refuse their tokens; those issued from this second on are accepted."""
        access = await self._store.revoke_tokens(user_id, self._now_ms() // 1000 + 1)
        await self._announce(access)
        return access.tokens_from_s

    async def _announce(self, access: AccessRow) -> None:
        self._publish(access)
        await self._passes.follow(access.user_id, access.version)
        await self._changes.wait_until_told("user", access.user_id, access.version)

    # --- what the record says, also of other servers' changes -------------------------------------------------

    async def follow(self, user_id: int, version: int) -> None:
        """A user has changed. A login in flight is a client already, and so are its connections later."""
        self._names.forget((user_id,))
        if self._bus.is_awaited(AccessChange, (user_id,)):
            await self._read([user_id])

    async def catch_up(self) -> None:
        """Any user may have changed."""
        self._names.forget_all()
        user_ids = [user_id for user_id in self._bus.online() if is_user(user_id)]
        for first in range(0, len(user_ids), READ_MAX):
            await self._read(user_ids[first : first + READ_MAX])

    async def _read(self, user_ids: Sequence[int]) -> None:
        for access in await self._store.restricted(user_ids):
            self._publish(access)

    def _publish(self, access: AccessRow) -> None:
        """Connections that the record no longer allows end."""
        event = AccessChange(access.user_id, access.is_banned, access.tokens_from_s)
        self._bus.publish(event, (access.user_id,))
