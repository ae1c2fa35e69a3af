"""Requests for pages: a tap, the result page, its subscription, the records by year."""

from __future__ import annotations

from protocol import messages
from protocol.messages import Message
from server.core.decisions import Answer
from server.core.texts import Text, plain
from server.net.page_encoding import records_of, result_of, tapped_of
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.services.assembly import Services
from server.services.packets.pages import language_of


class PageHandlers:
    """Taps, the result page, its subscription, links to pass on, and records."""

    def __init__(self, services: Services, subscriptions: Subscriptions, answers: dict[Answer, int]) -> None:
        """`answers` counts those of taps."""
        self._answers = answers
        self._pages, self._records = services.pages, services.records
        self._subscriptions = subscriptions
        self._pass_on = services.pass_on

    async def pass_on(self, session: Session, request: messages.PassOn) -> Message:
        made = await self._pass_on.make(session.user_id, request.packet_id)
        text = f"{plain(language_of(request.language), Text.PASSED_ON, {})} {made.text}"
        link = made.link
        return messages.PassedOn(0, link.packet_id, made.text, link.depth, link.expires_at_s * 1000, text)

    async def open_page(self, session: Session, request: messages.OpenPage) -> Message:
        tapped = await self._pages.tap(session.user_id, request.packet_id, language_of(request.language))
        self._answers[tapped.decision.answer] += 1
        return tapped_of(request.packet_id, tapped, session.features)

    async def tap_link(self, session: Session, request: messages.TapLink) -> Message:
        language = language_of(request.language)
        packet_id, over = await self._pass_on.show(session.user_id, request.link)
        if over is None:
            tapped = await self._pages.tap(session.user_id, packet_id, language)
        else:
            tapped = await self._pages.tap_over(session.user_id, over, language)
        self._answers[tapped.decision.answer] += 1
        return tapped_of(packet_id, tapped, session.features, messages.LinkTapped)

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
