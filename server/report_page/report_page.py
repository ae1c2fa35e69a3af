"""The report as a page in one file: tiles, then a card for each question, in the order in which people ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.core.texts import MoneyWords
from server.report_page import luck_cards, money_cards, people_cards
from server.report_page.markup import page, tag, text
from server.report_page.report_words import say
from server.report_page.scales import moment, spoken
from server.report_page.shown import Shown
from server.services.analysis.figures import ReportFigures

CARDS: Final[tuple[Callable[[Shown], str], ...]] = (
    money_cards.kinds,
    money_cards.pace,
    money_cards.opens,
    money_cards.gone,
    money_cards.emptied,
    people_cards.giving,
    people_cards.flows,
    people_cards.replies,
    people_cards.retention,
    people_cards.hours,
    people_cards.greetings,
    money_cards.share_amounts,
    money_cards.packet_amounts,
    luck_cards.luck,
    luck_cards.turns,
    luck_cards.last_turn,
    luck_cards.best_turns,
    money_cards.shakes,
    money_cards.sponsors,
    money_cards.refusals,
    money_cards.risk,
    money_cards.payments,
    money_cards.breaks,
)


def report_page(figures: ReportFigures, language: str, money: MoneyWords) -> str:
    """The whole page. `language`: zh or en. `money`: how amounts are spoken."""
    shown = Shown(figures, language, money)
    title = f"{say(language, 'title')} · {_days(figures)}"
    taken = say(language, "taken", at=" / ".join(sorted({moment(at) for at in figures.taken_ms})))
    if len(figures.taken_ms) > 1:
        taken += " · " + say(language, "sets", sets=len(figures.taken_ms))
    mast = tag("div", tag("h1", text(title)) + tag("p", text(taken)), "inner")
    cards = "".join(card(shown) for card in CARDS)
    footer = tag("span", text(say(language, "footer"))) + tag("span", text(say(language, "made_by")))
    body = tag("header", mast, "mast")
    body += tag("div", _tiles(shown) + _sum(shown) + tag("main", cards) + tag("footer", footer), "inner")
    return page(title, language, body, "report.css")


def _days(figures: ReportFigures) -> str:
    first, last = moment(figures.from_ms, "%Y-%m-%d"), moment(figures.to_ms - 1, "%Y-%m-%d")
    return first if first == last else f"{first} – {last}"


def _tiles(shown: Shown) -> str:
    facts, say_it = shown.figures.facts, shown.say
    counted = {name: f"{getattr(facts, name):,}" for name in ("senders", "openers", "both")}
    tiles = [
        (
            shown.money.number(facts.sent_fen),
            shown.say("sent_unit", unit=shown.unit),
            f"{facts.packets:,} {say_it('packets')}",
        ),
        (f"{facts.people:,}", say_it("people"), say_it("people_more", **counted)),
    ]
    if facts.busiest_ms is not None:
        more = say_it("busiest_more", at=moment(facts.busiest_ms, "%m-%d %H:%M"))
        tiles.append((f"{facts.busiest_packets:,}", say_it("busiest"), more))
    if facts.median_empty_s is not None:
        tiles.append((spoken(facts.median_empty_s, shown.language), say_it("median"), say_it("median_more")))
    if facts.gone_in_10_s is not None:
        tiles.append((f"{facts.gone_in_10_s:.0%}", say_it("gone10"), say_it("gone10_more")))
    inner = (
        tag("b", text(value)) + tag("span", text(name)) + tag("small", text(more)) for value, name, more in tiles
    )
    return tag("div", "".join(tag("div", one, "tile") for one in inner), "tiles")


def _sum(shown: Shown) -> str:
    facts, figures = shown.figures.facts, shown.figures
    if figures.problems:
        lines = [shown.say("problem"), *figures.problems]
        return "".join(tag("p", text(one), "sum bad") for one in lines)
    parts = {
        name: shown.amount(getattr(facts, f"{name}_fen")) for name in ("sent", "opened", "refunded", "unopened")
    }
    said = tag("p", text(shown.say("proof", **parts)), "sum")
    few = facts.median_empty_s is None and facts.gini_sent is None
    return said + (tag("p", text(shown.say("too_few")), "sum") if few else "")
