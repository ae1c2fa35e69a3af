"""From requests to use cases and back: one row per kind of request says who may ask it and what serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import structlog

from protocol import codes, messages
from protocol.messages import Message
from protocol.money_unit import MoneyUnit
from server import logs
from server.clock import Clock
from server.core.ids import BACKEND
from server.core.refusals import Reason, RequestRefused
from server.net.handlers.backend import BackendHandlers
from server.net.handlers.campaigns import CampaignHandlers
from server.net.handlers.cards import CardHandlers
from server.net.handlers.chat import ChatHandlers
from server.net.handlers.enterprise import EnterpriseHandlers
from server.net.handlers.everyday import EverydayHandlers
from server.net.handlers.groups import GroupHandlers
from server.net.handlers.money import MoneyHandlers
from server.net.handlers.packets import PacketHandlers
from server.net.handlers.pages import PageHandlers
from server.net.handlers.people import PeopleHandlers
from server.net.handlers.replying import ReplyingHandlers
from server.net.hub import Hub
from server.net.login import LoginHandler
from server.net.read_budget import rows_in
from server.net.read_flow import READ_PAUSE_S, pause_s
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.refusal_codes import CODES, NOT_CURRENT, PUBLIC_DETAILS
from server.services.assembly import Services
from server.services.runtime.bus import Bus
from server.services.runtime.store_errors import StoreUnavailable

LOG = structlog.get_logger()
EXACT_WAITS: Final = (Reason.CODE_TOO_SOON, Reason.PASSWORD_LOCKED)  # the end of the wait is a fact, no estimate
TAKEN_S_MAX: Final = 0.02  # a client that does not take its reply holds the place of another one no longer


class Row(NamedTuple):
    """Who may ask, and what serves it: `now` answers by itself, `later` is a coroutine that returns the reply.

    A `read` is charged by what it moves. In the lane it waits for a connection that reads may use; a batch has its
    own queue.
    """

    caller: Literal["user", "backend", "anyone"]
    now: Callable[[Session, Any], None] | None = None
    later: Callable[[Session, Any], Awaitable[Message]] | None = None
    read: Literal["", "lane", "batch"] = ""


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
        self._sessions = sessions
        self._now_ms = clock.now_ms
        self._random_part = clock.random_part
        self._login = LoginHandler(services.login, hub, clock, money)
        self._tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.refusals: dict[codes.Refusal, int] = dict.fromkeys(codes.Refusal, 0)
        self.rows = self._table(services, subscriptions, money)
        self.requests: dict[type[Message], int] = dict.fromkeys((messages.Login, *self.rows), 0)
        bus.deliver_replies(self._replying.deliver)

    def _table(self, services: Services, subscriptions: Subscriptions, unit: MoneyUnit) -> dict[type[Message], Row]:
        campaigns = CampaignHandlers(services, unit)
        self._replying = ReplyingHandlers(
            services, campaigns, self._sessions, self._refuse, self._jittered, self._now_ms
        )
        self.answers = self._replying.answers
        packets, pages = PacketHandlers(services, campaigns), PageHandlers(services, subscriptions, self.answers)
        chat, money = ChatHandlers(services, unit), MoneyHandlers(services, self._hub)
        cards, groups, everyday = CardHandlers(services), GroupHandlers(services), EverydayHandlers(services)
        by_users = groups.served() | cards.served() | everyday.served()
        others = BackendHandlers(services).served() | PeopleHandlers(services).served() | campaigns.served()
        others |= EnterpriseHandlers(services).served()
        return {
            messages.Grab: Row("user", now=self._replying.grab),
            messages.Open: Row("user", now=self._replying.open),
            messages.Shake: Row("user", now=self._replying.shake),
            messages.OpenPage: Row("user", later=pages.open_page),
            messages.ResultPage: Row("user", later=pages.result_page, read="lane"),
            messages.StopWatching: Row("user", later=pages.stop_watching),
            messages.PassOn: Row("user", later=pages.pass_on),
            messages.TapLink: Row("user", later=pages.tap_link),
            messages.SendPacket: Row("user", later=packets.send),
            messages.SendAgain: Row("user", later=packets.send_again),
            messages.GetSeedTrees: Row("user", later=packets.seed_trees),
            messages.Records: Row("user", later=pages.records, read="lane"),
            messages.Reveal: Row("user", later=packets.reveal, read="lane"),
            messages.CampaignInfo: Row("anyone", later=campaigns.info),
            messages.ListCampaigns: Row("anyone", later=campaigns.page),
            messages.ListMembers: Row("user", later=groups.members, read="lane"),
            messages.GrabStats: Row("user", later=chat.grab_stats, read="lane"),
            messages.SetName: Row("user", later=chat.set_name),
            messages.GetNames: Row("user", later=chat.get_names, read="batch"),
            messages.Say: Row("user", later=chat.say),
            messages.CatchUp: Row("user", later=chat.catch_up, read="batch"),
            messages.GetBalance: Row("user", later=money.balance, read="lane"),
            messages.GetEntries: Row("user", later=money.entries, read="lane"),
            messages.GetStatement: Row("user", later=money.statement, read="lane"),
            messages.GetCards: Row("user", later=cards.cards, read="lane"),
            **{kind: Row("user", later=serves) for kind, serves in by_users.items()},
            messages.Pay: Row("backend", later=money.pay),
            messages.RefundToCard: Row("backend", later=money.refund_to_card),
            messages.TopUp: Row("backend", later=money.top_up),
            messages.Withdraw: Row("backend", later=money.withdraw),
            **{kind: Row("backend", later=serves) for kind, serves in others.items()},
        }

    @property
    def under_way(self) -> int:
        """Requests in flight."""
        return len(self._tasks)

    def __call__(self, session: Session, request: Message) -> None:
        """Serve one request."""
        if self.draining:  # the goodbye says to ask again elsewhere
            return
        self.requests[type(request)] += 1
        if type(request) is messages.Login:
            self._spawn(self._login.serve(session, request))
            return
        row = self.rows[type(request)]
        is_backend = session.user_id == BACKEND
        if is_backend != (row.caller == "backend") and row.caller != "anyone":
            self._refuse(session, request.seq, codes.Refusal.FORBIDDEN)
            return
        if not is_backend:
            wait_s = self._hub.admit(session.user_id, session.now_s())
            if row.read and not wait_s:
                wait_s = self._hub.debt_s(session.user_id, session.now_s())
            if wait_s:
                self._refuse(
                    session, request.seq, codes.Refusal.RATE_LIMITED, retry_after_ms=int(wait_s * 1000) + 1
                )
                return
            if not self._changes.is_current:
                self._refuse(session, request.seq, codes.Refusal.STORE_UNAVAILABLE, NOT_CURRENT)
                return
        if row.now is not None:
            row.now(session, request)
        elif row.read:
            self._begin_read(session, request, row)
        elif row.later is not None:
            self._spawn(self._serve(session, request, row.later))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, session: Session, request: Message, handler: Callable[[Session, Any], Awaitable[Message | None]]
    ) -> None:
        try:
            reply = await handler(session, request)
        except RequestRefused as refused:
            exact = refused.reason in EXACT_WAITS
            wait_ms = refused.retry_after_ms if exact else self._jittered(refused.retry_after_ms)
            self._refuse(session, request.seq, CODES[refused.reason], refused.detail, wait_ms)
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
            if reply is not None:
                reply.seq = request.seq
                session.reply(reply)

    def _begin_read(self, session: Session, request: Message, row: Row) -> None:
        """A read that would wait too long is refused here, where it has cost little."""
        try:
            self._replies.check()
        except RequestRefused as refused:
            wait_ms = self._jittered(refused.retry_after_ms)
            self._refuse(session, request.seq, codes.Refusal.OVERLOADED, retry_after_ms=wait_ms)
        else:
            self._spawn(self._serve(session, request, partial(self._read, row)))

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
            self._refuse(session, seq, codes.Refusal.RATE_LIMITED, retry_after_ms=int(wait_s * 1000) + 1)
            return
        reply.seq = seq
        self._hub.charge(session.user_id, session.now_s(), session.reply(reply), rows_in(reply))

    # --- refusals ---------------------------------------------------------------------------------------------

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
