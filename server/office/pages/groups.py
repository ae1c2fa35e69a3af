"""The page of a group: its life, its members, its packets."""

from __future__ import annotations

from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject
from server.core.office.roles import Door
from server.office.answers import NotThere, OfficeAnswer, Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import NOTHING, Html, el, facts, link, table
from server.office.pages.done import actions
from server.office.pages.frame import card, framed, head_card
from server.services.office.assembly import OfficeServices
from server.services.office.groups import ShownGroup


class GroupPages:
    """One group."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def group(self, ask: Ask) -> OfficeAnswer:
        """Who is in it, who came and went, and what was sent there."""
        subject = Subject("group", str(ask.number))
        found = await self._office.groups.group(ask.number)
        if found is None:
            return NotThere(subject)
        title = f"{ask.say('group')} {found.group_id}"
        done = await actions(self._office.journal, ask, subject)
        body = (_head(ask, found, title), _packets(ask, found), _members(ask, found), done)
        return Seen(title, framed(ask, title, body), subject)

    async def members_csv(self, ask: Ask) -> OfficeAnswer:
        """The newest changes of members as CSV."""
        subject = Subject("group", str(ask.number))
        found = await self._office.groups.group(ask.number)
        if found is None:
            return NotThere(subject)
        head = ("user", "name", "joined", "left", "removed")
        rows = [
            (
                one.user_id,
                one.name if ask.may(Door.NAMES) else "",
                moment(one.joined_at_ms),
                moment(one.left_at_ms),
                moment(one.removed_at_ms),
            )
            for one in found.lines
        ]
        return Taken(f"group-{ask.number}-members.csv", as_csv(head, rows), subject, {"rows": len(rows)})


def _head(ask: Ask, found: ShownGroup, title: str) -> Html:
    is_deleted = found.deleted_at_ms is not None
    state = ask.say("deleted") if is_deleted else ask.say("active")
    pills = (
        el("span", state, class_="pill bad" if is_deleted else "pill good"),
        " ",
        el("span", ask.term(found.kind), class_="pill"),
    )
    rows = [
        (ask.say("owner"), ask.user(found.owner_id, found.owner_name)),
        (ask.say("members"), str(found.members)),
        (ask.say("messages"), str(found.messages)),
        (ask.say("made"), ask.time(found.created_at_ms)),
    ]
    if found.external_id:
        rows.append((ask.say("external_id"), el("span", found.external_id, class_="id")))
    if is_deleted:
        rows.append((ask.say("deleted"), ask.time(found.deleted_at_ms)))
    return head_card(title, found.name, pills, facts(rows))


def _packets(ask: Ask, found: ShownGroup) -> Html:
    say = ask.say
    head = (say("time"), say("packet"), say("sent_by"), say("kind"), say("shares"), say("amount"), say("ended"))
    rows = [
        (
            ask.time(one.at_ms),
            link(f"/packet/{one.packet_id}", one.packet_id, class_="id"),
            ask.user(one.sender_id, one.sender_name),
            ask.term(one.kind),
            f"{one.opened}/{one.shares}",
            ask.fen(one.amount_fen),
            ask.time(one.closed_at_ms),
        )
        for one in found.packets
    ]
    return card(say("packets"), table(head, rows) if rows else el("p", say("none")))


def _members(ask: Ask, found: ShownGroup) -> Html:
    say = ask.say
    head = (say("user"), say("joined"), say("left_group"), say("removed"))
    rows = [
        (
            ask.user(one.user_id, one.name),
            ask.time(one.joined_at_ms),
            ask.time(one.left_at_ms),
            ask.time(one.removed_at_ms),
        )
        for one in found.lines
    ]
    more = NOTHING
    if ask.may(Door.EXPORT):
        more = el("p", link(f"/group/{found.group_id}/members.csv", say("csv")), class_="more")
    return card(say("members"), table(head, rows) if rows else el("p", say("none")), more)
