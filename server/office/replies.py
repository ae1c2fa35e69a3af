"""What a request gets: pages and redirects with their headers, and the cookies of sessions and of flows."""

from __future__ import annotations

from typing import Final, Literal

from aiohttp import web

from server.office.context import say
from server.office.pages import frame

COOKIE: Final = "hongbao_office"
FLOW_COOKIE: Final = "hongbao_office_flow"
HEADERS: Final = {
    "Server": "hongbao",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would not say where a form comes from
    "X-Content-Type-Options": "nosniff",
}


class Cookies:
    """Sets and reads cookies. `is_secure`: browsers reach the back office over TLS."""

    def __init__(self, *, is_secure: bool) -> None:
        self._is_secure = is_secure
        prefix = "__Host-" if is_secure else ""
        self._session, self._flow = prefix + COOKIE, prefix + FLOW_COOKIE

    def session_of(self, request: web.BaseRequest) -> str:
        """The secret of a session; empty: there is none."""
        return request.cookies.get(self._session, "")

    def flow_of(self, request: web.BaseRequest) -> str:
        """The secret of a flow of single sign-on; empty: there is none."""
        return request.cookies.get(self._flow, "")

    def set_session(self, response: web.Response, secret: str, seconds: int) -> None:
        """A session has begun."""
        self._set(response, self._session, secret, seconds, "Strict")

    def drop_session(self, response: web.Response) -> None:
        """It has ended."""
        self._drop(response, self._session, "Strict")

    def set_flow(self, response: web.Response, secret: str, seconds: int) -> None:
        """A flow has begun: its cookie comes back from the site of the provider."""
        self._set(response, self._flow, secret, seconds, "Lax")

    def drop_flow(self, response: web.Response) -> None:
        """It has ended."""
        self._drop(response, self._flow, "Lax")

    def _set(
        self, response: web.Response, name: str, secret: str, seconds: int, same_site: Literal["Strict", "Lax"]
    ) -> None:
        response.set_cookie(
            name,
            secret,
            max_age=seconds,
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite=same_site,
        )

    def _drop(self, response: web.Response, name: str, same_site: Literal["Strict", "Lax"]) -> None:
        response.del_cookie(name, path="/", secure=self._is_secure, httponly=True, samesite=same_site)


def page(status: int, body: str) -> web.Response:
    """A page of markup."""
    response = web.Response(status=status, body=body.encode("utf-8", "replace"), headers=HEADERS)
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Content-Security-Policy"] = frame.style().policy
    return response


def moved(place: str) -> web.Response:
    """Another page."""
    return web.Response(status=303, headers={**HEADERS, "Location": place})


def too_many(language: str, then: str, wait_s: float, *, has_sign_on: bool) -> web.Response:
    """An address has tried too often."""
    seconds = int(wait_s) + 1
    said = say(language, "too_many", seconds)
    response = page(429, frame.login(language, then, said, has_sign_on=has_sign_on))
    response.headers["Retry-After"] = str(seconds)
    return response
