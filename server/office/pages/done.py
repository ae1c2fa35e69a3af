"""What operators did: the notice after a change, the list on the page of a subject. Both are read from the log."""

from __future__ import annotations

from server.core.office.entries import EntryState, Subject
from server.core.office.roles import Door
from server.office.context import Ask
from server.office.markup import NOTHING, Html, el, html, link, table
from server.office.pages.frame import card, notice
from server.services.office.journal import LoggedEntry, OfficeJournal


async def done_notice(journal: OfficeJournal, ask: Ask) -> Html:
    """That a change was made, if the page is the answer to one by this operator."""
    number = ask.query.get("done", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        return NOTHING
    entry = await journal.entry(int(number))
    if entry is None or entry.operator != ask.operator.name:
        return NOTHING
    if entry.state == EntryState.ASKED:
        return notice(f"{door_name(ask, entry.door)}. {ask.say('asked_entry', entry.entry_id)}", kind="gold")
    if entry.state != EntryState.BEGUN:
        return NOTHING
    return notice(f"{door_name(ask, entry.door)}. {ask.say('done_entry', entry.entry_id)}")


async def actions(journal: OfficeJournal, ask: Ask, *subjects: Subject) -> Html:
    """What operators did about subjects, the newest first."""
    found = [entry for subject in subjects for entry in await journal.changes(subject)]
    if not found:
        return NOTHING
    found.sort(key=lambda entry: -entry.entry_id)
    say = ask.say
    head = (say("time"), say("operator"), say("door"), say("state"), say("case"), say("reason"), say("after"))
    return card(say("actions"), table(head, [_row(ask, one) for one in found]))


def _row(ask: Ask, entry: LoggedEntry) -> tuple[Html | str, ...]:
    state = ask.term(entry.state) if entry.state != EntryState.BEGUN else ask.say("unfinished")
    kind = {EntryState.DONE: "pill good", EntryState.REFUSED: "pill bad"}.get(EntryState(entry.state), "pill gold")
    operator = html(entry.operator, " ", el("span", entry.role, class_="soft"))
    door = door_name(ask, entry.door)
    if ask.may(Door.LOG):
        door = link(f"/log?before={entry.entry_id + 1}", door)
    return (
        html(ask.time(entry.at_ms)),
        operator,
        door,
        el("span", state, class_=kind),
        el("span", entry.case_number, class_="id"),
        el("span", entry.reason, class_="text"),
        el("span", shown_facts(entry.after), class_="text"),
    )


def door_name(ask: Ask, door: str) -> Html:
    """A door in the language of the page."""
    return html(ask.term(door))


def shown_facts(values: dict[str, object]) -> str:
    """Facts of an entry on one line."""
    return ", ".join(f"{name.replace('_', ' ')}: {_shown(value)}" for name, value in values.items())


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
