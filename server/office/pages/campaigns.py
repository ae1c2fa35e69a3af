"""Campaigns: all of them, one with what it has spent, and the forms that pause and end it."""

from __future__ import annotations

from typing import Final

from server.core.campaigns.terms import Stage
from server.core.ids import BACKEND
from server.core.office.entries import Subject, cause_of
from server.core.office.roles import Door
from server.core.refusals import RequestRefused
from server.office.answers import Changed, NotThere, OfficeAnswer, Seen
from server.office.context import Ask
from server.office.markup import NOTHING, Html, el, facts, link, table
from server.office.pages.done import actions, done_notice
from server.office.pages.frame import card, change_form, framed, head_card
from server.services.campaigns.service import CampaignView
from server.services.office.assembly import OfficeServices

DOORS_OF_STAGE: Final = {
    Stage.SCHEDULED: (Door.PAUSE_CAMPAIGN, Door.END_CAMPAIGN),
    Stage.RUNNING: (Door.PAUSE_CAMPAIGN, Door.END_CAMPAIGN),
    Stage.PAUSED: (Door.RESUME_CAMPAIGN, Door.END_CAMPAIGN),
    Stage.ENDED: (),
}
ACTIONS_OF_CAMPAIGN: Final = {
    "pause": Door.PAUSE_CAMPAIGN,
    "resume": Door.RESUME_CAMPAIGN,
    "end": Door.END_CAMPAIGN,
}


class CampaignPages:
    """Campaigns."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def campaigns(self, ask: Ask) -> Seen:
        """All campaigns, the newest first."""
        say = ask.say
        page = await self._office.all.campaigns.service.page(BACKEND, ask.before)
        head = (
            say("campaign"),
            say("name"),
            say("sponsor"),
            say("state"),
            say("budget"),
            say("begins"),
            say("ends"),
        )
        rows = [
            (
                link(f"/campaign/{one.row.campaign_id}", one.row.campaign_id, class_="id"),
                el("bdi", one.row.name, class_="text"),
                ask.user(one.row.sponsor_id, one.row.sponsor_name),
                ask.term(str(one.stage)),
                ask.fen(one.row.budget_fen),
                ask.time(one.row.starts_at_ms),
                ask.time(one.row.ends_at_ms),
            )
            for one in page.campaigns
        ]
        more = NOTHING
        if page.more:
            more = el(
                "p", link(f"/campaigns?before={page.campaigns[-1].row.campaign_id}", say("older")), class_="more"
            )
        body = card(say("campaigns"), table(head, rows) if rows else el("p", say("none")), more)
        return Seen(say("campaigns"), framed(ask, say("campaigns"), body), Subject("campaigns"))

    async def campaign(self, ask: Ask) -> OfficeAnswer:
        """A campaign, what it has spent, and the forms that pause and end it."""
        subject = Subject("campaign", str(ask.number))
        try:
            found = await self._office.all.campaigns.service.report(ask.number)
        except RequestRefused:
            return NotThere(subject)
        view, totals, say = found.view, found.totals, ask.say
        title = f"{say('campaign')} {ask.number}"
        rows = [
            (say("sponsor"), ask.user(view.row.sponsor_id, view.row.sponsor_name)),
            (say("budget"), ask.fen(view.row.budget_fen)),
            (say("spent"), ask.fen(totals.won_fen)),
            (say("shares"), f"{totals.won_shares}/{view.row.shares}"),
            (say("winners"), str(totals.winners)),
            (say("returned"), ask.fen(view.row.returned_fen)),
            (say("leases"), str(totals.open_leases)),
            (say("begins"), ask.time(view.row.starts_at_ms)),
            (say("ends"), ask.time(view.row.ends_at_ms)),
        ]
        head = head_card(
            title,
            view.row.name,
            el("span", ask.term(str(view.stage)), class_="pill gold"),
            facts(rows),
            el("div", _campaign_forms(ask, view), class_="doors"),
        )
        body = (
            await done_notice(self._office.journal, ask),
            head,
            await actions(self._office.journal, ask, subject),
        )
        return Seen(title, framed(ask, title, body), subject)

    async def pause(self, ask: Ask) -> OfficeAnswer:
        """Shakes win nothing until it is resumed."""
        return await self._change(ask, Door.PAUSE_CAMPAIGN)

    async def resume(self, ask: Ask) -> OfficeAnswer:
        """Go on."""
        return await self._change(ask, Door.RESUME_CAMPAIGN)

    async def end(self, ask: Ask) -> OfficeAnswer:
        """End it now: what is left goes back to the sponsor."""
        return await self._change(ask, Door.END_CAMPAIGN)

    async def _change(self, ask: Ask, door: Door) -> OfficeAnswer:
        cause = cause_of(ask.form.get("case", ""), ask.form.get("reason", ""))
        try:
            view = await self._office.all.campaigns.service.view(BACKEND, ask.number)
        except RequestRefused:
            return NotThere(Subject("campaign", str(ask.number)))
        entry = await self._office.money.campaign(ask.operator, door, ask.number, str(view.stage), cause)
        return Changed(f"/campaign/{ask.number}", entry)


def _campaign_forms(ask: Ask, view: CampaignView) -> list[Html]:
    actions_of = {door: action for action, door in ACTIONS_OF_CAMPAIGN.items()}
    path = f"/campaign/{view.row.campaign_id}"
    about = {Door.END_CAMPAIGN: ask.say("end_campaign_text")}
    return [
        change_form(
            ask, door, f"{path}/{actions_of[door]}", about=about.get(door, ""), is_grave=door is Door.END_CAMPAIGN
        )
        for door in DOORS_OF_STAGE[view.stage]
    ]
