"""Grabs, opens and shakes, whose replies come over the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from protocol import codes, messages
from server.core.campaigns.shakes import Shook
from server.core.decisions import NO_TICKET, WORDS_NEEDED, Answer, Decision
from server.core.refusals import Reason
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
    ) -> None:
        """`sessions` by number; `forwarded`: those at other servers."""
        self._opens = services.opens
        self._campaigns = campaigns
        self._sessions, self._forwarded = sessions, forwarded
        self._refuse = refuse
        self._jittered = jittered
        self.answers: dict[Answer, int] = dict.fromkeys(Answer, 0)

    def grab(self, session: Session, request: messages.Grab, at_ms: int) -> None:
        self._opens.grab(GrabRequest(request.packet_id, session.user_id, at_ms, session.number, request.seq))

    def open(self, session: Session, request: messages.Open, at_ms: int) -> None:
        self._opens.open(
            OpenRequest(
                request.packet_id,
                session.user_id,
                at_ms,
                session.number,
                request.seq,
                ticket=request.ticket,
            )
        )

    def deliver(self, request: GrabRequest | OpenRequest | ShakeRequest, outcome: Outcome) -> None:
        """Send the reply to the session that asked, if it is still there."""
        session = self._sessions.get(request.session) or self._forwarded.get(request.session)
        if type(outcome) is Decision:
            self.answers[outcome.answer] += 1
            if session is not None:
                self._deliver_decision(session, request, outcome)
        elif session is None:
            return
        elif isinstance(outcome, Reason):
            wait_ms = self._opens.retry_after_ms if outcome is Reason.OVERLOADED else None
            self._refuse(session, request.seq, CODES[outcome], retry_after_ms=self._jittered(wait_ms))
        elif isinstance(outcome, Shook) and isinstance(request, ShakeRequest):
            session.reply(self._campaigns.shaken(request.seq, request.campaign_id, outcome))

    def _deliver_decision(
        self, session: Session, request: GrabRequest | OpenRequest | ShakeRequest, decision: Decision
    ) -> None:
        if decision is WORDS_NEEDED:
            self._refuse(session, request.seq, codes.Refusal.WORDS_NEEDED)
        elif type(request) is GrabRequest:
            session.reply(grabbed_of(request.seq, request.packet_id, decision))
        elif decision is NO_TICKET:
            self._refuse(session, request.seq, codes.Refusal.NO_TICKET)
        elif type(request) is OpenRequest:
            session.reply(opened_of(request.seq, request.packet_id, decision))
