"""Requests of the chat backend on users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from protocol import messages
from protocol.messages import Message
from server.net.session import Session
from server.services.assembly import Services


class PeopleHandlers:
    """Known users, bans, revoked tokens."""

    def __init__(self, services: Services) -> None:
        self._people, self._forgetting = services.people, services.forgetting

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request."""
        return {
            messages.PutUsers: self.put_users,
            messages.BanUser: self.ban_user,
            messages.RevokeTokens: self.revoke_tokens,
            messages.ForgetUser: self.forget_user,
        }

    async def put_users(self, session: Session, request: messages.PutUsers) -> Message:
        names = {user.user_id: user.name for user in request.users}
        await self._people.put(names)
        return messages.UsersPut(0, len(names))

    async def ban_user(self, session: Session, request: messages.BanUser) -> Message:
        if request.known_only:
            await self._people.check_known([request.user_id])
        if request.banned:
            await self._people.ban(request.user_id)
        else:
            await self._people.lift_ban(request.user_id)
        return messages.UserBanned(0, request.user_id, request.banned)

    async def forget_user(self, session: Session, request: messages.ForgetUser) -> Message:
        await self._forgetting.forget(request.user_id)
        return messages.UserForgotten(0, request.user_id)

    async def revoke_tokens(self, session: Session, request: messages.RevokeTokens) -> Message:
        if request.known_only:
            await self._people.check_known([request.user_id])
        tokens_from_s = await self._people.revoke_tokens(request.user_id)
        return messages.TokensRevoked(0, request.user_id, tokens_from_s)
