"""The page of a packet in a WebView: its link, for the chat backend; open and result, for the page itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

import msgspec

from protocol.codes import Refusal
from protocol.money_unit import MoneyUnit
from server.core.decisions import Answer, Decision
from server.core.pages import OpenPageView, View
from server.core.refusals import Reason, RequestRefused
from server.core.texts import Language, Text, say
from server.http_api.handlers.call import Call, Gate
from server.http_api.handlers.packets import REFUSED_ANSWERS
from server.http_api.page import link
from server.http_api.page.shell import shell
from server.http_api.problems import Problem
from server.http_api.shapes import pages as shapes
from server.services.assembly import Services
from server.services.everyday.words import WordsWrong
from server.services.packets.pages import ListedClaim, ResultList, ShownPage

Opens: TypeAlias = Callable[[int, int], Awaitable[Decision]]  # a user and a packet
REPLY_BYTES_MAX: Final = 800  # with the head of the response less than 1 KB
UNSAID: Final = {
    Reason.WORDS_WRONG: Text.WORDS_WRONG,
    Reason.WORDS_SPENT: Text.WORDS_SPENT,
    Reason.BAD_WORDS: Text.BAD_WORDS,
}


class Speech(NamedTuple):
    """How a page speaks: the language of its user, and the unit of money of the server."""

    language: Language
    money: MoneyUnit

    def say(self, text: Text, **figures: int) -> str:
        """The text with its figures."""
        return say(self.language, text, figures, self.money)


class PageRequests:
    """Links to pages, and what pages ask for on behalf of their user."""

    def __init__(self, services: Services, gate: Gate, now_ms: Callable[[], int], money: MoneyUnit) -> None:
        self._pages, self._on_behalf, self._reads = services.pages, services.on_behalf, services.reads
        self._standing, self._login, self._pass_on = services.standing, services.login, services.pass_on
        self._words = services.everyday.words
        self._gate = gate
        self._now_ms = now_ms
        self._money = money
        self.url = ""  # where WebViews reach /c/; like the lifetime it is set once the API listens, and by a reload
        self.link_lifetime_s = 0

    async def make_link(self, call: Call) -> shapes.PageLinkReply:
        """Make a link to the page of a packet, for one user and a short time"""
        packet_id, user_id, language = call.path["packet_id"], call.body.user_id, call.body.language
        self._gate.check_current()
        standing = await self._standing.check(user_id)
        shown = await self._shown_to(user_id, packet_id, call.body)
        # a link of the second of a revocation would be refused
        issued_at_s = max(self._now_ms() // 1000, standing.tokens_from_s)
        expires_at_s = issued_at_s + self.link_lifetime_s
        made = link.mint(link.LinkClaim(packet_id, user_id, issued_at_s, expires_at_s), *self._login.signing_key)
        url = link.url(self.url, shell().name, made, _card(shown, Speech(language, self._money)))
        return shapes.PageLinkReply(url, expires_at_s)

    async def _shown_to(self, user_id: int, packet_id: int, asked: shapes.PageLinkBody) -> ShownPage:
        """What the page shows first to a user, who may come by the link of a friend."""
        over = (await self._pass_on.show(user_id, asked.link, packet_id)).over if asked.link else None
        if over is None:
            return await self._pages.show(user_id, packet_id, asked.language)
        tapped = await self._pages.tap_over(user_id, over, asked.language)
        assert tapped.page is not None
        return ShownPage(tapped.page, tapped.sender_name, None)

    async def open(self, call: Call) -> shapes.PageReply:
        """Of the page: grab and open its packet, and show what came of it; again, it answers the same share"""
        page, speech = await self._admitted(call), Speech(call.query.language, self._money)
        return await self._opened(page, speech, self._on_behalf.open)

    async def say(self, call: Call) -> shapes.PageReply:
        """Of the page: say the words of its packet in the chat, then open it; again, it answers the same share"""
        page, speech = await self._admitted(call), Speech(call.query.language, self._money)
        try:
            await self._words.say(page.user_id, page.packet_id, call.body.words)
        except RequestRefused as refused:
            if refused.reason not in UNSAID:
                raise
            return _unsaid(refused, speech)
        return await self._opened(page, speech, self._on_behalf.open_here)

    async def _opened(self, page: link.LinkClaim, speech: Speech, opens: Opens) -> shapes.PageReply:
        decision = await opens(page.user_id, page.packet_id)
        answer = decision.answer
        if answer in REFUSED_ANSWERS:
            raise Problem(REFUSED_ANSWERS[answer])
        if answer is Answer.BUSY:
            return _busy(decision, speech)
        reply = _shown(await self._pages.show(page.user_id, page.packet_id, speech.language), speech)
        reply.answer = answer.value  # type: ignore[assignment]
        return reply

    async def result(self, call: Call) -> shapes.PageReply:
        """Of the page: who opened its packet, as far as its user may know"""
        page, speech = await self._admitted(call), Speech(call.query.language, self._money)
        async with self._reads.turn():
            found = await self._pages.result(page.user_id, page.packet_id, speech.language, 0)
        return _result(found, speech)

    async def _admitted(self, call: Call) -> link.LinkClaim:
        """The link of the request, whose user may act. Raises Problem, RequestRefused."""
        page = call.link
        assert page is not None
        self._gate.enter(page.user_id)
        standing = await self._standing.check(page.user_id)
        if page.issued_at_s < standing.tokens_from_s:
            raise Problem(Refusal.BAD_LINK, "the link was revoked with the tokens of its user: make a new one")
        return page


def _card(shown: ShownPage, speech: Speech) -> dict[str, str]:
    """What the page shows before it has asked for anything."""
    page = shown.page
    return {
        "language": speech.language,
        "view": page.view,
        "sender": _called(shown.sender_name, page.sender_id, speech),
        "greeting": page.greeting,
        "line": page.line,
        "button": _button(page),
        "say": _say(page),
        "link": page.link,
    }


def _shown(shown: ShownPage, speech: Speech) -> shapes.PageReply:
    if shown.result is not None:
        return _result(shown.result, speech)
    page = shown.page
    return shapes.PageReply(page.view, line=page.line, button=_button(page), say=_say(page), link=page.link)


def _button(page: OpenPageView) -> str:
    """The coin; words are said first."""
    return "" if page.view is View.WORDS else page.button


def _say(page: OpenPageView) -> str:
    """The button beside the field for the words."""
    return page.button if page.view is View.WORDS else ""


def _unsaid(refused: RequestRefused, speech: Speech) -> shapes.PageReply:
    """Why the words were not taken, and the field again while there are attempts."""
    left = refused.left if isinstance(refused, WordsWrong) else None
    text = Text.WORDS_SPENT if left == 0 else UNSAID[refused.reason]
    say = "" if text is Text.WORDS_SPENT else speech.say(Text.SAY)
    return shapes.PageReply(View.WORDS, line=speech.say(text, left=left or 0), say=say)


def _busy(decision: Decision, speech: Speech) -> shapes.PageReply:
    button = speech.say(Text.OPEN)
    return shapes.PageReply(View.OPEN, "busy", retry_after_ms=decision.retry_after_ms, button=button)


def _result(found: ResultList, speech: Speech) -> shapes.PageReply:
    page = found.page
    reply = shapes.PageReply(
        View.RESULT,
        amount_fen=page.amount_fen,
        amount=page.amount,
        note=page.note,
        summary=page.summary,
        ending=page.ending,
        send_again=page.send_again,
        records=page.records,
        send=speech.say(Text.SEND),
        pass_on=page.pass_on,
        turn=_turn(found, speech),
        more=True,
    )
    ordered = sorted(found.lines, key=lambda one: one.claim.index != page.best_index)
    lines = [_line(one, page.best_mark if one.claim.index == page.best_index else "", speech) for one in ordered]
    reply.lines = _as_many_as_fit(reply, lines)
    reply.more = found.more or len(reply.lines) < len(lines)
    return reply


def _turn(found: ResultList, speech: Speech) -> str:
    """Who is to send the next one; with a name, unless it is the user of the page."""
    page = found.page
    if not page.turn or page.turn_is_mine:
        return page.turn
    return f"{_called(found.turn_name, page.turn_user_id, speech)} · {page.turn}"


def _line(listed: ListedClaim, mark: str, speech: Speech) -> shapes.PageLine:
    claim = listed.claim
    amount = speech.say(Text.AMOUNT, amount=claim.amount_fen)
    return shapes.PageLine(_called(listed.name, claim.user_id, speech), amount, listed.when, mark)


def _as_many_as_fit(reply: shapes.PageReply, lines: list[shapes.PageLine]) -> list[shapes.PageLine]:
    room = REPLY_BYTES_MAX - len(msgspec.json.encode(reply)) - len(',"lines":[],"answer":"claimed"')
    for count, line in enumerate(lines):
        room -= len(msgspec.json.encode(line)) + 1
        if room < 0:
            return lines[:count]
    return lines


def _called(name: str, user_id: int, speech: Speech) -> str:
    return name or speech.say(Text.NAMELESS, n=user_id)
