"""From requests to use cases and back: one row per kind of request says who may ask it and what serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, cast

import structlog

from protocol import codes, messages
from protocol.messages import Message
from protocol.money_unit import MoneyUnit
from server import logs
from server.clock import Clock
from server.core.ids import BACKEND
from server.core.refusals import Reason, RequestRefused
from server.net.handlers.campaigns import CampaignHandlers
from server.net.handlers.replying import ReplyingHandlers
from server.net.handlers.row import Row
from server.net.handlers.table import request_table
from server.net.hub import Hub
from server.net.login import LoginHandler
from server.net.read_budget import rows_in
from server.net.read_flow import READ_PAUSE_S, pause_s
from server.net.routing import Router
from server.net.session import ClientSession, Session
from server.net.subscriptions import Subscriptions
from server.refusal_codes import CODES, NOT_CURRENT, PUBLIC_DETAILS
from server.services.assembly import Services
from server.services.runtime.bus import Bus
from server.services.runtime.store_errors import StoreUnavailable

LOG = structlog.get_logger()
RATE_LIMITED: Final = codes.Refusal.RATE_LIMITED
EXACT_WAITS: Final = (Reason.CODE_TOO_SOON, Reason.PASSWORD_LOCKED)  # the end of the wait is a fact, no estimate
TAKEN_S_MAX: Final = 0.02  # a client that does not take its reply holds the place of another one no longer


class Dispatch:
    """Serves the requests of logged-in sessions, and the login itself. `sessions` are those open now, by number."""

    def __init__(
        self,
        services: Services,
        hub: Hub,
        subscriptions: Subscriptions,
        sessions: Mapping[int, Session],
        bus: Bus,
        clock: Clock,
        money: MoneyUnit,
    ) -> None:
        self._changes = services.changes
        self._hub = hub
        self._reads, self._replies = services.reads, services.read_replies
        self._now_ms = clock.now_ms
        self._random_part = clock.random_part
        self._login = LoginHandler(services.login, hub, clock, money, self._noted)
        self.router: Router | None = None  # once there are peers
        self.forwarded_sessions: dict[int, Session] = {}  # connections at other servers, by a number below 0
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = 0  # requests in flight that have no task
        self.draining = False
        self.reads = 0  # from clients, with one request or more
        self.refusals: dict[codes.Refusal, int] = dict.fromkeys(codes.Refusal, 0)
        campaigns = CampaignHandlers(services, money)
        everyone = sessions, self.forwarded_sessions
        replying = ReplyingHandlers(services, campaigns, *everyone, self._refuse, self._jittered)
        self.answers = replying.answers
        self.rows = request_table(services, hub, subscriptions, replying, campaigns, self._pass_told, money)
        self._logins = 0
        bus.deliver_replies(replying.deliver)

    @property
    def requests(self) -> dict[type[Message], int]:
        """How many requests of each kind have come."""
        return {messages.Login: self._logins, **{kind: row.asked for kind, row in self.rows.items()}}

    @property
    def under_way(self) -> int:
        """Requests in flight."""
        return len(self._tasks) + self._begun + self._login.under_way

    def __call__(self, session: ClientSession, requests: Sequence[Message], now_s: float) -> None:
        """Serve the requests of one read, in their order.

        They have arrived at one moment, so clocks, the lease and the user's bucket are looked at once for all.
        """
        self.reads += 1
        user_id, admitted, caller, is_current = session.user_id, len(requests), "backend", True
        if user_id < 0 or self.draining:  # before the welcome a connection hands on its login only
            self._log_in(session, requests)
            return
        if user_id != BACKEND:
            caller, is_current = "user", self._changes.is_current
            admitted = self._hub.admit_up_to(admitted, user_id, now_s)
        rows, at_ms = self.rows, self._now_ms()
        # `SocketSession` flushes after a read. Any: in a simulated world another class stands for a connection.
        send = cast("Any", session).connection.send
        router = self.router
        for request in requests[:admitted]:
            row = rows[type(request)]
            row.asked += 1
            if row.caller != caller and row.caller != "anyone":
                self._refuse(session, request.seq, codes.Refusal.FORBIDDEN)
            elif not is_current:
                self._refuse(session, request.seq, codes.Refusal.STORE_UNAVAILABLE, NOT_CURRENT)
            elif router is not None and self._is_sent_on(router, session, request, row, now_s):
                pass  # its owner replies
            elif row.now is None:
                self._begin(session, request, row, now_s)
            else:
                try:
                    reply = row.now(session, request, at_ms)
                except RequestRefused as refused:
                    self._fail(session, request, refused)
                else:
                    if reply is not None:
                        reply.seq = request.seq
                        send(reply)
        if admitted < len(requests):
            self._refuse_rest(session, requests[admitted:], now_s)

    def serve(self, session: Session, request: Message) -> None:
        """Serve a request that was admitted before, perhaps by another server."""
        row, now_s = self.rows[type(request)], session.now_s()
        if not self._changes.is_current:
            self._refuse(session, request.seq, codes.Refusal.STORE_UNAVAILABLE, NOT_CURRENT)
        elif row.now is None:
            self._begin(session, request, row, now_s)
        else:
            try:
                reply = row.now(session, request, self._now_ms())
            except RequestRefused as refused:
                self._fail(session, request, refused)
            else:
                if reply is not None:
                    reply.seq = request.seq
                    session.reply(reply)

    def _log_in(self, session: ClientSession, requests: Sequence[Message]) -> None:
        for login in () if self.draining else requests:  # the goodbye says to ask again elsewhere
            assert isinstance(login, messages.Login)
            self._logins += 1
            if self.router is None:  # no other server need know the user first
                self._login.begin(session, login)
            else:
                self._spawn(self._login.serve(session, login))

    def _refuse_rest(self, session: Session, requests: Sequence[Message], now_s: float) -> None:
        """The bucket of the user is empty."""
        wait_s = self._hub.admit(session.user_id, now_s)
        for request in requests:
            self.rows[type(request)].asked += 1
            self._refuse(session, request.seq, RATE_LIMITED, "", _ms_until(wait_s))

    def _begin(self, session: Session, request: Message, row: Row, now_s: float) -> None:
        """Make a task, if it needs one. A read that would wait too long is refused here: it has cost little yet."""
        assert row.later is not None
        if row.begin is not None and row.begin(session, request, partial(self._ended, session, request)):
            self._begun += 1
            return
        serves: Callable[[Session, Any], Awaitable[Message | None]] = row.later
        if row.read:
            if self._is_in_debt(session, request, now_s):
                return
            try:
                self._replies.check()
            except RequestRefused as refused:
                self._fail(session, request, refused)
                return
            serves = partial(self._read, row)
        self._spawn(self._serve(session, request, serves))

    def _is_sent_on(self, router: Router, session: Session, request: Message, row: Row, now_s: float) -> bool:
        """Whether nothing is left to do here: another server serves it, or a debt, known here alone, refuses it."""
        if row.owned is None:
            return False
        if row.read and self._is_in_debt(session, request, now_s):
            return True
        return router.forward(session, request, row.owned)

    def _is_in_debt(self, session: Session, request: Message, now_s: float) -> bool:
        """Whether a read was refused, because its user must wait before the next one."""
        wait_s = 0.0 if session.user_id == BACKEND else self._hub.debt_s(session.user_id, now_s)
        if wait_s:
            self._refuse(session, request.seq, RATE_LIMITED, "", _ms_until(wait_s))
        return wait_s > 0

    async def _noted(self) -> None:
        if self.router is not None:
            await self.router.noted()

    async def _pass_told(self, user_id: int, group_id: int) -> None:
        if self.router is not None:
            await self.router.pass_told(user_id, group_id)

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, session: Session, request: Message, handler: Callable[[Session, Any], Awaitable[Message | None]]
    ) -> None:
        try:
            reply = await handler(session, request)
        except Exception as error:
            self._fail(session, request, error)
        else:
            if reply is not None:
                reply.seq = request.seq
                session.reply(reply)

    def _ended(self, session: Session, request: Message, outcome: Message | Exception) -> None:
        """A request without a task is over."""
        self._begun -= 1
        if isinstance(outcome, Exception):
            self._fail(session, request, outcome)
        else:
            outcome.seq = request.seq
            session.reply(outcome)

    async def _read(self, row: Row, session: Session, request: Message) -> None:
        """Serve a read, and charge what it has moved. Requests that were admitted together may find a debt here."""
        assert row.later is not None
        if row.read == "lane":
            async with self._reads.turn():
                reply = await row.later(session, request)
        else:
            reply = await row.later(session, request)
        async with self._replies.turn():  # a few in flight: what others wait for goes between
            self._move(session, request.seq, reply)
            await asyncio.sleep(0)  # it is written at the end of this turn of the loop
            await session.reading.wait_until_taken(TAKEN_S_MAX)

    def _move(self, session: Session, seq: int, reply: Message) -> None:
        """Send the reply of a read, unless an earlier one has left a debt, or waits to be taken by the client."""
        wait_s = self._hub.debt_s(session.user_id, session.now_s())
        if session.reading.backpressure:
            wait_s = max(wait_s, READ_PAUSE_S)
        if wait_s:
            self._refuse(session, seq, RATE_LIMITED, "", _ms_until(wait_s))
            return
        reply.seq = seq
        self._hub.charge(session.user_id, session.now_s(), session.reply(reply), rows_in(reply))

    # --- refusals ---------------------------------------------------------------------------------------------

    def _fail(self, session: Session, request: Message, error: Exception) -> None:
        """What stopped a request, as its client is told it."""
        if isinstance(error, RequestRefused):
            is_exact = error.reason in EXACT_WAITS
            wait_ms = error.retry_after_ms if is_exact else self._jittered(error.retry_after_ms)
            self._refuse(session, request.seq, CODES[error.reason], error.detail, wait_ms)
        elif isinstance(error, StoreUnavailable):
            self._refuse(session, request.seq, codes.Refusal.STORE_UNAVAILABLE, str(error))
        else:
            asker = {"connection": session.number, "user_id": session.user_id, "seq": request.seq}
            LOG.error("request_failed", **asker, request=type(request).__name__, exc_info=error)
            self._refuse(session, request.seq, codes.Refusal.INTERNAL)

    def _refuse(
        self,
        session: Session,
        seq: int,
        refusal: codes.Refusal,
        detail: str = "",
        retry_after_ms: int | None = None,
    ) -> None:
        self.refusals[refusal] += 1
        logs.debug(
            "request_refused",
            connection=session.number,
            user_id=session.user_id,
            seq=seq,
            reason=refusal.name.lower(),
            detail=detail,
        )
        if refusal is codes.Refusal.OVERLOADED:
            session.reading.pause_for(pause_s(session.number))
        elif refusal is codes.Refusal.RATE_LIMITED:
            session.unmetered += 1
        session.refuse(seq, refusal, PUBLIC_DETAILS.get(refusal, detail), retry_after_ms)

    def _jittered(self, wait_ms: int | None) -> int | None:
        """Spread around the estimate, so that requests which were refused together do not come back together."""
        return None if wait_ms is None else int(wait_ms * (0.5 + self._random_part()))


def _ms_until(wait_s: float) -> int:
    return int(wait_s * 1000) + 1
