"""Requests for pages: a tap, the result page, its subscription, the records by year."""

from __future__ import annotations

from protocol import messages
from protocol.messages import Message
from server.net.page_encoding import records_of, result_of
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.services.assembly import Services
from server.services.packets.pages import language_of


class PageHandlers:
    """The result page, its subscription, and records."""

    def __init__(self, services: Services, subscriptions: Subscriptions) -> None:
        self._pages, self._records = services.pages, services.records
        self._subscriptions = subscriptions

    async def result_page(self, session: Session, request: messages.ResultPage) -> Message:
        language = language_of(request.language)
        packet_id, is_newest = request.packet_id, request.before_index <= 0
        found = await self._pages.result(session.user_id, packet_id, language, request.before_index)
        if (
            request.watch
            and found.may_subscribe
            and (is_newest or not self._subscriptions.follows(session, packet_id))
        ):
            self._subscriptions.subscribe(session, packet_id, language, found.opened)
        return messages.ResultPageShown(
            0, packet_id, result_of(found, self._subscriptions.follows(session, packet_id))
        )

    async def stop_watching(self, session: Session, request: messages.StopWatching) -> Message:
        self._subscriptions.stop(session, request.packet_id)
        return messages.WatchingStopped(0, request.packet_id)

    async def records(self, session: Session, request: messages.Records) -> Message:
        before = request.before_at_ms, request.before_packet_id
        return records_of(await self._records.show(session.user_id, request.direction, request.year, *before))
