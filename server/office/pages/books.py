"""Breaks and corrections: lists, one break with its corrections, and the changes. Money needs two operators."""

from __future__ import annotations

from typing import Final

from server.core.office.csv_text import as_csv
from server.core.office.entries import Cause, OfficeRefused, Subject, cause_of
from server.core.office.roles import Door
from server.office.answers import Changed, NotThere, OfficeAnswer, Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import NOTHING, el, link, table
from server.office.pages.book_parts import ACCOUNTS, break_head, corrections_table, dry_run_shown, uid_shown
from server.office.pages.done import actions, done_notice
from server.office.pages.frame import card, change_form, framed, notice
from server.services.office.assembly import OfficeServices
from server.services.reconciliation.breaks import BreakFacts, BreakRefused
from server.services.reconciliation.corrections import CorrectionFacts

PAGE: Final = 100
NUMBER_MAX: Final = 2**63 - 1


class BookPages:
    """Breaks and corrections."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office
        self._breaks, self._corrections = office.all.reconciliation.breaks, office.all.reconciliation.corrections

    async def breaks(self, ask: Ask) -> Seen:
        """The newest breaks."""
        say, only_open = ask.say, ask.query.get("state", "open") == "open"
        found = await self._breaks.newest(only_open=only_open, most=PAGE)
        other = link("/breaks?state=all", say("all")) if only_open else link("/breaks", say("only_open"))
        head = (
            say("break"),
            say("opened_at"),
            say("class"),
            say("state"),
            say("difference"),
            say("payment"),
            say("day"),
            say("owner"),
            say("detail"),
        )
        rows = [
            (
                link(f"/break/{one.break_id}", one.break_id, class_="id"),
                ask.time(one.opened_at_ms),
                ask.term(one.break_class),
                ask.term(one.state),
                ask.fen(one.difference_fen),
                "" if one.number is None else link(f"/payment/{one.number}", one.number, class_="id"),
                one.day,
                uid_shown(one.owner_uid),
                el("span", one.detail, class_="text"),
            )
            for one in found
        ]
        more = [other]
        if ask.may(Door.EXPORT):
            more.append(link(f"/breaks.csv?state={'open' if only_open else 'all'}", say("csv")))
        shown = table(head, rows) if rows else el("p", say("none"))
        body = card(say("breaks"), shown, el("p", [(one, " ") for one in more], class_="more"))
        return Seen(say("breaks"), framed(ask, say("breaks"), body), Subject("breaks"))

    async def breaks_csv(self, ask: Ask) -> Taken:
        """The same list as CSV."""
        found = await self._breaks.newest(only_open=ask.query.get("state", "open") == "open", most=PAGE)
        head = (
            "break",
            "found",
            "class",
            "state",
            "difference_fen",
            "gateway",
            "payment",
            "bank_ref",
            "day",
            "owner",
            "reason",
            "detail",
        )
        rows = [
            (
                one.break_id,
                moment(one.opened_at_ms),
                one.break_class,
                one.state,
                "" if one.difference_fen is None else one.difference_fen,
                one.gateway,
                str(one.number or ""),
                one.bank_ref,
                one.day,
                uid_shown(one.owner_uid),
                one.reason,
                one.detail,
            )
            for one in found
        ]
        return Taken("breaks.csv", as_csv(head, rows), Subject("breaks"), {"rows": len(rows)})

    async def corrections(self, ask: Ask) -> Seen:
        """The newest corrections."""
        say = ask.say
        found = await self._corrections.newest(0, PAGE)
        shown = corrections_table(ask, found) if found else el("p", say("none"))
        return Seen(
            say("corrections"),
            framed(ask, say("corrections"), card(say("corrections"), shown)),
            Subject("corrections"),
        )

    async def one_break(self, ask: Ask) -> OfficeAnswer:
        """A break, its corrections, and the forms."""
        subject, found = Subject("break", str(ask.number)), await self._found(ask.number)
        if found is None:
            return NotThere(subject)
        corrections = await self._corrections.newest(ask.number, PAGE)
        title = f"{ask.say('break')} {ask.number}"
        body = (
            await done_notice(self._office.journal, ask),
            break_head(ask, found, title),
            card(ask.say("corrections"), corrections_table(ask, corrections)) if corrections else NOTHING,
            await actions(self._office.journal, ask, subject, *(_correction_subject(one) for one in corrections)),
        )
        return Seen(title, framed(ask, title, body), subject)

    async def correction(self, ask: Ask) -> OfficeAnswer:
        """A correction with the forms that decide it."""
        subject = Subject("correction", str(ask.number))
        try:
            row = await self._corrections.correction(ask.number)
        except BreakRefused:
            return NotThere(subject)
        found = await self._corrections.newest(row.break_id, NUMBER_MAX)
        one = next(one for one in found if one.correction_id == ask.number)
        title, forms = f"{ask.say('correction')} {ask.number}", []
        if one.state == "proposed":
            path = f"/correction/{ask.number}"
            if one.proposed_uid == ask.operator.uid:
                forms.append(notice(ask.say("own_proposal")))
            else:
                forms.append(
                    change_form(ask, Door.APPROVE, f"{path}/approve", about=ask.say("approve_text"), is_grave=True)
                )
            forms.append(change_form(ask, Door.REJECT, f"{path}/reject"))
        body = (
            await done_notice(self._office.journal, ask),
            card(title, corrections_table(ask, [one]), el("div", forms, class_="doors")),
            await actions(self._office.journal, ask, subject, Subject("break", str(one.break_id))),
        )
        return Seen(title, framed(ask, title, body), subject)

    # --- changes ----------------------------------------------------------------------------------------------

    async def own(self, ask: Ask) -> OfficeAnswer:
        """Look after a break."""
        return Changed(_path(ask), await self._office.books.own(ask.operator, ask.number, _cause(ask)))

    async def close(self, ask: Ask) -> OfficeAnswer:
        """Close a break."""
        return Changed(_path(ask), await self._office.books.close(ask.operator, ask.number, _cause(ask)))

    async def propose(self, ask: Ask) -> OfficeAnswer:
        """First a dry run; once its digest comes back, the proposal."""
        accounts, amount_fen = (_account(ask, "from"), _account(ask, "to")), _amount(ask)
        cause, seen = _cause(ask), ask.form.get("seen", "")
        if not seen:
            shown = await self._office.books.dry_run(ask.number, *accounts, amount_fen)
            title = ask.say("dry_run")
            return Seen(
                title, framed(ask, title, dry_run_shown(ask, shown, cause)), Subject("break", str(ask.number))
            )
        entry = await self._office.books.propose(ask.operator, ask.number, accounts, amount_fen, seen, cause)
        return Changed(_path(ask), entry)

    async def approve(self, ask: Ask) -> OfficeAnswer:
        """Move the money of another operator's proposal."""
        entry = await self._office.books.approve(ask.operator, ask.number, _cause(ask))
        return Changed(f"/correction/{ask.number}", entry)

    async def reject(self, ask: Ask) -> OfficeAnswer:
        """Reject a proposal."""
        entry = await self._office.books.reject(ask.operator, ask.number, _cause(ask))
        return Changed(f"/correction/{ask.number}", entry)

    async def _found(self, break_id: int) -> BreakFacts | None:
        try:
            return await self._breaks.get(break_id)
        except BreakRefused:
            return None


def _cause(ask: Ask) -> Cause:
    return cause_of(ask.form.get("case", ""), ask.form.get("reason", ""))


def _path(ask: Ask) -> str:
    return f"/break/{ask.number}"


def _account(ask: Ask, name: str) -> int:
    """An account of the system by its name, or a user by the id. Raises OfficeRefused."""
    word = ask.form.get(name, "").strip()
    if word in ACCOUNTS:
        return ACCOUNTS[word]
    if not (word.isascii() and word.isdecimal() and 0 < len(word) < 17):
        raise OfficeRefused(f"an account is the id of a user, or one of {', '.join(ACCOUNTS)}")
    return int(word)


def _amount(ask: Ask) -> int:
    """An amount as people type it. Raises OfficeRefused."""
    try:
        amount_fen = ask.money.parse(ask.form.get("amount", ""))
    except ValueError as error:
        raise OfficeRefused(str(error)) from None
    if amount_fen <= 0:
        raise OfficeRefused("the amount must be above zero")
    return amount_fen


def _correction_subject(one: CorrectionFacts) -> Subject:
    return Subject("correction", str(one.correction_id))
