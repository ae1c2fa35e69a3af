"""The page of a user, and the forms that freeze and release."""

from __future__ import annotations

from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject, cause_of
from server.core.office.roles import Door
from server.office.answers import Changed, NotThere, OfficeAnswer, Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import NOTHING, Html, el, facts, html, link, table
from server.office.pages.done import actions, done_notice
from server.office.pages.frame import card, change_form, framed, head_card
from server.services.office.assembly import OfficeServices
from server.services.office.people import Profiled


class UserPages:
    """One user."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def user(self, ask: Ask) -> OfficeAnswer:
        """Wallet, newest entries, packets, payments, risk control, and what operators did."""
        before = ask.before
        found = await self._office.profiles.user(ask.number, before)
        subject = Subject("user", str(ask.number))
        if found is None:
            return NotThere(subject)
        title = f"{ask.say('user')} {found.user_id}"
        body = (
            await done_notice(self._office.journal, ask),
            _head(ask, found, title),
            _entries(ask, found),
            _packets(ask, found),
            _payments(ask, found),
            _risk(ask, found),
            await actions(self._office.journal, ask, subject),
        )
        return Seen(title, framed(ask, title, body), subject, {"before": before} if before else {})

    async def entries_csv(self, ask: Ask) -> OfficeAnswer:
        """The newest entries of the wallet as CSV."""
        found = await self._office.profiles.user(ask.number)
        subject = Subject("user", str(ask.number))
        if found is None:
            return NotThere(subject)
        head = ("version", "time", "reason", "change_fen", "balance_fen", "packet", "other", "key", "text")
        rows = [
            (
                one.version,
                moment(one.at_ms),
                one.reason,
                one.change_fen,
                one.balance_fen,
                one.packet_id or "",
                one.other_id,
                one.key,
                one.text,
            )
            for one in found.entries
        ]
        return Taken(f"user-{ask.number}-entries.csv", as_csv(head, rows), subject, {"rows": len(rows)})

    async def freeze(self, ask: Ask) -> Changed:
        """End the connections of a user, and refuse logins and sends."""
        cause = cause_of(ask.form.get("case", ""), ask.form.get("reason", ""))
        return Changed(f"/user/{ask.number}", await self._office.users.freeze(ask.operator, ask.number, cause))

    async def unfreeze(self, ask: Ask) -> Changed:
        """Let a user in again."""
        cause = cause_of(ask.form.get("case", ""), ask.form.get("reason", ""))
        return Changed(f"/user/{ask.number}", await self._office.users.unfreeze(ask.operator, ask.number, cause))

    async def release(self, ask: Ask) -> Changed:
        """Nothing of risk control holds a user back for a week."""
        cause = cause_of(ask.form.get("case", ""), ask.form.get("reason", ""))
        return Changed(f"/user/{ask.number}", await self._office.users.release(ask.operator, ask.number, cause))


def _head(ask: Ask, found: Profiled, title: str) -> Html:
    is_frozen = found.banned_at_ms is not None
    state = ask.say("frozen_since", moment(found.banned_at_ms)[:-4]) if is_frozen else ask.say("active")
    pills = [el("span", state, class_="pill bad" if is_frozen else "pill good")]
    if found.is_sponsor:
        pills.append(el("span", ask.say("sponsor"), class_="pill gold"))
    if found.in_force is not None and found.in_force.action != "allow":
        pills.append(el("span", f"{ask.say('risk')}: {found.in_force.action}", class_="pill bad"))
    rows = [
        (ask.say("balance"), ask.fen(found.facts.balance_fen)),
        (ask.say("arriving"), ask.fen(found.facts.arriving_fen)),
        (ask.say("known_since"), ask.time(found.known_at_ms)),
        (ask.say("cards"), ", ".join(found.cards) or ask.say("none")),
        (ask.say("groups"), str(len(found.facts.chats))),
    ]
    if found.facts.tokens_from_s:
        rows.append((ask.say("tokens_from"), ask.time(found.facts.tokens_from_s * 1000)))
    path = f"/user/{found.user_id}"
    freeze = (
        change_form(ask, Door.UNFREEZE, f"{path}/unfreeze", about=ask.say("unfreeze_text"))
        if is_frozen
        else change_form(ask, Door.FREEZE, f"{path}/freeze", about=ask.say("freeze_text"), is_grave=True)
    )
    held = found.in_force is not None and found.in_force.action != "allow"
    release = change_form(ask, Door.RELEASE, f"{path}/release", about=ask.say("release_text")) if held else NOTHING
    shown = el("div", freeze, release, class_="doors")
    return head_card(title, found.name, [(pill, " ") for pill in pills], facts(rows), shown)


def _entries(ask: Ask, found: Profiled) -> Html:
    say = ask.say
    head = (say("time"), say("detail"), say("change"), say("balance"), say("other"), say("packet"), say("key_of"))
    rows = [
        (
            ask.time(one.at_ms),
            html(ask.term(one.reason), " ", el("span", one.text, class_="text")),
            ask.change(one.change_fen),
            ask.money.number(one.balance_fen),
            ask.user(one.other_id, one.other_name),
            link(f"/packet/{one.packet_id}", one.packet_id, class_="id") if one.packet_id else "",
            el("span", one.key, class_="id"),
        )
        for one in found.entries
    ]
    more = []
    if found.more_entries and found.entries:
        more.append(link(f"/user/{found.user_id}?before={found.entries[-1].version}", say("older")))
    if ask.may(Door.EXPORT):
        more.append(link(f"/user/{found.user_id}/entries.csv", say("csv")))
    shown = table(head, rows) if rows else el("p", say("none"))
    return card(say("entries"), shown, el("p", [(one, " ") for one in more], class_="more"))


def _packets(ask: Ask, found: Profiled) -> Html:
    say, parts = ask.say, []
    for title, lines in (("sent", found.sent), ("received", found.received)):
        rows = [
            (
                ask.time(one.at_ms),
                link(f"/packet/{one.packet_id}", one.packet_id, class_="id"),
                ask.term(str(one.kind)),
                f"{one.opened}/{one.shares}",
                ask.fen(one.amount_fen),
                ask.term(str(one.state)),
                ask.user(one.user_id, one.name),
            )
            for one in lines
        ]
        head = (say("time"), say("packet"), say("kind"), say("shares"), say("amount"), say("state"), say("other"))
        parts.append(card(say(title), table(head, rows) if rows else el("p", say("none"))))
    return html(parts)


def _payments(ask: Ask, found: Profiled) -> Html:
    if not found.payments:
        return NOTHING
    say = ask.say
    rows = [
        (
            ask.time(one.created_at_ms),
            link(f"/payment/{one.number}", one.number, class_="id"),
            ask.term(one.kind),
            ask.term(one.state),
            ask.fen(one.amount_fen),
            one.gateway,
        )
        for one in found.payments
    ]
    head = (say("time"), say("payment"), say("kind"), say("state"), say("amount"), say("gateway"))
    return card(say("payments"), table(head, rows))


def _risk(ask: Ask, found: Profiled) -> Html:
    if found.in_force is None and not found.decisions:
        return NOTHING
    say, parts = ask.say, []
    if found.in_force is not None:
        parts.append(el("p", say("in_force"), ": ", el("b", found.in_force.action), " ", found.in_force.says))
        if found.in_force.released_until_ms:
            parts.append(el("p", say("released_until", moment(found.in_force.released_until_ms))))
    rows = [
        (
            ask.time(one.at_ms),
            link(f"/decision/{one.decision_id}", one.decision_id, class_="id"),
            one.action,
            ", ".join(one.hits),
            "" if one.changed else say("shadow"),
        )
        for one in found.decisions
    ]
    head = (say("time"), say("id"), say("verdict"), say("rules"), "")
    return card(say("decisions"), parts, table(head, rows) if rows else None)
