"""Requests on packets for everyday chats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from protocol import messages
from protocol.messages import Message
from server.core.packet import Answer
from server.net.session import Session
from server.services.assembly import Services

RIGHT: Final = "right"


class EverydayHandlers:
    """Say words."""

    def __init__(self, services: Services) -> None:
        self._words = services.everyday.words

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request of users."""
        return {messages.SayWords: self.say_words}

    async def say_words(self, session: Session, request: messages.SayWords) -> Message:
        answer = await self._words.say(session.user_id, request.packet_id, request.words)
        return messages.WordsSaid(0, request.packet_id, RIGHT if answer is Answer.TICKET else answer)
