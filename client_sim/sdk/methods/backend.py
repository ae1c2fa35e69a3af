"""The methods of `Client` for the chat backend, the user 0. For other users they raise Forbidden."""

from __future__ import annotations

from collections.abc import Mapping

from client_sim.sdk.ask import Requests
from protocol import messages


class BackendMethods(Requests):
    """Money from outside, and users."""

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

    async def put_users(self, names: Mapping[int, str]) -> int:
        """These users exist and are called so ("": no name); how many. Again is harmless.

        At most messages.MEMBERS_MAX at once. Raises Forbidden, Refusal (bad_name: then none of them was put).
        """
        users = [messages.UserLine(user_id, name) for user_id, name in names.items()]
        return (await self._ask(messages.PutUsers(0, users), messages.UsersPut)).users

    async def ban_user(self, user_id: int, banned: bool = True) -> None:
        """End all connections of a user and refuse their logins, until `banned` is False.

        It holds on every server when this returns. Again is harmless. Raises Forbidden, StoreUnavailable.
        """
        await self._ask(messages.BanUser(0, user_id, banned), messages.UserBanned)

    async def revoke_tokens(self, user_id: int) -> int:
        """End all connections of a user and refuse the tokens that they have; on every server.

        The second (since 1970) from which on a token must be issued to be accepted: mint none with an earlier one.
        """
        return (await self._ask(messages.RevokeTokens(0, user_id), messages.TokensRevoked)).tokens_from_s
