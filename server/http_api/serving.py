"""One request of HTTP: find its route, verify its signature, decode it, have it served, encode the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog
from aiohttp import web

from protocol.codes import Refusal
from protocol.money_unit import MoneyUnit
from server import logs
from server.clock import Clock
from server.core.refusals import RequestRefused
from server.core.signed_requests import BEARER, SignedContent, Unauthorized, Verifier
from server.http_api import decoding, openapi
from server.http_api.handlers.call import Call
from server.http_api.notices import NOTICE_BYTES_MAX, NOTICE_NAME, NOTICE_PATH, NoticeRequests
from server.http_api.page import link
from server.http_api.page import shell as shells
from server.http_api.problems import CONTENT_TYPE, Problem, refused
from server.http_api.routes import ROUTES, BadPath, Route, find, tree
from server.services.runtime.store_errors import StoreUnavailable
from server.services.runtime.used_nonces import UsedNonces

if TYPE_CHECKING:
    from server.http_api.web.app import WebApp

LOG = structlog.get_logger()
OPENAPI: Final = "/openapi.json"
BODY_S: Final = 20.0  # for a client to send its body
HEADERS: Final = {"Server": "hongbao", "Cache-Control": "no-store"}
SIGNER: Final = "http_api"  # of the nonces of its requests
NO_ROUTE: Final = "none"  # in place of the name of a route
WEB: Final = "/app"  # the app for browsers; for metrics and logs, too
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

Serve = Callable[[Call], Awaitable[msgspec.Struct]]
AnyBytes = TypeVar("AnyBytes", bytes, bytearray)
AnyAnswer = TypeVar("AnyAnswer")


class Serving:
    """Serves requests with these handlers, by their class."""

    def __init__(
        self,
        handlers: Mapping[type, object],
        verifier: Verifier,
        nonces: UsedNonces,
        link_key: Callable[[str], bytes | None],
        clock: Clock,
        money: MoneyUnit,
        notices: NoticeRequests,
    ) -> None:
        """`link_key` is the key of links to pages that has this id."""
        self._notices = notices
        self._verifier, self._nonces = verifier, nonces
        self._link_key = link_key
        self._money = money
        self._now_ms = clock.now_ms
        self._random_part = clock.random_part
        self._tree = tree()
        by_name = {kind.__name__: one for kind, one in handlers.items()}
        self._serve: dict[str, Serve] = {
            route.name: getattr(by_name[route.handler.__qualname__.partition(".")[0]], route.handler.__name__)
            for route in ROUTES
        }
        self._encoder = msgspec.json.Encoder()
        self.web: WebApp | None = None  # the app for browsers, if it is on
        self.draining = False
        self.under_way = 0
        self.requests: dict[str, dict[str, int]] = {}  # by route and status

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Serve one request."""
        name = NO_ROUTE
        self.under_way += 1
        try:
            if self.draining:
                raise Problem(
                    Refusal.OVERLOADED, "the server is going down: ask again", headers={"Connection": "close"}
                )
            if request.raw_path == OPENAPI:
                name = f"GET {OPENAPI}"
                response = self._document(request)
            elif shown := shells.PATH.fullmatch(request.raw_path.partition("?")[0]):
                name = shells.NAME
                response = self._shell(request, shown[1])
            elif told := NOTICE_PATH.fullmatch(request.raw_path):
                name = NOTICE_NAME
                response = await self._notice(request, told[1])
            elif self.web is not None and f"{request.raw_path}/".startswith(f"{WEB}/"):
                name = WEB
                response = await self._served(name, self.web.answer(request, partial(_read, request)))
            else:
                route, texts = self._route(request)
                name = route.name
                response = _response(200, self._encoder.encode(await self._reply(route, texts, request)))
        except Problem as problem:
            response = self._refuse(name, problem)
        finally:
            self.under_way -= 1
        statuses = self.requests.setdefault(name, {})
        status = str(response.status)
        statuses[status] = statuses.get(status, 0) + 1
        return response

    def _route(self, request: web.BaseRequest) -> tuple[Route, Mapping[str, str]]:
        try:
            found = find(self._tree, request.raw_path.partition("?")[0])
        except BadPath:
            raise Problem(Refusal.BAD_REQUEST, "the path is not percent-encoded UTF-8") from None
        if found is None:
            raise Problem(Refusal.UNKNOWN_REQUEST, f"the paths are in {OPENAPI}; none of them ends with /")
        if request.method not in found.routes:
            raise _wrong_method(request.method, ", ".join(found.routes))
        return found.routes[request.method], found.texts

    def _document(self, request: web.BaseRequest) -> web.Response:
        _check_get(request)
        return _response(200, openapi.document(self._money))

    def _shell(self, request: web.BaseRequest, name: str) -> web.Response:
        _check_get(request)
        shell = shells.shell()
        headers = {**shell.headers, "Cache-Control": shell.caching(name)}
        return _response(200, shell.body, headers=headers)

    async def _notice(self, request: web.BaseRequest, gateway: str) -> web.Response:
        """A notice of a bank. Raises Problem."""
        if request.method != "POST":
            raise _wrong_method(request.method, "POST")
        body = await _read(request, NOTICE_BYTES_MAX)
        take = self._notices.take(gateway, request.raw_path, request.headers, body)
        return _response(200, await self._served(NOTICE_NAME, take))

    async def _reply(self, route: Route, texts: Mapping[str, str], request: web.BaseRequest) -> msgspec.Struct:
        """What the services answer. Raises Problem."""

        async def answer() -> msgspec.Struct:
            return await self._serve[route.name](await self._call(route, texts, request))

        return await self._served(route.name, answer())

    async def _served(self, name: str, answer: Awaitable[AnyAnswer]) -> AnyAnswer:
        """An answer of the services. Raises Problem."""
        try:
            return await answer
        except RequestRefused as refusal:
            wait_ms = refusal.retry_after_ms
            raise refused(
                refusal, None if wait_ms is None else int(wait_ms * (0.5 + self._random_part()))
            ) from None
        except StoreUnavailable as error:
            LOG.debug("http_request_found_no_store", route=name, why=str(error))
            raise Problem(Refusal.STORE_UNAVAILABLE) from None
        except Problem:
            raise
        except Exception:
            LOG.exception("http_request_failed", route=name)
            raise Problem(Refusal.INTERNAL) from None

    async def _call(self, route: Route, texts: Mapping[str, str], request: web.BaseRequest) -> Call:
        """The request, once it is shown to be one of the chat backend, or of a page. Raises Problem."""
        headers, claim = request.headers, None
        if route.by_link:
            claim = self._link(headers.get(link.HEADER, ""))
            body = await _read(request, route.body_bytes_max)
        else:
            body = await self._authorized_body(route, request)
        encoding = headers.get("Content-Encoding", "").lower()
        return Call(
            decoding.path_of(texts),
            decoding.body_of(route, request.content_type, request.charset, encoding, body),
            decoding.query_of(route, request.raw_path.partition("?")[2]),
            decoding.key_of(route, headers.get(openapi.IDEMPOTENCY_KEY)),
            claim,
        )

    def _link(self, text: str) -> link.LinkClaim:
        """What the link of a page says. Raises Problem."""
        try:
            return link.verify(text, self._link_key, self._now_ms() / 1000)
        except link.BadLink as error:
            raise Problem(Refusal.BAD_LINK, str(error)) from None

    async def _authorized_body(self, route: Route, request: web.BaseRequest) -> bytes:
        """The body. It is read only if the headers may be right."""
        authorization = request.headers.get("Authorization", "")
        try:
            if authorization.startswith(BEARER):
                self._verifier.verify_bearer(authorization, is_private=_is_private(request))
                return await _read(request, route.body_bytes_max)
            claim = self._verifier.claim(request.headers, self._now_ms() / 1000)
            body = await _read(request, route.body_bytes_max)
            key = request.headers.get(openapi.IDEMPOTENCY_KEY, "")
            content = SignedContent(request.method, request.raw_path, key, body)
            self._verifier.verify(claim, content)
            await self._nonces.accept(SIGNER, claim)
        except Unauthorized as error:
            challenge = {"WWW-Authenticate": 'Bearer realm="hongbao"'}
            raise Problem(Refusal.FORBIDDEN, str(error), headers=challenge) from None
        return body

    def _refuse(self, name: str, problem: Problem) -> web.Response:
        rendered = problem.rendered()
        logs.debug("http_request_refused", route=name, reason=problem.code.name.lower(), detail=problem.detail)
        return _response(rendered.status, rendered.body, CONTENT_TYPE, rendered.headers)


