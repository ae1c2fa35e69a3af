"""From requests to use cases and back: one row per kind of request says who may ask it and what serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

import structlog

from protocol import codes, messages, tokens
from protocol.messages import Message
from server import logs
from server.core.ids import BACKEND
from server.core.limits import Broken
from server.core.packet import NO_TICKET, Answer, Decision
from server.net.handlers import Handlers, UseCases
from server.net.hub import Hub
from server.net.page_encoding import tapped_of
from server.net.session import READ_PAUSE_S, Session
from server.net.subscriptions import Subscriptions
from server.services.chat.login import LoginVerdict
from server.services.packets.pages import language_of
from server.services.runtime.refusals import Reason, RequestRefused
from storage.errors import StoreUnavailable

LOG = structlog.get_logger()

LOGIN_CLOSES = {
    LoginVerdict.REFUSED: codes.Close.LOGIN_REFUSED,
    LoginVerdict.EXPIRED: codes.Close.TOKEN_EXPIRED,
}


class Row(NamedTuple):
    """Who may ask, and what serves it: `now` answers by itself, `later` is a coroutine that returns the reply."""

    who: Literal["user", "backend"]
    now: Callable[[Session, Any], None] | None = None
    later: Callable[[Session, Any], Awaitable[Message]] | None = None


class Dispatch:
    """Serves the requests of logged-in sessions, and the login itself."""

    def __init__(
        self,
        use: UseCases,
        hub: Hub,
        watching: Subscriptions,
        now_s: Callable[[], float],
        random_part: Callable[[], float],
    ) -> None:
        self._use = use
        self._hub = hub
        self._now_s = now_s
        self._random_part = random_part
        self._tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.refusals: dict[codes.Refusal, int] = dict.fromkeys(codes.Refusal, 0)
        self.answers: dict[Answer, int] = dict.fromkeys(Answer, 0)
        serve = Handlers(use, watching, hub)
        self.rows: dict[type[Message], Row] = {
            messages.Grab: Row("user", now=self._grab),
            messages.Open: Row("user", now=self._open),
            messages.OpenPage: Row("user", later=self._open_page),
            messages.ResultPage: Row("user", later=serve.result_page),
            messages.StopWatching: Row("user", later=serve.stop_watching),
            messages.SendPacket: Row("user", later=serve.send),
            messages.SendAgain: Row("user", later=serve.send_again),
            messages.Records: Row("user", later=serve.records),
            messages.Reveal: Row("user", later=serve.reveal),
            messages.CreateGroup: Row("user", later=serve.create_group),
            messages.JoinGroup: Row("user", later=serve.join_group),
            messages.LeaveGroup: Row("user", later=serve.leave_group),
            messages.Kick: Row("user", later=serve.kick),
            messages.ListMembers: Row("user", later=serve.members),
            messages.GrabStats: Row("user", later=serve.grab_stats),
            messages.SetName: Row("user", later=serve.set_name),
            messages.GetNames: Row("user", later=serve.get_names),
            messages.Say: Row("user", later=serve.say),
            messages.CatchUp: Row("user", later=serve.catch_up),
            messages.GetBalance: Row("user", later=serve.balance),
            messages.GetEntries: Row("user", later=serve.entries),
            messages.TopUp: Row("backend", later=serve.top_up),
            messages.Withdraw: Row("backend", later=serve.withdraw),
        }
        self.requests: dict[type[Message], int] = dict.fromkeys((messages.Login, *self.rows), 0)

    @property
    def under_way(self) -> int:
        """Requests that have not been answered yet."""
        return len(self._tasks)

    def __call__(self, session: Session, request: Message) -> None:
        """Serve one request."""
        if self.draining:  # the goodbye says to ask again elsewhere
            return
        self.requests[type(request)] += 1
        if type(request) is messages.Login:
            self._spawn(self._login(session, request))
            return
        row = self.rows[type(request)]
        is_backend = session.user_id == BACKEND
        if is_backend != (row.who == "backend"):
            self._refuse(session, request.seq, codes.Refusal.FORBIDDEN)
            return
        if not is_backend:
            wait_s = self._hub.admit(session.user_id, self._now_s())
            if wait_s:
                self._refuse(
                    session, request.seq, codes.Refusal.RATE_LIMITED, retry_after_ms=int(wait_s * 1000) + 1
                )
                return
        if row.now is not None:
            row.now(session, request)
        elif row.later is not None:
            self._spawn(self._serve(session, request, row.later))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, session: Session, request: Message, handler: Callable[[Session, Any], Awaitable[Message]]
    ) -> None:
        try:
            reply = await handler(session, request)
        except Broken as broken:
            self._refuse(session, request.seq, codes.Refusal[broken.fault.name], broken.detail)
        except RequestRefused as refused:
            refusal = codes.Refusal[refused.reason.name]
            self._refuse(session, request.seq, refusal, refused.detail, self._jittered(refused.retry_after_ms))
        except StoreUnavailable as error:
            self._refuse(session, request.seq, codes.Refusal.STORE_UNAVAILABLE, str(error))
        except Exception:
            LOG.exception(
                "request_failed",
                connection=session.number,
                user_id=session.user_id,
                seq=request.seq,
                request=type(request).__name__,
            )
            self._refuse(session, request.seq, codes.Refusal.INTERNAL)
        else:
            reply.seq = request.seq
            session.reply(reply)

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
            session.pause_reading_for(READ_PAUSE_S)
        elif refusal is codes.Refusal.RATE_LIMITED:
            session.unmetered += 1
        session.refuse(seq, refusal, detail, retry_after_ms)

    def _jittered(self, wait_ms: int | None) -> int | None:
        """Around what was estimated, so that those who were refused together do not come back together."""
        return None if wait_ms is None else int(wait_ms * (0.5 + self._random_part()))

    def _turn_away(self, session: Session, seq: int, reason: Reason) -> None:
        """Refuse a grab or an open."""
        wait_ms = self._use.packets.retry_after_ms if reason is Reason.OVERLOADED else None
        self._refuse(session, seq, codes.Refusal[reason.name], retry_after_ms=self._jittered(wait_ms))

    # --- login ------------------------------------------------------------------------------------------------

    async def _login(self, session: Session, login: messages.Login) -> None:
        def expected(key: bytes) -> bytes:
            return tokens.mint(login.user_id, login.expires_at_s, login.key_id, key).proof(session.connection.nonce)

        verdict = self._use.auth.judge(login.key_id, login.expires_at_s, login.proof, expected)
        if verdict is not LoginVerdict.ACCEPTED:
            logs.debug(
                "login_refused", connection=session.number, user_id=login.user_id, reason=verdict.name.lower()
            )
            session.refuse_login(LOGIN_CLOSES[verdict])
            return
        if not self._hub.join(login.user_id, session, self._now_s()):
            session.close(codes.Close.TOO_MANY_CONNECTIONS, "of this user")
            return
        session.hold_pushes()
        session.features = frozenset(login.features)
        session.user_id = login.user_id
        try:
            profile = await self._use.auth.profile(login.user_id)
        except RequestRefused as refused:
            session.close(codes.Close.STORES_AWAY, refused.detail)
            return
        places = [messages.StreamPosition(*place) for place in profile.places]
        balance = self._hub.newest(login.user_id, profile.balance)
        welcome = messages.Welcome(login.seq, login.user_id, balance.fen, places, balance.version)
        session.welcome(welcome, self._now_s(), 0.5 + self._random_part() / 2)

    # --- packets ----------------------------------------------------------------------------------------------

    def _grab(self, session: Session, request: messages.Grab) -> None:
        seq, packet_id = request.seq, request.packet_id

        def reply(decision: Decision | Reason) -> None:
            if isinstance(decision, Reason):
                self._turn_away(session, seq, decision)
                return
            self.answers[decision.answer] += 1
            session.reply(_grabbed(seq, packet_id, decision))

        self._use.packets.grab(session.user_id, packet_id, reply)

    def _open(self, session: Session, request: messages.Open) -> None:
        seq, packet_id = request.seq, request.packet_id

        def reply(decision: Decision | Reason) -> None:
            if isinstance(decision, Reason):
                self._turn_away(session, seq, decision)
                return
            self.answers[decision.answer] += 1
            if decision is NO_TICKET:
                self._refuse(session, seq, codes.Refusal.NO_TICKET)
            else:
                session.reply(_opened(seq, packet_id, decision))

        self._use.packets.open(session.user_id, packet_id, request.ticket, reply)

    async def _open_page(self, session: Session, request: messages.OpenPage) -> Message:
        language = language_of(request.language)
        tapped = await self._use.pages.tap(session.user_id, request.packet_id, language)
        self.answers[tapped.decision.answer] += 1
        return tapped_of(request.packet_id, tapped)


def _grabbed(seq: int, packet_id: int, decision: Decision) -> messages.Grabbed:
    grabbed = messages.Grabbed(seq, packet_id, decision.answer, retry_after_ms=decision.retry_after_ms)
    if decision.ticket is not None:
        grabbed.ticket, grabbed.lapses_at_ms = decision.ticket.number, decision.ticket.lapses_at_ms
    if decision.claim is not None:
        grabbed.amount_fen, grabbed.index = decision.claim.amount_fen, decision.claim.index
    return grabbed


def _opened(seq: int, packet_id: int, decision: Decision) -> messages.Opened:
    if decision.claim is None:
        return messages.Opened(seq, packet_id, decision.answer)
    claim = decision.claim
    return messages.Opened(seq, packet_id, decision.answer, claim.amount_fen, claim.index, decision.left_shares)
