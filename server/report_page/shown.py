"""What all cards of a report need: its tables, its language, how amounts are spoken, and the frame of a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from server.core.texts import MoneyWords
from server.report_page.markup import tag, text
from server.report_page.report_words import kind_name, say
from server.services.analysis.figures import OTHERS, FigureTable, ReportFigures

EMPTY: Final = FigureTable((), [])


class Shown:
    """A report that is being drawn."""

    def __init__(self, figures: ReportFigures, language: str, money: MoneyWords) -> None:
        self.figures = figures
        self.language = language
        self.money = money

    def rows(self, name: str) -> Sequence[tuple[Any, ...]]:
        """The rows of a table; none, if the report has no such table."""
        return self.figures.tables.get(name, EMPTY).rows

    def say(self, key: str, **values: object) -> str:
        """A text in the language of the page."""
        return say(self.language, key, **values)

    def amount(self, amount_fen: float | None) -> str:
        """An amount with its unit; a dash where it may not be shown."""
        return "–" if amount_fen is None else self.money.full(self.language, round(amount_fen))

    @property
    def unit(self) -> str:
        """The name of the unit of amounts."""
        return self.money.full(self.language, 0).strip(" 0.,")

    def named(self, name: str) -> str:
        """A name that users wrote, or the word for the row of all others."""
        return self.say("others") if name == OTHERS else name

    def kind(self, kind: str) -> str:
        """The name of a kind, or the word for the others."""
        return self.say("others") if kind == OTHERS else kind_name(self.language, kind)

    def card(self, title: str, inner: str, note: str = "", kind: str = "") -> str:
        """A card, unless there is nothing in it."""
        if not inner:
            return ""
        said = tag("p", text(note)) if note else ""
        return tag("section", tag("h2", text(title)) + said + inner, kind)


def percent(part: float | None, digits: int = 0) -> str:
    """A part of 1 as a percentage."""
    return "–" if part is None else f"{part:.{digits}%}"
