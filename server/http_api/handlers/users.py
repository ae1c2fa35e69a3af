"""Requests on users."""

from __future__ import annotations

from msgspec import UNSET

from protocol import tokens
from protocol.codes import Refusal
from server.clock import Clock
from server.http_api.handlers.call import Call, Gate
from server.http_api.problems import Problem
from server.http_api.shapes import users as shapes
from server.services.assembly import Services


class UserRequests:
    """Known users, bans, tokens."""

    def __init__(self, services: Services, gate: Gate, clock: Clock, token_lifetime_s: float) -> None:
        self._people, self._names, self._lookups = services.people, services.names, services.lookups
        self._standing, self._login, self._reads = services.standing, services.login, services.reads
        self._forgetting, self._sightings = services.forgetting, services.risk.sightings
        self._gate = gate
        self._now_ms = clock.now_ms
        self.token_lifetime_s = token_lifetime_s  # a reload changes it

    async def put(self, call: Call) -> shapes.UserPutReply:
        """Make a user known, and say how others see them"""
        user_id, body = call.path["user_id"], call.body
        await self._people.put({user_id: body.name}, {user_id: body.avatar_url})
        return shapes.UserPutReply(str(user_id), body.name, body.avatar_url)

    async def get(self, call: Call) -> shapes.UserReply:
        """A user, and what is in their wallet"""
        user_id = call.path["user_id"]
        async with self._reads.turn():
            found = await self._lookups.user(user_id)
            avatar_url = await self._people.avatar_url(user_id)
        if not found.is_known:
            raise Problem(Refusal.NO_SUCH_USER)
        [name] = await self._names.of([user_id])
        return shapes.UserReply(
            str(user_id), name, found.is_banned, found.balance_fen, found.arriving_fen, avatar_url
        )

    async def ban(self, call: Call) -> shapes.UserBanReply:
        """End all connections of a user, and refuse all that they ask"""
        await self._people.ban(call.path["user_id"])
        return shapes.UserBanReply(str(call.path["user_id"]), banned=True)

    async def unban(self, call: Call) -> shapes.UserBanReply:
        """Let a banned user in again"""
        await self._people.lift_ban(call.path["user_id"])
        return shapes.UserBanReply(str(call.path["user_id"]), banned=False)

    async def forget(self, call: Call) -> shapes.UserForgottenReply:
        """Erase the name, the picture, the cards and the pay password of a user; the books stay"""
        await self._forgetting.forget(call.path["user_id"])
        return shapes.UserForgottenReply(str(call.path["user_id"]))

    async def see(self, call: Call) -> shapes.SightingReply:
        """Tell on which device and at which address a user was seen, for risk control"""
        user_id = call.path["user_id"]
        await self._people.check_known([user_id])
        seen = await self._sightings.see(user_id, call.body.device, call.body.address)
        return shapes.SightingReply(str(user_id), seen.of_device, seen.of_address)

    async def revoke_tokens(self, call: Call) -> shapes.TokensRevokedReply:
        """End all connections of a user, and refuse the tokens that they have"""
        tokens_from_s = await self._people.revoke_tokens(call.path["user_id"])
        return shapes.TokensRevokedReply(str(call.path["user_id"]), tokens_from_s)

    async def token(self, call: Call) -> shapes.TokenReply:
        """Make a login token for a user's client"""
        user_id, asked_s = call.path["user_id"], call.body.lifetime_s
        self._gate.check_current()
        standing = await self._standing.check(user_id)
        key_id, key = self._login.signing_key
        # a token of the second of a revocation would be refused
        issued_at_s = max(self._now_ms() // 1000, standing.tokens_from_s)
        expires_at_s = issued_at_s + int(self.token_lifetime_s if asked_s is UNSET else asked_s)
        made = tokens.mint(user_id, expires_at_s, key_id, key, issued_at_s)
        return shapes.TokenReply(str(user_id), str(made), expires_at_s)
