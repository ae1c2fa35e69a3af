"""From requests to use cases and back: one row per kind of request says who may ask it and what serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

import structlog

from protocol import codes, messages, tokens
from protocol.messages import Message
from server.core.ids import BACKEND
from server.core.limits import Broken
from server.core.packet import NO_TICKET, Answer, Decision
from server.net.hub import Hub, packet_posted
from server.net.session import Session
from server.services import auth, chat, groups, packets, sends, wallets
from server.services.events import PacketPosted
from server.services.refusals import Reason, Refused
from storage.errors import StoreUnavailable

LOG = structlog.get_logger()
DEAF_S = 0.5  # who is refused for overload is not read for so long: one read then finds what a flood has sent

LOGIN_CLOSES = {
    auth.Verdict.REFUSED: codes.Close.LOGIN_REFUSED,
    auth.Verdict.EXPIRED: codes.Close.TOKEN_EXPIRED,
}


class UseCases(NamedTuple):
    """All that a client can ask for."""

    auth: auth.Auth
    groups: groups.Groups
    chat: chat.Chat
    packets: packets.Packets
    sends: sends.Sends
    wallets: wallets.Wallets


class Row(NamedTuple):
    """Who may ask, and what serves it: `now` answers by itself, `later` is a coroutine that returns the reply."""

    who: Literal["user", "backend"]
    now: Callable[[Session, Any], None] | None = None
    later: Callable[[int, Any], Awaitable[Message]] | None = None


class Dispatch:
    """Serves the requests of logged-in sessions, and the login itself."""

    def __init__(
        self, use: UseCases, hub: Hub, now_s: Callable[[], float], random_part: Callable[[], float]
    ) -> None:
        self._use = use
        self._hub = hub
        self._now_s = now_s
        self._random_part = random_part
        self._tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.requests = 0
        self.refusals: dict[codes.Refusal, int] = dict.fromkeys(codes.Refusal, 0)
        self.answers: dict[Answer, int] = dict.fromkeys(Answer, 0)
        self.rows: dict[type[Message], Row] = {
            messages.Grab: Row("user", now=self._grab),
            messages.Open: Row("user", now=self._open),
            messages.SendPacket: Row("user", later=self._send),
            messages.Reveal: Row("user", later=self._reveal),
            messages.CreateGroup: Row("user", later=self._create_group),
            messages.JoinGroup: Row("user", later=self._join_group),
            messages.LeaveGroup: Row("user", later=self._leave_group),
            messages.ListMembers: Row("user", later=self._members),
            messages.Say: Row("user", later=self._say),
            messages.CatchUp: Row("user", later=self._catch_up),
            messages.GetBalance: Row("user", later=self._balance),
            messages.TopUp: Row("backend", later=self._top_up),
            messages.Withdraw: Row("backend", later=self._withdraw),
        }

    @property
    def under_way(self) -> int:
        """Requests that have not been answered yet."""
        return len(self._tasks)

    def __call__(self, session: Session, request: Message) -> None:
        """Serve one request."""
        if self.draining:  # the goodbye says to ask again elsewhere
            return
        self.requests += 1
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
        self, session: Session, request: Message, handler: Callable[[int, Any], Awaitable[Message]]
    ) -> None:
        try:
            reply = await handler(session.user_id, request)
        except Broken as broken:
            self._refuse(session, request.seq, codes.Refusal[broken.fault.name], broken.detail)
        except Refused as refused:
            refusal = codes.Refusal[refused.reason.name]
            self._refuse(session, request.seq, refusal, refused.detail, self._jittered(refused.retry_after_ms))
        except StoreUnavailable as error:
            self._refuse(session, request.seq, codes.Refusal.STORE_UNAVAILABLE, str(error))
        except Exception:
            LOG.exception("request_failed", request=type(request).__name__, user_id=session.user_id)
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
        if refusal is codes.Refusal.OVERLOADED:
            session.turn_deaf(DEAF_S)
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
        if verdict is not auth.Verdict.ACCEPTED:
            session.refuse_login(LOGIN_CLOSES[verdict])
            return
        if not self._hub.join(login.user_id, session, self._now_s()):
            session.close(codes.Close.TOO_MANY_CONNECTIONS, "of this user")
            return
        session.hold_pushes()
        session.user_id = login.user_id
        try:
            profile = await self._use.auth.profile(login.user_id)
        except Refused as refused:
            session.close(codes.Close.STORES_AWAY, refused.detail)
            return
        places = [messages.Place(*place) for place in profile.places]
        welcome = messages.Welcome(login.seq, login.user_id, profile.balance_fen, places)
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

    async def _send(self, user_id: int, request: messages.SendPacket) -> Message:
        terms = await self._use.sends.send(
            user_id,
            request.key,
            request.packet_kind,
            request.target_id,
            request.amount_fen,
            request.shares,
            request.greeting,
        )
        return messages.PacketSent(0, terms.packet_id, terms.total_fen, terms.commitment, terms.expires_at_ms)

    async def _reveal(self, user_id: int, request: messages.Reveal) -> Message:
        proof = await self._use.packets.reveal(user_id, request.packet_id)
        terms = proof.terms
        return messages.Revealed(
            0,
            terms.packet_id,
            terms.kind,
            proof.state,
            terms.sender_id,
            terms.total_fen,
            terms.shares,
            terms.caps.max_fen,
            terms.commitment,
            terms.seed,
            -1 if proof.best is None else proof.best.index,
            [messages.ClaimLine(one.index, one.user_id, one.amount_fen, one.at_ms) for one in proof.claims],
            terms.caps.min_fen,
        )

    # --- groups and chat --------------------------------------------------------------------------------------

    async def _create_group(self, user_id: int, request: messages.CreateGroup) -> Message:
        return messages.GroupCreated(0, await self._use.groups.create(user_id, request.name))

    async def _join_group(self, user_id: int, request: messages.JoinGroup) -> Message:
        group = await self._use.groups.join(user_id, request.group_id)
        last = await self._use.chat.last_message(group.group_id)
        return messages.GroupJoined(0, group.group_id, group.name, group.owner_id, last)

    async def _leave_group(self, user_id: int, request: messages.LeaveGroup) -> Message:
        await self._use.groups.leave(user_id, request.group_id)
        return messages.GroupLeft(0, request.group_id)

    async def _members(self, user_id: int, request: messages.ListMembers) -> Message:
        group = await self._use.groups.seen_by(user_id, request.group_id)
        return messages.Members(0, group.group_id, group.owner_id, sorted(group.members))

    async def _say(self, user_id: int, request: messages.Say) -> Message:
        return messages.Said(0, request.group_id, await self._use.chat.say(user_id, request.group_id, request.text))

    async def _catch_up(self, user_id: int, request: messages.CatchUp) -> Message:
        found = await self._use.chat.catch_up(user_id, request.stream_id, request.after)
        posts = [_posted(post) for post in found.posts]
        return messages.CaughtUp(0, request.stream_id, found.last_message, found.reload, posts)

    # --- money ------------------------------------------------------------------------------------------------

    async def _balance(self, user_id: int, request: messages.GetBalance) -> Message:
        return messages.Balance(0, await self._use.wallets.balance(user_id))

    async def _top_up(self, user_id: int, request: messages.TopUp) -> Message:
        balance = await self._use.wallets.top_up(request.user_id, request.amount_fen, request.key)
        return messages.ToppedUp(0, request.user_id, balance)

    async def _withdraw(self, user_id: int, request: messages.Withdraw) -> Message:
        balance = await self._use.wallets.withdraw(request.user_id, request.amount_fen, request.key)
        return messages.Withdrawn(0, request.user_id, balance)


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


def _posted(post: chat.Posted) -> messages.TextPosted | messages.PacketPosted:
    """A message that was caught up on looks just like the push that was missed."""
    if isinstance(post, PacketPosted):
        return packet_posted(post)
    return messages.TextPosted(0, post.group_id, post.message, post.sender_id, post.at_ms, post.text)
