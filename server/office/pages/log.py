"""The log of the back office, and its operators."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject
from server.core.office.roles import Door
from server.office.answers import Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import el, html, link, table
from server.office.pages.done import door_name, shown_facts
from server.office.pages.frame import card, framed
from server.services.office.assembly import OfficeServices
from server.services.office.journal import WantedEntries

PAGE: Final = 100


class LogPages:
    """What operators saw and did, and the operators."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def log(self, ask: Ask) -> Seen:
        """The newest entries."""
        say = ask.say
        before, wanted = _wanted(ask)
        found = await self._office.journal.newest(PAGE, before, wanted)
        head = (
            say("entry"),
            say("time"),
            say("operator"),
            say("door"),
            say("state"),
            say("subject"),
            say("case"),
            say("reason"),
            say("before"),
            say("after"),
            say("address"),
        )
        rows = [
            (
                one.entry_id if one.of_entry is None else html(one.entry_id, " \N{LEFTWARDS ARROW} ", one.of_entry),
                ask.time(one.at_ms, exact=True),
                html(one.operator, " ", el("span", one.role, class_="soft")),
                door_name(ask, one.door),
                ask.term(one.state),
                ask.subject(Subject(one.subject_kind, one.subject)),
                el("span", one.case_number, class_="id"),
                el("span", one.reason, class_="text"),
                el("span", shown_facts(one.before), class_="text"),
                el("span", shown_facts(one.after), class_="text"),
                one.address,
            )
            for one in found
        ]
        more = [link("/log", say("newest"))]
        if len(found) == PAGE:
            more.append(link(_path("/log", found[-1].entry_id, wanted), say("older")))
        if ask.may(Door.EXPORT):
            more.append(link(_path("/log.csv", before, wanted), say("csv")))
        body = card(say("log"), table(head, rows), el("p", [(one, " ") for one in more], class_="more"))
        return Seen(say("log"), framed(ask, say("log"), body), Subject("log"))

    async def log_csv(self, ask: Ask) -> Taken:
        """The same entries as CSV."""
        before, wanted = _wanted(ask)
        found = await self._office.journal.newest(PAGE, before, wanted)
        head = (
            "entry",
            "of_entry",
            "time",
            "operator",
            "role",
            "uid",
            "address",
            "door",
            "state",
            "subject_kind",
            "subject",
            "case_number",
            "reason",
            "before",
            "after",
        )
        rows = [
            (
                one.entry_id,
                one.of_entry,
                moment(one.at_ms),
                one.operator,
                one.role,
                one.uid,
                one.address,
                one.door,
                one.state,
                one.subject_kind,
                one.subject,
                one.case_number,
                one.reason,
                shown_facts(one.before),
                shown_facts(one.after),
            )
            for one in found
        ]
        return Taken("office-log.csv", as_csv(head, rows), Subject("log"), {"rows": len(rows)})

    async def operators(self, ask: Ask) -> Seen:
        """Who may log in. They are managed on the command line."""
        say = ask.say
        head = (say("operator"), say("role"), say("has_key"), say("system_user"), say("last_seen"))
        rows = [
            (
                one.name,
                one.role,
                say("yes") if one.key_hash is not None else say("no"),
                "" if one.system_uid is None else one.system_uid,
                ask.time(one.seen_at_ms),
            )
            for one in await self._office.operators.all()
        ]
        body = card(say("operators"), table(head, rows), el("p", say("operators_text"), class_="soft"))
        return Seen(say("operators"), framed(ask, say("operators"), body), Subject("operators"))


def _path(path: str, before: int, wanted: WantedEntries) -> str:
    """The address of other entries that are wanted in the same way."""
    asked = {"before": before, **wanted._asdict()}
    return f"{path}?{urlencode({name: value for name, value in asked.items() if value or name == 'before'})}"


def _wanted(ask: Ask) -> tuple[int, WantedEntries]:
    return ask.before, WantedEntries(*(ask.query.get(name, "")[:64] for name in WantedEntries._fields))