def _check_get(request: web.BaseRequest) -> None:
    if request.method != "GET":
        raise _wrong_method(request.method, "GET")


def _wrong_method(method: str, allowed: str) -> Problem:
    why = f"not with {method[:16]}; allowed: {allowed}"
    return Problem(Refusal.UNKNOWN_REQUEST, why, status=405, headers={"Allow": allowed})


def _response(
    status: int, body: bytes, content_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> web.Response:
    response = web.Response(status=status, body=body, headers=HEADERS)
    response.headers["Content-Type"] = content_type
    if headers:
        response.headers.update(headers)
    return response


def _is_private(request: web.BaseRequest) -> bool:
    """No other machine can read this connection: it is TLS, or does not leave this machine."""
    transport = request.transport
    if transport is None:
        return False
    try:
        return transport.get_extra_info("sslcontext") is not None or ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


async def _read(request: web.BaseRequest, most: int) -> bytes:
    """The body of a request. Raises Problem."""
    if (request.content_length or 0) > most:
        raise _too_large(most)
    if not request.can_read_body:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0
    try:
        if request.content.is_eof():  # most bodies come with their head, and need no timer
            return _bounded(request.content.read_nowait(), most)
        async with asyncio.timeout(BODY_S):
            return await _read_parts(request, most)
    except TimeoutError:
        raise Problem(Refusal.BAD_REQUEST, "the body did not come in time", status=408) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(Refusal.BAD_REQUEST, "the body did not come as HTTP says") from None


async def _read_parts(request: web.BaseRequest, most: int) -> bytes:
    body = bytearray()
    while part := await request.content.readany():
        body += part
        _bounded(body, most)
    return bytes(body)


def _bounded(body: AnyBytes, most: int) -> AnyBytes:
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> Problem:
    return Problem(Refusal.BAD_REQUEST, f"the body has more than {most} bytes", status=413)
