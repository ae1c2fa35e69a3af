"""Cases of risk control: the newest decisions in which a rule hit."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject
from server.core.office.roles import Door
from server.core.risk.facts import FACTS
from server.office.answers import NotThere, OfficeAnswer, Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import el, facts, link, table
from server.office.pages.frame import card, framed, head_card
from server.services.office.assembly import OfficeServices
from server.services.office.people import RiskLine

PAGE: Final = 100


class RiskPages:
    """What risk control has decided. A user is released on their own page."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def cases(self, ask: Ask) -> Seen:
        """The newest cases."""
        say = ask.say
        found = await self._cases(ask)
        head = (say("time"), say("id"), say("user"), say("verdict"), say("rules"), "")
        rows = [
            (
                ask.time(one.at_ms),
                link(f"/decision/{one.decision_id}", one.decision_id, class_="id"),
                ask.user(one.user_id),
                one.action,
                ", ".join(one.hits),
                "" if one.changed else say("shadow"),
            )
            for one in found
        ]
        rows_as_csv = f"/risk.csv?rule={quote(ask.query.get('rule', '')[:100], safe='')}"
        more = [link(rows_as_csv, say("csv"))] if ask.may(Door.EXPORT) else []
        shown = table(head, rows) if rows else el("p", say("none"))
        body = card(say("risk"), shown, el("p", more, class_="more") if more else None)
        return Seen(say("risk"), framed(ask, say("risk"), body), Subject("risk"))

    async def decision(self, ask: Ask) -> OfficeAnswer:
        """A decision: which rules hit, and the facts that they were judged by."""
        subject = Subject("decision", str(ask.number))
        found = await self._office.profiles.decision(ask.number)
        if found is None:
            return NotThere(subject)
        say, line = ask.say, found.line
        title = f"{say('decision')} {line.decision_id}"
        pills = [el("span", line.action, class_="pill gold"), " ", "" if line.changed else say("shadow")]
        rows = [
            (say("user"), ask.user(line.user_id)),
            (say("time"), ask.time(line.at_ms)),
            (say("version"), found.version),
        ]
        rules = table((say("rules"), say("condition"), say("verdict"), say("detail")), found.rules)
        errors = [el("p", name, ": ", error, class_="bad") for name, error in found.errors.items()]
        facts_shown = [(name, f"{value:,}", FACTS.get(name, "")) for name, value in found.facts.items()]
        body = (
            head_card(title, "", pills, facts(rows)),
            card(say("rules"), rules if found.rules else el("p", say("none")), errors),
            card(say("facts"), table((say("facts"), say("value"), say("detail")), facts_shown)),
        )
        return Seen(title, framed(ask, title, body), subject)

    async def cases_csv(self, ask: Ask) -> Taken:
        """The same as CSV."""
        found = await self._cases(ask)
        head = ("time", "decision", "user", "action", "rules", "mode")
        rows = [
            (
                moment(one.at_ms),
                one.decision_id,
                one.user_id,
                one.action,
                " ".join(one.hits),
                "on" if one.changed else "shadow",
            )
            for one in found
        ]
        return Taken("risk-cases.csv", as_csv(head, rows), Subject("risk"), {"rows": len(rows)})

    async def _cases(self, ask: Ask) -> list[RiskLine]:
        return await self._office.profiles.cases(PAGE, ask.query.get("rule", "")[:100])
