"""Grabs, opens and shakes: requests go out to the services, which reply at once or over the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from protocol import codes, messages
from server.core.campaigns.shakes import Shook
from server.core.packet import NO_TICKET, WORDS_NEEDED, Answer
from server.core.refusals import Reason, RequestRefused
from server.net.handlers.campaigns import CampaignHandlers
from server.net.page_encoding import grabbed_of, opened_of
from server.net.session import Session
from server.refusal_codes import CODES
from server.services.assembly import Services
from server.services.campaigns.shake import ShakeRequest
from server.services.packets.requests import GrabRequest, OpenRequest
from server.services.runtime.bus import Outcome


class Refuse(Protocol):
    """Refuses a request of a session, and counts it. `retry_after_ms` None: that of the refusal."""

    def __call__(
        self,
        session: Session,
        seq: int,
        refusal: codes.Refusal,
        detail: str = "",
        retry_after_ms: int | None = None,
    ) -> None: ...


class ReplyingHandlers:
    """Requests out, replies in. `answers` counts the answers to grabs and opens."""

    def __init__(
        self,
        services: Services,
        campaigns: CampaignHandlers,
        sessions: Mapping[int, Session],
        forwarded: Mapping[int, Session],
        refuse: Refuse,
        jittered: Callable[[int | None], int | None],
        now_ms: Callable[[], int],
    ) -> None:
        """`sessions` by number; `forwarded`: those at other servers."""
        self._opens = services.opens
        self._campaigns = campaigns
        self._sessions, self._forwarded = sessions, forwarded
        self._refuse = refuse
        self._jittered = jittered
        self._now_ms = now_ms
        self.answers: dict[Answer, int] = dict.fromkeys(Answer, 0)

    def grab(self, session: Session, request: messages.Grab) -> None:
        self._opens.grab(
            GrabRequest(request.packet_id, session.user_id, self._now_ms(), session.number, request.seq)
        )

    def open(self, session: Session, request: messages.Open) -> None:
        self._opens.open(
            OpenRequest(
                request.packet_id,
                session.user_id,
                self._now_ms(),
                session.number,
                request.seq,
                ticket=request.ticket,
            )
        )

    def shake(self, session: Session, request: messages.Shake) -> None:
        try:
            self._campaigns.shake(session, request)
        except RequestRefused as refused:
            wait_ms = self._jittered(refused.retry_after_ms)
            self._refuse(session, request.seq, CODES[refused.reason], refused.detail, wait_ms)

    def deliver(self, request: GrabRequest | OpenRequest | ShakeRequest, outcome: Outcome) -> None:
        """Send the reply to the session that asked, if it is still there."""
        session = self._sessions.get(request.session) or self._forwarded.get(request.session)
        if isinstance(outcome, Reason):
            if session is not None:
                wait_ms = self._opens.retry_after_ms if outcome is Reason.OVERLOADED else None
                self._refuse(session, request.seq, CODES[outcome], retry_after_ms=self._jittered(wait_ms))
            return
        if isinstance(outcome, Shook):
            if session is not None and isinstance(request, ShakeRequest):
                session.reply(self._campaigns.shaken(request.seq, request.campaign_id, outcome))
            return
        self.answers[outcome.answer] += 1
        if session is None:
            return
        if outcome is WORDS_NEEDED:
            self._refuse(session, request.seq, codes.Refusal.WORDS_NEEDED)
        elif type(request) is GrabRequest:
            session.reply(grabbed_of(request.seq, request.packet_id, outcome))
        elif outcome is NO_TICKET:
            self._refuse(session, request.seq, codes.Refusal.NO_TICKET)
        elif type(request) is OpenRequest:
            session.reply(opened_of(request.seq, request.packet_id, outcome))
