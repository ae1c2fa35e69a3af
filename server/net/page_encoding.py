"""What the services answer and show, as messages of the wire: grabs, opens, pages, records, statements."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from protocol import messages
from server.core.decisions import Answer, Decision
from server.core.pages import View
from server.core.refusals import Reason, RequestRefused
from server.services.money import records
from server.services.money.statement import WalletStatement
from server.services.packets.pages import ListedClaim, ResultList, TapResult

VIEWS = {View.GONE_WITH_LIST: View.GONE}  # on the wire a link says whether there is a list
FEATURES = {View.FOR_OTHERS: messages.EXCLUSIVE, View.WORDS: messages.PASSWORD}  # of clients that know these views


def grabbed_of(seq: int, packet_id: int, decision: Decision) -> messages.Grabbed:
    """The reply to a grab."""
    grabbed = messages.Grabbed(seq, packet_id, decision.answer, retry_after_ms=decision.retry_after_ms)
    if decision.ticket is not None:
        grabbed.ticket, grabbed.lapses_at_ms = decision.ticket.number, decision.ticket.lapses_at_ms
    if decision.claim is not None:
        grabbed.amount_fen, grabbed.index = decision.claim.amount_fen, decision.claim.index
    return grabbed


def opened_of(seq: int, packet_id: int, decision: Decision) -> messages.Opened:
    """The reply to an open."""
    if decision.claim is None:
        return messages.Opened(seq, packet_id, decision.answer)
    claim = decision.claim
    return messages.Opened(seq, packet_id, decision.answer, claim.amount_fen, claim.index, decision.left_shares)


def line_of(line: ListedClaim) -> messages.ResultLine:
    """One claim of a list."""
    claim = line.claim
    return messages.ResultLine(claim.index, claim.user_id, line.name, claim.amount_fen, claim.at_ms, line.when)


def result_of(result: ResultList, watched: bool) -> messages.ResultPageBody:
    """A result page."""
    page = result.page
    return messages.ResultPageBody(
        packet_kind=page.kind,
        state=page.state,
        sender_id=page.sender_id,
        sender_name=result.sender_name,
        greeting=page.greeting,
        amount_fen=page.amount_fen,
        note=page.note,
        summary=page.summary,
        button=page.send_again,
        link=page.records,
        shows_list=page.lists_claims,
        best_index=page.best_index,
        opened=result.opened,
        shares=result.shares,
        claims=[line_of(line) for line in result.lines],
        more=result.more,
        watched=watched,
        amount=page.amount,
        ending=page.ending,
        best_mark=page.best_mark,
        pass_on=page.pass_on,
        turn=page.turn,
        turn_user_id=page.turn_user_id,
        turn_name=result.turn_name,
    )


AnyShown = TypeVar("AnyShown", bound=messages.OpenPageShown)


def tapped_of(
    packet_id: int,
    tapped: TapResult,
    features: Collection[str],
    reply: type[AnyShown] = messages.OpenPageShown,  # type: ignore[assignment]
) -> AnyShown:
    """The answer to a tap, for a client that understands these features. Raises RequestRefused (WORDS_NEEDED)."""
    decision, page = tapped.decision, tapped.page
    if decision.answer is Answer.WORDS_NEEDED and messages.PASSWORD not in features:
        raise RequestRefused(Reason.WORDS_NEEDED)
    if page is not None and page.view in FEATURES and FEATURES[page.view] not in features:
        page = None
    shown = reply(0, packet_id, decision.answer, retry_after_ms=decision.retry_after_ms)
    if decision.ticket is not None:
        shown.ticket, shown.lapses_at_ms = decision.ticket.number, decision.ticket.lapses_at_ms
    if page is not None:
        shown.view = VIEWS.get(page.view, page.view)
        shown.sender_id, shown.sender_name, shown.greeting = page.sender_id, tapped.sender_name, page.greeting
        shown.line, shown.button, shown.link = page.line, page.button, page.link
        shown.for_user_ids, shown.for_names = list(page.for_user_ids), list(tapped.for_names)
    if tapped.result is not None:
        shown.result = result_of(tapped.result, watched=False)
    return shown


def records_of(shown: records.RecordPage) -> messages.RecordsShown:
    """A page of a user's records."""
    return messages.RecordsShown(
        0,
        shown.direction,
        shown.year,
        shown.years,
        shown.packets,
        shown.total_fen,
        shown.best_lucks,
        [_record_of(line) for line in shown.lines],
        shown.more,
    )


def _record_of(line: records.RecordItem) -> messages.RecordLine:
    return messages.RecordLine(
        line.packet_id,
        line.kind,
        line.at_ms,
        line.user_id,
        line.name,
        line.amount_fen,
        line.shares,
        line.opened,
        line.state,
        line.is_best,
    )


def statement_of(page: WalletStatement) -> messages.StatementPage:
    """A page of a user's statement. The keys of transfers are the chat backend's and stay with it."""
    return messages.StatementPage(
        0, [messages.StatementLine(*line[:9], line.text) for line in page.lines], page.more
    )
