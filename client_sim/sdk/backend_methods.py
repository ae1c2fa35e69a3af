"""The methods of `Client` for the chat backend, the user 0. For other users they raise Forbidden."""

from __future__ import annotations

from collections.abc import Collection

from client_sim.sdk.ask import Requests
from protocol import messages


class BackendMethods(Requests):
    """Money from outside, groups and members."""

    async def top_up(self, user_id: int, amount_fen: int, key: str | None = None) -> int:
        """Put money into a wallet; its new balance in fen. `key`, errors: as `send_packet`."""
        request = messages.TopUp(0, key or "", user_id, amount_fen)
        return (await self._ask_with_key(request, messages.ToppedUp)).balance_fen

    async def withdraw(self, user_id: int, amount_fen: int, key: str | None = None) -> int:
        """Take money out of a wallet; its new balance in fen. For `key` see `send_packet`.

        Raises Forbidden, NotEnoughMoney, BadAmount, KeyReused, StoreUnavailable.
        """
        request = messages.Withdraw(0, key or "", user_id, amount_fen)
        return (await self._ask_with_key(request, messages.Withdrawn)).balance_fen

    async def put_group(self, external_id: str, name: str, owner_id: int = 0, audience: str = "members") -> int:
        """Make or change the group that has this id (1 to 64 bytes) at the backend; its id here. Again is harmless.

        `owner_id` 0: no user owns it. `audience`: "members" (a member list, see `sync_members`), or "signature" (no
        list: users show passes that the backend signs). It cannot be changed later.
        Raises Refusal (bad_name, bad_request).
        """
        request = messages.PutGroup(0, external_id, name, owner_id, audience)
        return (await self._ask(request, messages.GroupPut)).group_id

    async def sync_members(self, group_id: int, version: int, user_ids: Collection[int]) -> messages.MembersSynced:
        """Put the whole member list of a group, as it is at `version`; again is harmless.

        Versions are numbers of the backend that grow, for example its clock in milliseconds: an older call that
        arrives late changes nothing, and newer changes of single members stay. Raises NoSuchGroup, GroupFull.
        """
        request = messages.SyncMembers(0, group_id, version, list(user_ids))
        return await self._ask(request, messages.MembersSynced)

    async def change_members(
        self, group_id: int, version: int, joined: Collection[int] = (), left: Collection[int] = ()
    ) -> messages.MembersChanged:
        """Users who joined and left a group at `version`, at most messages.MEMBERS_MAX of each; see `sync_members`.

        Raises NoSuchGroup, GroupFull.
        """
        request = messages.ChangeMembers(0, group_id, version, list(joined), list(left))
        return await self._ask(request, messages.MembersChanged)

    async def put_chat(self, user_id: int, other_id: int) -> int:
        """The one-to-one chat of two users, made if there is none; the id of its stream. Again is harmless."""
        return (await self._ask(messages.PutChat(0, user_id, other_id), messages.ChatPut)).stream_id
