"""One request of the back office: its session, its door, its entry in the log, and only then its answer."""

from __future__ import annotations

from urllib.parse import quote

import structlog
from aiohttp import web

from protocol.money_unit import MoneyUnit
from server.clock import Clock
from server.core.office.entries import OfficeRefused, Operator, Subject
from server.core.office.operator_keys import SESSION_MS, form_proof, is_proof
from server.core.office.roles import DOORS, Door, OfficeRole, may
from server.office.answers import Changed, NotThere, OfficeAnswer, Taken
from server.office.context import LANGUAGES, Ask, say
from server.office.pages import frame
from server.office.replies import HEADERS, Cookies, moved, page, too_many
from server.office.requests import (
    LANGUAGE_COOKIE,
    BadForm,
    form_of,
    is_from_here,
    language_of,
    own_path,
    query_of,
)
from server.office.routes import OfficeRoute, OfficeRoutes
from server.office.sign_on import PATHS, SignOnPages
from server.services.office.assembly import OfficeServices
from server.services.office.operators import TooManyLogins
from server.services.runtime.store_errors import StoreUnavailable

LOG = structlog.get_logger()


class OfficeServing:
    """Serves requests. `is_secure`: browsers reach it over TLS, here or in a proxy."""

    def __init__(self, office: OfficeServices, clock: Clock, money: MoneyUnit, *, is_secure: bool) -> None:
        self._office = office
        self._now_ms = clock.now_ms
        self._money = money
        self._cookies = Cookies(is_secure=is_secure)
        self._sign_on = None if office.sign_on is None else SignOnPages(office.sign_on, self._cookies)
        self.routes = OfficeRoutes(office)

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """The answer; never an exception."""
        language = language_of(request)
        try:
            return await self._serve(request, language)
        except StoreUnavailable as error:
            LOG.warning("office_found_no_store", path=request.path[:100], why=str(error))
            return page(503, frame.alone(language, say(language, "no_store"), say(language, "no_store_text")))
        except BadForm:
            return page(400, frame.alone(language, say(language, "not_done"), say(language, "bad_form")))
        except Exception:
            LOG.exception("office_request_failed", path=request.path[:100])
            return page(500, frame.alone(language, say(language, "defect"), say(language, "defect")))

    async def _serve(self, request: web.BaseRequest, language: str) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if request.method == "POST" and not is_from_here(request.headers):
            return page(403, frame.alone(language, say(language, "not_done"), say(language, "bad_form")))
        if path == "/login":
            return await self._login(request, language)
        if self._sign_on is not None and path in PATHS:
            return await self._sign_on.answer(request, path, language)
        secret = self._cookies.session_of(request)
        operator = await self._office.operators.operator(secret, request.remote or "")
        if operator is None:
            then = f"?then={quote(request.raw_path, safe='')}" if request.method == "GET" and path != "/" else ""
            return moved(f"/login{then}")
        form = await form_of(request) if request.method == "POST" else {}
        if request.method == "POST" and not is_proof(secret, form.get("proof", "")):
            return page(403, frame.alone(language, say(language, "not_done"), say(language, "bad_form")))
        if request.method == "POST" and path in ("/log-out", "/language"):
            return await (
                self._log_out(secret, operator) if path == "/log-out" else _other_language(language, form)
            )
        found = self.routes.find(request.method, path)
        number = 0 if found is None else found[1]
        ask = Ask(
            operator,
            language,
            self._money,
            self._now_ms(),
            path,
            form_proof(secret),
            number,
            query_of(request),
            form,
        )
        if found is None:
            is_known = self.routes.knows(request.method, path)
            title = ask.say("wrong_method" if is_known else "not_found")
            return page(405 if is_known else 404, frame.message(ask, title, ask.say("not_found_text")))
        return await self._pass(found[0], ask)

    # --- a door -----------------------------------------------------------------------------------------------

    async def _pass(self, route: OfficeRoute, ask: Ask) -> web.Response:
        """Answer, if the role may pass all doors of the route."""
        for door in route.doors:
            if not may(OfficeRole(ask.operator.role), door):
                await self._office.journal.denied(ask.operator, door, Subject("page", ask.path))
                return page(
                    403, frame.message(ask, ask.say("not_for_role"), ask.say("denied_text", ask.operator.role))
                )
        try:
            answer = await route.answer(ask)
        except OfficeRefused as refused:
            back = own_path(ask.form.get("back", ""), own_path(ask.path) if not ask.form else "/")
            return page(409, frame.message(ask, ask.say("not_done"), str(refused), back))
        return await self._shown(route.door, answer, ask)

    async def _shown(self, door: Door, answer: OfficeAnswer, ask: Ask) -> web.Response:
        """What was answered, once the log has it."""
        if isinstance(answer, Changed):
            return moved(f"{answer.path}?done={answer.entry_id}")
        if DOORS[door].is_personal or DOORS[door].is_change:  # a dry run shows what a wallet holds
            what = {"found": False} if isinstance(answer, NotThere) else answer.what
            await self._office.journal.seen(ask.operator, door, answer.subject, what)
        if isinstance(answer, NotThere):
            return page(404, frame.message(ask, ask.say("not_found"), ask.say("not_found_text")))
        if isinstance(answer, Taken):
            response = web.Response(body=answer.text.encode(), headers=HEADERS)
            response.headers["Content-Type"] = "text/csv; charset=utf-8"
            response.headers["Content-Disposition"] = f'attachment; filename="{answer.name}"'
            return response
        return page(200, answer.body)

    # --- sessions ---------------------------------------------------------------------------------------------

    async def _login(self, request: web.BaseRequest, language: str) -> web.Response:
        has_sign_on = self._sign_on is not None
        if request.method != "POST":
            then = own_path(query_of(request).get("then", ""))
            return page(200, frame.login(language, then, has_sign_on=has_sign_on))
        form = await form_of(request)
        then = own_path(form.get("then", ""))
        try:
            secret = await self._office.operators.log_in(form.get("key", ""), request.remote or "")
        except TooManyLogins as refused:
            return too_many(language, then, refused.wait_s, has_sign_on=has_sign_on)
        if secret is None:
            said = say(language, "wrong_key")
            return page(403, frame.login(language, then, said, has_sign_on=has_sign_on))
        response = moved(then)
        self._cookies.set_session(response, secret, SESSION_MS // 1000)
        return response

    async def _log_out(self, secret: str, operator: Operator) -> web.Response:
        await self._office.operators.log_out(secret, operator)
        response = moved("/login")
        self._cookies.drop_session(response)
        return response


async def _other_language(language: str, form: dict[str, str]) -> web.Response:
    response = moved(own_path(form.get("back", "")))
    other = LANGUAGES[1 - LANGUAGES.index(language)]
    response.set_cookie(LANGUAGE_COOKIE, other, max_age=31_536_000, path="/", httponly=True, samesite="Strict")
    return response
