"""What is served below /app/: the files of the app, and the exchange of an invite for a login token."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from protocol import tokens
from protocol.codes import Refusal
from server.core.signed_requests import SignedHeaders, Unauthorized
from server.http_api.problems import Problem
from server.http_api.web import invite as invites
from server.http_api.web.files import files
from server.services.assembly import Services
from server.undecodable import UNDECODABLE

PATH: Final = "/app"
ENTER: Final = "enter"
SIGNER: Final = "web_invite"  # of the seats that were taken
BODY_BYTES_MAX: Final = 1_024
REMEMBERED_MAX: Final = 1_000  # invites, with the seat that may be the next free one

Read = Callable[[int], Awaitable[bytes]]  # the body of a request, of at most so many bytes


class EnterBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends to get in."""

    invite: str


class EnterReply(msgspec.Struct):
    """A login token, for the client of the page."""

    user_id: str
    token: str
    expires_at_s: int


class WebApp:
    """The app for browsers."""

    def __init__(self, services: Services, now_ms: Callable[[], int], websocket: str, card_hint: str = "") -> None:
        """`websocket`: where the page connects; `card_hint`: see `files`. Raises OSError."""
        self._files = files(websocket, card_hint)
        self._login, self._nonces, self._standing = services.login, services.nonces, services.standing
        self._now_ms = now_ms
        self._next_seat: OrderedDict[tuple[int, ...], int] = OrderedDict()
        self.token_lifetime_s = 0.0  # set once the API listens, and by a reload

    async def answer(self, request: web.BaseRequest, read: Read) -> web.Response:
        """Serve a request below /app. Raises Problem, RequestRefused, StoreUnavailable."""
        path = request.raw_path.partition("?")[0].removeprefix(PATH)
        if not path:  # relative, so that it holds behind a proxy that adds a path
            return web.Response(status=308, headers={"Location": "app/"})
        name = path[1:]
        if name == ENTER:
            _check_method(request, "POST")
            reply = await self._enter(await read(BODY_BYTES_MAX))
            return web.Response(body=msgspec.json.encode(reply), headers={"Cache-Control": "no-store"})
        if name not in self._files:
            raise Problem(Refusal.UNKNOWN_REQUEST, "the app is at /app/")
        _check_method(request, "GET")
        return self._file(name, request)

    def _file(self, name: str, request: web.BaseRequest) -> web.Response:
        file = self._files[name]
        headers = {**file.headers, "ETag": file.tag}
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.zipped, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)

    async def _enter(self, body: bytes) -> EnterReply:
        """A token for the next free seat of an invite. Raises Problem."""
        try:
            text = msgspec.json.decode(body, type=EnterBody).invite
            claim, key_id = invites.verify(text, self._login.key, self._now_ms() / 1000)
        except (*UNDECODABLE, invites.BadInvite) as error:
            raise Problem(Refusal.BAD_INVITE, str(error)) from None
        user_id = await self._take_seat(claim, key_id)
        standing = await self._standing.check(user_id)
        # a token of the second of a revocation would be refused
        issued_at_s = max(self._now_ms() // 1000, standing.tokens_from_s)
        expires_at_s = issued_at_s + int(self.token_lifetime_s)
        made = tokens.mint(user_id, expires_at_s, *self._login.signing_key, issued_at_s)
        return EnterReply(str(user_id), str(made), expires_at_s)

    async def _take_seat(self, claim: invites.InviteClaim, key_id: str) -> int:
        """The user of the first free seat, which is taken from now on, on all servers. Raises Problem."""
        for seat in range(self._next_seat.get(claim, 0), claim.seats):
            nonce = f"{claim.first_user_id + seat}.{claim.issued_at_s}"
            try:
                # it is kept until the invite has expired
                await self._nonces.accept(SIGNER, SignedHeaders(key_id, claim.expires_at_s, nonce, ""))
            except Unauthorized:
                continue
            finally:
                self._remember(claim, seat + 1)
            return claim.first_user_id + seat
        raise Problem(Refusal.BAD_INVITE, "all seats of the invite are taken")

    def _remember(self, claim: invites.InviteClaim, seat: int) -> None:
        """Seats before this one are taken: they need not be tried again."""
        self._next_seat[claim] = max(seat, self._next_seat.get(claim, 0))
        self._next_seat.move_to_end(claim)
        while len(self._next_seat) > REMEMBERED_MAX:
            self._next_seat.popitem(last=False)


def _check_method(request: web.BaseRequest, allowed: str) -> None:
    if request.method != allowed:
        raise Problem(Refusal.UNKNOWN_REQUEST, f"allowed: {allowed}", status=405, headers={"Allow": allowed})
