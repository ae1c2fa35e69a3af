"""Cases of risk control: the newest decisions in which a rule hit."""

from __future__ import annotations

from typing import Final

from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject
from server.core.office.roles import Door
from server.office.answers import Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import el, link, table
from server.office.pages.frame import card, framed
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
                one.decision_id,
                ask.user(one.user_id),
                one.action,
                ", ".join(one.hits),
                "" if one.changed else say("shadow"),
            )
            for one in found
        ]
        more = [link("/risk.csv", say("csv"))] if ask.may(Door.EXPORT) else []
        shown = table(head, rows) if rows else el("p", say("none"))
        body = card(say("risk"), shown, el("p", more, class_="more") if more else None)
        return Seen(say("risk"), framed(ask, say("risk"), body), Subject("risk"))

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
