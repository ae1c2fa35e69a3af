"""A request as a handler gets it, and what it needs to act on behalf of a user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from protocol.codes import Refusal
from protocol.messages.base import ID_MAX
from server.core.refusals import Reason, RequestRefused
from server.http_api.page.link import LinkClaim
from server.http_api.problems import Problem
from server.refusal_codes import NOT_CURRENT
from server.services.chat.backend_groups import BackendGroupService
from server.services.money.wallets import WalletService
from server.services.runtime.change_feed import ChangeFeed


class Call(NamedTuple):
    """A request: the parameters of its path, its body, its query, and its idempotency key ("" where none is used).

    `path` holds an int for an id, a text for a group. `link` says whose page makes the request, if a page does.
    """

    path: dict[str, Any]
    body: Any
    query: Any
    key: str
    link: LinkClaim | None = None


class Gate:
    """What a request on behalf of a user passes, as a request of the user's own does on the wire."""

    def __init__(self, changes: ChangeFeed, admit: Callable[[int], float]) -> None:
        """`admit` takes a token of a user's bucket: 0.0, or the seconds until there is one."""
        self._changes = changes
        self._admit = admit

    def enter(self, user_id: int) -> None:
        """Raise Problem if this user may not make a request now."""
        if wait_s := self._admit(user_id):
            raise Problem(Refusal.RATE_LIMITED, retry_after_ms=int(wait_s * 1000) + 1)
        self.check_current()

    def check_current(self) -> None:
        """Raise Problem if another server may have changed what this one has in memory."""
        if not self._changes.is_current:
            raise Problem(Refusal.STORE_UNAVAILABLE, NOT_CURRENT)


async def target_of(
    groups: BackendGroupService,
    group: str | UnsetType,
    number: int | UnsetType,
    name: str,
    *,
    optional: bool = False,
) -> int:
    """The id of a target that is named in one of two ways; 0: in none, where it is `optional`."""
    if (group is UNSET) == (number is UNSET) and not (optional and group is UNSET):
        raise Problem(Refusal.BAD_REQUEST, f"give either group or {name}", pointer="")
    if group is UNSET:
        return 0 if number is UNSET else number
    return await groups.id_of(group)


async def with_balance(
    refused: RequestRefused, wallets: WalletService, user_id: int, needed_fen: int
) -> RequestRefused:
    """The refusal as the chat backend is told it: for lack of money with what the wallet holds."""
    if refused.reason is not Reason.NOT_ENOUGH_MONEY:
        return refused
    balance_fen = (await wallets.holding(user_id)).balance.fen
    return RequestRefused(
        refused.reason, f"balance_fen of user {user_id} is {balance_fen}, needed are {needed_fen}"
    )


def cursor_number(cursor: str, least: int = 0) -> int:
    """The number that a cursor is; none: `least`. Raises RequestRefused."""
    if not cursor:
        return least
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) <= ID_MAX):
        raise RequestRefused(Reason.BAD_REQUEST, "cursor: it is not one of this list")
    return int(cursor)
