"""Requests on packets for everyday chats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from protocol import messages
from protocol.messages import Message
from server.core.decisions import Answer
from server.core.ids import BACKEND
from server.core.packet_request import Terms
from server.core.pages import named
from server.net.session import Session
from server.services.assembly import Services

RIGHT: Final = "right"


class EverydayHandlers:
    """Say words; list and cancel what waits for its time; the relay of a group."""

    def __init__(self, services: Services) -> None:
        self._words, self._scheduled = services.everyday.words, services.everyday.scheduled
        self._relay = services.everyday.relay

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request of users."""
        return {
            messages.SayWords: self.say_words,
            messages.GetScheduled: self.scheduled,
            messages.CancelScheduled: self.cancel,
        }

    def for_anyone(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request that users and the chat backend may send."""
        return {messages.SetRelay: self.set_relay, messages.GetRelay: self.relay}

    async def say_words(self, session: Session, request: messages.SayWords) -> Message:
        answer = await self._words.say(session.user_id, request.packet_id, request.words)
        return messages.WordsSaid(0, request.packet_id, RIGHT if answer is Answer.TICKET else answer)

    async def scheduled(self, session: Session, request: messages.GetScheduled) -> Message:
        return messages.ScheduledPackets(0, [_line(one) for one in await self._scheduled.waiting(session.user_id)])

    async def cancel(self, session: Session, request: messages.CancelScheduled) -> Message:
        refunded_fen = await self._scheduled.cancel(session.user_id, request.packet_id)
        return messages.ScheduledCancelled(0, request.packet_id, refunded_fen)

    async def set_relay(self, session: Session, request: messages.SetRelay) -> Message:
        if session.user_id == BACKEND:
            await self._relay.set_by_backend(request.group_id, request.times)
        else:
            await self._relay.set_by_owner(session.user_id, request.group_id, request.times)
        return messages.RelaySet(0, request.group_id, request.times)

    async def relay(self, session: Session, request: messages.GetRelay) -> Message:
        if session.user_id == BACKEND:
            times = await self._relay.of_group(request.group_id)
        else:
            times = await self._relay.of_member(session.user_id, request.group_id)
        return messages.RelayShown(0, request.group_id, times)


def _line(terms: Terms) -> messages.ScheduledLine:
    about = terms.kind, terms.target_id, terms.total_fen, terms.shares, terms.greeting
    times = terms.created_at_ms, terms.expires_at_ms
    return messages.ScheduledLine(terms.packet_id, *about, *times, list(named(terms)))
