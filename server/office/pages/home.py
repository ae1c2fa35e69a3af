"""The first page, and the search."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from server.core.office.entries import OfficeRefused, Subject
from server.core.office.roles import DOORS, Door, doors_of
from server.office.answers import Seen
from server.office.context import DOORS_OF_KINDS, Ask
from server.office.markup import Html, el, html, link, named
from server.office.pages.frame import card, framed, head_card, notice
from server.services.office.assembly import OfficeServices
from server.services.office.finding import Hit
from server.services.office.journal import WantedEntries

NEWEST: Final = 100
RECENT: Final = 12


class HomePages:
    """What needs no subject."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def home(self, ask: Ask) -> Seen:
        """What the role may do."""
        changes = [ask.say(str(door)) for door in doors_of(ask.role) if DOORS[door].is_change]
        title = ask.say("office")
        waiting = await self._waiting(ask)
        body = (
            head_card(ask.operator.role, ask.operator.name, None, el("p", ask.say("search_text"), class_="soft")),
            notice("", link("/corrections", ask.say("wait_for_second", waiting)), kind="gold") if waiting else None,
            await self._asked(ask),
            await self._recent(ask),
            card(
                ask.say("what_you_can"),
                el("ul", [el("li", one) for one in changes]) if changes else el("p", ask.say("only_look")),
            ),
        )
        return Seen(title, framed(ask, title, body), Subject("home"))

    async def _waiting(self, ask: Ask) -> int:
        """How many of the newest corrections wait for this operator, who has not proposed them."""
        if not ask.may(Door.APPROVE):
            return 0
        found = await self._office.all.reconciliation.corrections.newest(0, NEWEST)
        return sum(1 for one in found if one.state == "proposed" and one.proposed_uid != ask.operator.uid)

    async def _asked(self, ask: Ask) -> list[Html]:
        """What other operators have asked for, and this one may do."""
        found = [one for one in await self._office.journal.asked() if one.uid != ask.operator.uid]
        return [
            notice(
                ask.say("asked_by", one.operator, one.case_number),
                html(": ", ask.term(one.door), " ", ask.subject(Subject(one.subject_kind, one.subject))),
                kind="gold",
            )
            for one in found
            if ask.may(Door(one.door))
        ]

    async def _recent(self, ask: Ask) -> Html | None:
        """What the operator has opened lately, by their own entries in the log."""
        found = await self._office.journal.newest(NEWEST, 0, WantedEntries(operator=ask.operator.name))
        subjects = dict.fromkeys(Subject(one.subject_kind, one.subject) for one in found if one.state == "seen")
        shown = [one for one in subjects if one.kind in DOORS_OF_KINDS][:RECENT]
        if not shown:
            return None
        return card(ask.say("recent"), el("ul", [el("li", ask.subject(one)) for one in shown], class_="recent"))

    async def search(self, ask: Ask) -> Seen:
        """What a text may name. The log has the ids that were found, not the text: it may be a name."""
        title = ask.say("search")
        try:
            hits = await self._office.finding.find(ask.query.get("q", ""), ask.role)
        except OfficeRefused as refused:
            return Seen(title, framed(ask, title, notice(str(refused), kind="bad")), Subject("search"))
        found = [f"{one.subject.kind} {one.subject.name}" for one in hits]
        if not hits:
            body = card(title, el("p", ask.say("nothing_found")))
        else:
            body = card(ask.say("found", len(hits)), el("ul", [_hit(ask, one) for one in hits], class_="hits"))
        return Seen(title, framed(ask, title, body), Subject("search"), {"found": found[:50]})

    async def transfer(self, ask: Ask) -> Seen:
        """What a key of a user has moved."""
        key = ask.query.get("key", "")
        hits = await self._office.finding.by_key(ask.number, key) if key else []
        body = card(
            ask.say("transfer"),
            el("ul", [_hit(ask, one) for one in hits], class_="hits")
            if hits
            else el("p", ask.say("nothing_found")),
        )
        subject = Subject("transfer", f"{ask.number} {key}"[:200])
        return Seen(ask.say("transfer"), framed(ask, ask.say("transfer"), body), subject)


def _hit(ask: Ask, one: Hit) -> Html:
    name = el("bdi", one.name, class_="name") if one.subject.kind in ("campaign", "group") else named(one.name)
    parts = [ask.subject(one.subject)]
    if one.name:
        parts.append(name)
    if one.detail:
        parts.append(el("span", one.detail, class_="pill"))
    if one.amount_fen is not None:
        parts.append(html(ask.fen(one.amount_fen)))
    if one.user_id and one.subject.kind != "user":
        parts.append(html(ask.say("user"), " ", ask.user(one.user_id)))
    if one.at_ms:
        parts.append(html(ask.time(one.at_ms)))
    if one.key:
        path = f"/transfer/{one.user_id}?key={quote(one.key, safe='')}"
        shown = link(path, one.key, class_="id") if ask.may(Door.TRANSFER) else el("span", one.key, class_="id")
        parts.append(html(ask.say("key_of"), " ", shown))
    return el("li", [(part, " ") for part in parts])
