"""What a page is drawn with: the language and the unit of money, the operator, the names that may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from protocol.money_unit import MoneyUnit
from server.core.ids import is_user
from server.core.office.entries import Operator, Subject
from server.core.office.roles import Door, OfficeRole, may
from server.office.markup import Html, Part, el, html, link, named
from server.office.word_table import WORDS

LANGUAGES: Final = ("zh", "en")
DOORS_OF_KINDS: Final = {  # of a subject that has a page
    "user": Door.USER,
    "packet": Door.PACKET,
    "group": Door.GROUP,
    "payment": Door.PAYMENT,
    "campaign": Door.CAMPAIGNS,
    "break": Door.BREAKS,
    "correction": Door.CORRECTIONS,
    "decision": Door.RISK,
}


class Ask(NamedTuple):
    """A request that has passed its doors. `proof` stands in each form; `query` and `form`: one value of a name."""

    operator: Operator
    language: str
    money: MoneyUnit
    now_ms: int
    path: str
    proof: str
    number: int  # in the path; 0: there is none
    query: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def role(self) -> OfficeRole:
        """The role of the operator."""
        return OfficeRole(self.operator.role)

    def may(self, door: Door) -> bool:
        """Whether the operator may pass another door."""
        return may(self.role, door)

    def say(self, key: str, *values: object) -> str:
        """A word of the table."""
        return say(self.language, key, *values)

    @property
    def before(self) -> int:
        """The number in the query before which a list goes on; 0: none that can be read."""
        text = self.query.get("before", "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

    def term(self, value: str) -> str:
        """A value of the records, such as a state or a kind, in the language of the page if it has a word there."""
        return self.say(value) if value in WORDS else value.replace("_", " ")

    # --- values as they are shown -----------------------------------------------------------------------------

    def fen(self, amount_fen: int | None) -> str:
        """An amount with its unit; empty: there is none."""
        return "" if amount_fen is None else self.money.full(self.language, amount_fen)

    def change(self, amount_fen: int) -> Html:
        """A change of a balance, with its sign."""
        sign, kind = ("+", "good") if amount_fen > 0 else ("\N{MINUS SIGN}", "minus")
        return el("span", f"{sign}{self.money.number(abs(amount_fen))}", class_=kind)

    def time(self, at_ms: int | None, *, exact: bool = False) -> Part:
        """A moment in Beijing to the second, or `exact`: to the millisecond; empty: there is none."""
        if not at_ms:
            return ""
        whole = moment(at_ms)
        return el("time", whole if exact else whole[:-4], datetime=moment(at_ms, "T") + "+08:00", title=whole)

    def user(self, user_id: int, name: str = "") -> Html:
        """A user, or what else an account is. The name stands there for roles that may see it."""
        if not is_user(user_id):
            return html(str(user_id)) if user_id else html("")
        shown = html(named(name, class_="name"), " ") if name and self.may(Door.NAMES) else html("")
        number = link(f"/user/{user_id}", user_id) if self.may(Door.USER) else str(user_id)
        return html(shown, number)

    def subject(self, subject: Subject) -> Html:
        """What an entry or a hit is about, with a link where there is a page of it."""
        kind, door = self.term(subject.kind), DOORS_OF_KINDS.get(subject.kind)
        if door is None or not self.may(door) or not subject.name.isdecimal():
            return html(kind, " ", el("span", subject.name, class_="id"))
        return html(kind, " ", link(f"/{subject.kind}/{subject.name}", subject.name, class_="id"))


def say(language: str, key: str, *values: object) -> str:
    """A word of the table in a language; `values` take the places of its numbers."""
    word = WORDS[key][LANGUAGES.index(language)]
    return word.format(*values) if values else word


def moment(at_ms: int | None, between: str = " ") -> str:
    """A moment in Beijing as text."""
    if at_ms is None:
        return ""
    at = datetime(1970, 1, 1, 8) + timedelta(milliseconds=at_ms)
    return f"{at:%Y-%m-%d}{between}{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
