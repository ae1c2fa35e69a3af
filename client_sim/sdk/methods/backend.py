"""The methods of `Client` for the chat backend, the user 0. For other users they raise Forbidden."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from client_sim.sdk.ask import Requests
from protocol import messages


class BackendMethods(Requests):
    """Money from outside, users, groups and their members.

    `known_only`: raise NoSuchUser and change nothing if the server does not know one of the users; otherwise a user
    who gets money, is banned or is put into a group is known from then on.
    """

    async def top_up(
        self, user_id: int, amount_fen: int, key: str | None = None, *, known_only: bool = False
    ) -> int:
        """Put money into a wallet; its new balance in fen. For `key` see `send_packet`.

        Raises Forbidden, BadAmount, KeyReused, NoSuchUser, StoreUnavailable, Refusal (bad_key).
        """
        request = messages.TopUp(0, "", user_id, amount_fen, known_only)
        return (await self._ask_with_key(request, key, messages.ToppedUp)).balance_fen

    async def withdraw(self, user_id: int, amount_fen: int, key: str | None = None) -> int:
        """Take money out of a wallet; its new balance in fen. For `key` see `send_packet`.

        Raises Forbidden, NotEnoughMoney, BadAmount, KeyReused, StoreUnavailable, Refusal (bad_key).
        """
        request = messages.Withdraw(0, "", user_id, amount_fen)
        return (await self._ask_with_key(request, key, messages.Withdrawn)).balance_fen

    async def pay(self, user_id: int, amount_fen: int, text: str = "", key: str | None = None) -> messages.Paid:
        """Let a user pay from the wallet for what `text` says. For `key` see `send_packet`.

        Raises Forbidden, NotEnoughMoney, BadAmount, KeyReused, StoreUnavailable, Refusal (bad_key, bad_text).
        """
        return await self._ask_with_key(messages.Pay(0, "", user_id, amount_fen, text), key, messages.Paid)

    async def refund_to_card(
        self, payment_id: int, amount_fen: int, key: str | None = None
    ) -> messages.RefundedToCard:
        """Give a charge, or a part of it, from the wallet of its user back to its card.

        It leaves the wallet at once; `state` says whether the bank has it. For `key` see `send_packet`; it belongs
        to the user of the charge.

        Raises Forbidden, NotEnoughMoney, LimitReached (less is left of the charge), BadAmount, KeyReused,
        BankDeclined, BankAway, StoreUnavailable, Refusal (bad_key, bad_target: no charge of a card).
        """
        request = messages.RefundToCard(0, "", payment_id, amount_fen)
        return await self._ask_with_key(request, key, messages.RefundedToCard)

    async def forget_user(self, user_id: int) -> None:
        """Erase the name, the picture, the cards and the pay password of a user. Again is harmless.

        Raises Forbidden, NoSuchUser, BankAway, BankUnknown (a payment of the user has not ended).
        """
        await self._ask(messages.ForgetUser(0, user_id), messages.UserForgotten)

    async def put_users(self, names: Mapping[int, str]) -> int:
        """These users exist and are called so ("": no name); how many. Again is harmless.

        At most messages.MEMBERS_MAX at once. Raises Forbidden, Refusal (bad_name: then none of them was put).
        """
        users = [messages.UserLine(user_id, name) for user_id, name in names.items()]
        return (await self._ask(messages.PutUsers(0, users), messages.UsersPut)).users

    async def ban_user(self, user_id: int, banned: bool = True, *, known_only: bool = False) -> None:
        """End all connections of a user and refuse their logins, until `banned` is False.

        It holds on every server when this returns. Again is harmless. Raises Forbidden, StoreUnavailable.
        """
        await self._ask(messages.BanUser(0, user_id, banned, known_only), messages.UserBanned)

    async def revoke_tokens(self, user_id: int, *, known_only: bool = False) -> int:
        """End all connections of a user and refuse the tokens that they have; on every server.

        The second (since 1970) from which on a token must be issued to be accepted: mint none with an earlier one.
        """
        request = messages.RevokeTokens(0, user_id, known_only)
        return (await self._ask(request, messages.TokensRevoked)).tokens_from_s

    async def put_group(
        self,
        external_id: str,
        name: str,
        owner_id: int = 0,
        audience: str = "members",
        *,
        known_only: bool = False,
    ) -> int:
        """Make or change the group that has this id (1 to 64 bytes) at the backend; its id here. Again is harmless.

        `owner_id` 0: no user owns it. `audience`: "members" (a member list, see `sync_members`), or "signature" (no
        list: users show passes that the backend signs). It cannot be changed later.
        Raises Refusal (bad_name, bad_request).
        """
        request = messages.PutGroup(0, external_id, name, owner_id, audience, known_only)
        return (await self._ask(request, messages.GroupPut)).group_id

    async def delete_group(self, external_id: str) -> int:
        """Delete the group that has this id at the backend, for good; its id here. Again is harmless.

        Its members are out, its open packets are refunded when they expire. Raises NoSuchGroup.
        """
        return (await self._ask(messages.DeleteGroup(0, external_id), messages.GroupDeleted)).group_id

    async def sync_members(
        self, group_id: int, version: int, user_ids: Collection[int], *, known_only: bool = False
    ) -> messages.MembersSynced:
        """Put the whole member list of a group, as it is at `version`; again is harmless.

        Versions are numbers of the backend that grow, for example its clock in milliseconds: an older call that
        arrives late changes nothing, and newer changes of single members stay. Raises NoSuchGroup, GroupFull.
        """
        request = messages.SyncMembers(0, group_id, version, list(user_ids), known_only)
        return await self._ask(request, messages.MembersSynced)

    async def change_members(
        self,
        group_id: int,
        version: int,
        joined: Collection[int] = (),
        left: Collection[int] = (),
        *,
        known_only: bool = False,
    ) -> messages.MembersChanged:
        """Users who joined and left a group at `version`, at most messages.MEMBERS_MAX of each; see `sync_members`.

        Raises NoSuchGroup, GroupFull.
        """
        request = messages.ChangeMembers(0, group_id, version, list(joined), list(left), known_only)
        return await self._ask(request, messages.MembersChanged)

    async def put_chat(self, user_id: int, other_id: int) -> int:
        """The one-to-one chat of two users, made if there is none; the id of its stream. Again is harmless."""
        return (await self._ask(messages.PutChat(0, user_id, other_id), messages.ChatPut)).stream_id
