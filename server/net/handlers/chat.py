"""Requests on names, texts and grab statistics."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import msgspec

from protocol import messages
from protocol.messages import Message
from server.core.texts import MoneyWords
from server.net.pushes.reminders import caught_up, feature_of
from server.net.session import Session
from server.services.assembly import Services
from server.services.chat.history import KeptPost


class ChatHandlers:
    """Names, texts, catching up, grab statistics."""

    def __init__(self, services: Services, money: MoneyWords) -> None:
        self._people = services.people
        self._messages, self._names, self._grab_stats = services.messages, services.names, services.grab_stats
        self._money = money

    async def grab_stats(self, session: Session, request: messages.GrabStats) -> Message:
        lines = await self._grab_stats.of_group(session.user_id, request.group_id)
        names_of = await self._names.of([line.user_id for line in lines])
        shown = [
            messages.GrabStatLine(line.user_id, name, *line[1:]) for line, name in zip(lines, names_of, strict=True)
        ]
        return messages.GrabStatsShown(0, request.group_id, shown)

    async def set_name(self, session: Session, request: messages.SetName) -> Message:
        await self._names.call(session.user_id, request.name)
        return messages.NameSet(0, request.name)

    async def get_names(self, session: Session, request: messages.GetNames) -> Message:
        wanted = request.user_ids if messages.AVATARS in session.features else []
        avatar_urls = await self._people.avatar_urls(wanted) if wanted else []
        return messages.Names(0, await self._names.of(request.user_ids), avatar_urls)

    async def say(self, session: Session, request: messages.Say) -> Message:
        number = await self._messages.say(session.user_id, request.group_id, request.text)
        return messages.Said(0, request.group_id, number)

    async def catch_up(self, session: Session, request: messages.CatchUp) -> Message:
        found = await self._messages.catch_up(session.user_id, request.stream_id, request.after)
        posts = [_encoded(post, session.features, self._money) for post in found.posts]
        return messages.CaughtUp(0, request.stream_id, found.last_message, found.reload, cast("list[Any]", posts))


def _encoded(kept: KeptPost, features: Collection[str], money: MoneyWords) -> msgspec.Raw:
    """A post as bytes, made for the first reader of its kind and shared by all others."""
    is_known = feature_of(kept.post) in features
    encoded = kept.encoded.get(is_known)
    if encoded is None:
        encoded = kept.encoded[is_known] = messages.encode(caught_up(kept.post, features, money))
    return msgspec.Raw(encoded)
