"""Payments: the newest ones, one with its states, and the forms that conclude it."""

from __future__ import annotations

from typing import Final

from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject, cause_of
from server.core.office.roles import Door
from server.core.payments import ENDED, PaymentState
from server.office.answers import Changed, NotThere, OfficeAnswer, Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import Html, el, facts, html, link, table
from server.office.pages.done import actions, done_notice
from server.office.pages.frame import card, change_form, framed, head_card
from server.services.office.assembly import OfficeServices
from server.services.office.changes import BY_TWO
from server.services.payments.lookups import PaymentFacts

PAGE: Final = 100
ACTIONS_OF_PAYMENT: Final = {
    "confirm": Door.CONFIRM_PAYMENT,
    "decline": Door.DECLINE_PAYMENT,
    "close": Door.CLOSE_PAYMENT,
}


class PaymentPages:
    """Payments."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def payments(self, ask: Ask) -> Seen:
        """The newest payments, in one state or in any."""
        say, state = ask.say, _state(ask)
        found = await self._office.payments.newest(0, state, PAGE)
        states = [link("/payments", say("all"))]
        states += [link(f"/payments?state={one}", ask.term(str(one))) for one in PaymentState]
        head = (
            say("time"),
            say("payment"),
            say("kind"),
            say("state"),
            say("amount"),
            say("user"),
            say("gateway"),
            say("attempts"),
            say("reason"),
        )
        rows = [
            (
                ask.time(one.created_at_ms),
                link(f"/payment/{one.number}", one.number, class_="id"),
                ask.term(one.kind),
                el("span", ask.term(one.state), class_=_kind(one.state)),
                ask.fen(one.amount_fen),
                ask.user(one.user_id),
                one.gateway,
                one.attempts,
                el("span", one.reason, class_="text"),
            )
            for one in found
        ]
        more = [link(f"/payments.csv?state={state}", say("csv"))] if ask.may(Door.EXPORT) else []
        shown = table(head, rows) if rows else el("p", say("none"))
        body = card(
            say("payments"),
            el("p", [(one, " ") for one in states], class_="more"),
            shown,
            el("p", more, class_="more") if more else None,
        )
        return Seen(say("payments"), framed(ask, say("payments"), body), Subject("payments"), {"state": state})

    async def payments_csv(self, ask: Ask) -> Taken:
        """The same list as CSV."""
        state = _state(ask)
        found = await self._office.payments.newest(0, state, PAGE)
        head = ("time", "payment", "kind", "state", "amount_fen", "user", "gateway", "attempts", "key", "reason")
        rows = [
            (
                moment(one.created_at_ms),
                str(one.number),
                one.kind,
                one.state,
                one.amount_fen,
                one.user_id,
                one.gateway,
                one.attempts,
                one.key,
                one.reason,
            )
            for one in found
        ]
        return Taken("payments.csv", as_csv(head, rows), Subject("payments"), {"rows": len(rows), "state": state})

    async def payment(self, ask: Ask) -> OfficeAnswer:
        """A payment with its states, each with the evidence that led to it."""
        subject = Subject("payment", str(ask.number))
        found = await self._office.payments.payment(ask.number)
        if found is None:
            return NotThere(subject)
        payment, evidence = found
        say, title = ask.say, f"{ask.say('payment')} {payment.number}"
        rows = [
            (
                ask.time(one.at_ms),
                one.source,
                one.verdict,
                el("span", ask.term(one.state), class_=_kind(one.state)),
                el("span", one.detail, class_="text"),
                el("b", say("break"), class_="bad") if one.is_break else "",
            )
            for one in evidence
        ]
        head = (say("time"), say("source"), say("verdict"), say("state"), say("detail"), "")
        body = (
            await done_notice(self._office.journal, ask),
            _payment_head(ask, payment, title),
            card(say("state"), table(head, rows) if rows else el("p", say("none"))),
            await actions(self._office.journal, ask, subject),
        )
        return Seen(title, framed(ask, title, body), subject)

    async def confirm(self, ask: Ask) -> OfficeAnswer:
        """The transfer of a payment by hand was made."""
        return await self._conclude(ask, Door.CONFIRM_PAYMENT)

    async def decline(self, ask: Ask) -> OfficeAnswer:
        """It was not made and never will be. The reason is shown to the user."""
        return await self._conclude(ask, Door.DECLINE_PAYMENT)

    async def close(self, ask: Ask) -> OfficeAnswer:
        """Have a bank never do a payment."""
        return await self._conclude(ask, Door.CLOSE_PAYMENT)

    async def _conclude(self, ask: Ask, door: Door) -> OfficeAnswer:
        cause = cause_of(ask.form.get("case", ""), ask.form.get("reason", ""))
        found = await self._office.payments.payment(ask.number)
        if found is None:
            return NotThere(Subject("payment", str(ask.number)))
        entry = await self._office.money.conclude(ask.operator, door, ask.number, found[0].state, cause)
        return Changed(f"/payment/{ask.number}", entry)


def _payment_head(ask: Ask, payment: PaymentFacts, title: str) -> Html:
    say = ask.say
    rows = [
        (say("user"), ask.user(payment.user_id)),
        (say("amount"), ask.fen(payment.amount_fen)),
        (say("gateway"), payment.gateway),
        (say("attempts"), str(payment.attempts)),
        (say("time"), ask.time(payment.created_at_ms)),
        (say("key_of"), el("span", payment.key, class_="id")),
        (say("reason"), el("span", payment.reason, class_="text")),
    ]
    if payment.card:
        rows.append((say("cards"), payment.card))
    if payment.packet_id:
        rows.append((say("packet"), link(f"/packet/{payment.packet_id}", payment.packet_id, class_="id")))
    if payment.of_number:
        rows.append((say("payment"), link(f"/payment/{payment.of_number}", payment.of_number, class_="id")))
    forms: list[Html] = []
    if payment.state not in ENDED:
        forms = [
            change_form(
                ask,
                door,
                f"/payment/{payment.number}/{action}",
                about=ask.say("by_two_text") if door in BY_TWO else "",
                is_grave=door in BY_TWO,
            )
            for action, door in ACTIONS_OF_PAYMENT.items()
        ]
    pills = html(
        el("span", ask.term(payment.kind), class_="pill"),
        " ",
        el("span", ask.term(payment.state), class_=_kind(payment.state)),
    )
    return head_card(title, "", pills, facts(rows), el("div", forms, class_="doors"))


def _state(ask: Ask) -> str:
    state = ask.query.get("state", "")
    return state if state in set(PaymentState) else ""


def _kind(state: str) -> str:
    return {"succeeded": "pill good", "failed": "pill bad", "unknown": "pill gold"}.get(state, "pill")
