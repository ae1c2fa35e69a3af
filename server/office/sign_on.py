"""The two requests of single sign-on: the way to the provider, and the way back.

The cookie of a flow is sent where another site leads (SameSite=Lax), because the provider is one; that of a session
is not, so the way back ends with a page of our own.
"""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import web

from server.core.office.operator_keys import SESSION_MS
from server.core.office.sign_on import BACK, FLOW_MS, SignOnRefused
from server.office.context import say
from server.office.pages import frame
from server.office.replies import Cookies, moved, page, too_many
from server.office.requests import own_path, query_of
from server.services.office.operators import TooManyLogins
from server.services.office.sign_on import SignOnService

LOG = structlog.get_logger()
BEGIN: Final = "/oidc"
PATHS: Final = (BEGIN, BACK)


class SignOnPages:
    """Requests without a session."""

    def __init__(self, service: SignOnService, cookies: Cookies) -> None:
        self._service, self._cookies = service, cookies

    async def answer(self, request: web.BaseRequest, path: str, language: str) -> web.Response:
        """To one of PATHS. Raises StoreUnavailable."""
        if request.method != "GET":
            return page(405, frame.alone(language, say(language, "wrong_method"), say(language, "not_found_text")))
        try:
            return await (self._begin(request) if path == BEGIN else self._finish(request, language))
        except TooManyLogins as refused:
            return too_many(language, "", refused.wait_s, has_sign_on=True)
        except SignOnRefused as refused:
            LOG.warning("office_sign_on_failed", why=str(refused), address=request.remote or "")
            said = say(language, refused.word)
            response = page(403, frame.login(language, "/", said, has_sign_on=True))
            if path == BACK:
                self._cookies.drop_flow(response)
            return response

    async def _begin(self, request: web.BaseRequest) -> web.Response:
        then = own_path(query_of(request).get("then", ""))
        begun = await self._service.begin(then, request.remote or "")
        response = moved(begun.url)
        self._cookies.set_flow(response, begun.secret, FLOW_MS // 1000)
        return response

    async def _finish(self, request: web.BaseRequest, language: str) -> web.Response:
        secret = self._cookies.flow_of(request)
        done = await self._service.finish(secret, query_of(request), request.remote or "")
        response = page(200, frame.goes_on(language, own_path(done.path)))
        self._cookies.drop_flow(response)
        self._cookies.set_session(response, done.secret, SESSION_MS // 1000)
        return response
