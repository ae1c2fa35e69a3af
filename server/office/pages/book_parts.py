"""Parts of the pages about both books: a break with its forms, a dry run, a table of corrections."""

from __future__ import annotations

from typing import Final

from server.core.ledger import SYSTEM_ACCOUNTS
from server.core.office.entries import Cause
from server.core.office.operator_keys import SYSTEM_UIDS
from server.core.office.roles import Door
from server.core.reconciliation.dry_run import DryRun
from server.office.context import Ask, moment
from server.office.markup import Html, el, facts, link, table
from server.office.pages.frame import card, change_form, form, head_card
from server.services.reconciliation.breaks import BreakFacts
from server.services.reconciliation.corrections import CorrectionFacts

ACCOUNTS: Final = {str(name): account for name, account in SYSTEM_ACCOUNTS.items()}


def break_head(ask: Ask, found: BreakFacts, title: str) -> Html:
    """A break with the forms that own, correct and close it."""
    say = ask.say
    payment = "" if found.number is None else link(f"/payment/{found.number}", found.number, class_="id")
    rows = [
        (say("class"), found.break_class),
        (say("difference"), ask.fen(found.difference_fen)),
        (say("gateway"), found.gateway),
        (say("payment"), payment),
        (say("day"), found.day),
        (say("opened_at"), ask.time(found.opened_at_ms)),
        (say("owner"), uid_shown(found.owner_uid)),
        (say("reason"), el("span", found.reason, class_="text")),
    ]
    forms: list[Html] = []
    if found.state != "closed":
        path, hint = f"/break/{found.break_id}", say("account_hint", ", ".join(ACCOUNTS))
        more = (
            el("label", say("from"), el("input", name="from", required=True, placeholder=hint)),
            el("label", say("to"), el("input", name="to", required=True, placeholder=hint)),
            el("label", say("amount"), el("input", name="amount", required=True, inputmode="decimal")),
        )
        forms = [
            change_form(ask, Door.OWN_BREAK, f"{path}/own"),
            change_form(ask, Door.PROPOSE, f"{path}/propose", *more, about=say("propose_text")),
            change_form(ask, Door.CLOSE_BREAK, f"{path}/close", is_grave=True),
        ]
    detail = el("p", found.detail, class_="text")
    pill = el("span", ask.term(found.state), class_="pill gold")
    return head_card(title, "", pill, detail, facts(rows), el("div", forms, class_="doors"))


def dry_run_shown(ask: Ask, shown: DryRun, cause: Cause) -> Html:
    """What a correction would move, and the form that proposes exactly this."""
    say = ask.say
    rows = [(one.account, ask.fen(one.before_fen), ask.fen(one.after_fen)) for one in shown.changes]
    kept = {
        "from": ask.form["from"],
        "to": ask.form["to"],
        "amount": ask.form["amount"],
        "case": cause.case_number,
        "reason": cause.reason,
        "seen": shown.digest,
    }
    hidden = [el("input", type="hidden", name=name, value=value) for name, value in kept.items()]
    propose = form(ask, f"/break/{shown.break_id}/propose", hidden, el("button", say("as_shown"), class_="grave"))
    amount = el("p", say("amount"), ": ", el("b", ask.fen(shown.amount_fen)))
    back = el("p", link(f"/break/{shown.break_id}", say("back")))
    return card(say("dry_run"), amount, table(("", say("before"), say("after")), rows), propose, back)


def corrections_table(ask: Ask, found: list[CorrectionFacts]) -> Html:
    """Corrections, each with both operators."""
    say = ask.say
    head = (
        say("correction"),
        say("break"),
        say("state"),
        say("amount"),
        say("from"),
        say("to"),
        say("proposed_by"),
        say("decided_by"),
        say("reason"),
    )
    rows = [
        (
            link(f"/correction/{one.correction_id}", one.correction_id, class_="id"),
            link(f"/break/{one.break_id}", one.break_id, class_="id"),
            ask.term(one.state),
            ask.fen(one.amount_fen),
            one.from_account,
            one.to_account,
            f"{uid_shown(one.proposed_uid)}, {moment(one.proposed_at_ms)}",
            "" if one.decided_uid is None else f"{uid_shown(one.decided_uid)}, {moment(one.decided_at_ms)}",
            el("span", one.reason, class_="text"),
        )
        for one in found
    ]
    return table(head, rows)


def uid_shown(uid: int | None) -> str:
    """A user of the system, or an operator, as the books know them."""
    if uid is None:
        return ""
    return f"uid {uid}" if uid < SYSTEM_UIDS else f"operator {uid - SYSTEM_UIDS}"
