"""What each viewer sees of a packet: the page of a tap, and the result page. Clients only draw them.

    open_page(known, viewer, now_ms)     what tapping the packet shows
    result_page(known, viewer, ...)      who opened it, as far as this viewer may know
    may_see_proof(kind, state, ...)      whether a user sees the proof

The pages are None for a viewer who has nothing to see there; the caller then answers as if the packet did not
exist. The claims themselves are not part of a page: there may be 500 of them. A page says whether they may be
listed, and which one is marked. It speaks of every claim that it is given, so give it those that are durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

import msgspec

from server.core.decisions import Claim
from server.core.kinds import PacketKind, SeenBy
from server.core.packet import best_luck
from server.core.packet_request import Terms
from server.core.texts import Language, MoneyWords, Text, say

NAMED_MAX: Final = 10  # users whom the post and the page of an exclusive packet name
NO_CLAIM: Final = -1  # the index of the best luck while there is none
USES: Final = (Text.USE_TO_SEND, Text.USE_TO_BUY, Text.USE_TO_TRANSFER, Text.USE_TO_WITHDRAW)  # of cash
_LISTED: Final[Mapping[SeenBy, Callable[[Terms, int], bool]]] = {  # of each rule, for a viewer
    SeenBy.EVERY_VIEWER: lambda terms, user_id: True,
    SeenBy.SENDER: lambda terms, user_id: user_id == terms.sender_id,
    SeenBy.SENDER_AND_TARGET: lambda terms, user_id: user_id in (terms.sender_id, terms.target_id),
    SeenBy.NONE: lambda terms, user_id: False,
}
USES_OF_POINTS: Final = USES[:1]  # what else they are good for, and whether they can leave, is not known here


class State(StrEnum):
    """How far a packet is; the values stand on the wire."""

    OPEN = "open"
    FINISHED = "finished"
    EXPIRED = "expired"  # no share opens any more, the rest is being refunded
    REFUNDED = "refunded"
    SCHEDULED = "scheduled"  # in records alone: no page shows it before its time
    CANCELLED = "cancelled"  # in records alone: before its time


OVER: Final = (State.FINISHED, State.REFUNDED)  # the record is closed, so it holds every claim there will ever be


class View(StrEnum):
    """Which page a tap shows; the values stand on the wire."""

    OPEN = "open"
    GONE = "gone"
    GONE_WITH_LIST = "gone_with_list"
    EXPIRED = "expired"
    WORDS = "words"  # may open it after saying its words in the chat
    FOR_OTHERS = "for_others"  # an exclusive packet that does not name the viewer, who sees it in the chat
    RESULT = "result"  # nothing to tap: go on to the result page


class Known(NamedTuple):
    """What may be told of a packet: claims by user, in the order of their indexes.

    `closed`: no claim is made any more; unless it is finished, the rest is back with the sender.
    """

    terms: Terms
    claims: Mapping[int, Claim]
    closed: bool


class Viewer(NamedTuple):
    """Who looks, what the rules let them do, and in which language and unit of money they read."""

    user_id: int
    may_open: bool  # see packet_request.may_open
    in_first_group: bool  # a member of the group that the packet was sent to first
    language: Language
    money: MoneyWords
    sees_it: bool = False  # reads where it was posted
    may_pass_on: bool = False  # a share may go to a friend by a link of this viewer (see core/fission)
    has_said: bool = True  # its words, if it has any


class OpenPageView(msgspec.Struct, frozen=True, gc=False):
    """What a tap shows. Texts are empty where the page has none; all of them if `view` is the result page."""

    view: View
    sender_id: int
    greeting: str
    line: str
    button: str
    link: str  # leads to the result page
    for_user_ids: tuple[int, ...] = ()  # whom an exclusive packet is for, the first NAMED_MAX of them


class ResultPageView(msgspec.Struct, frozen=True, gc=False):
    """Who opened the packet. Texts are empty where the page has none, for this viewer or at this time."""

    sender_id: int
    greeting: str
    kind: PacketKind
    state: State
    amount_fen: int  # the viewer's own share, 0 if they have none
    amount: str  # the same as a text
    note: str  # what the viewer can do with it
    summary: str
    ending: str  # that the packet has expired, and what becomes of the rest
    send_again: str  # a button
    records: str  # a link
    lists_claims: bool
    best_index: int  # the claim to be marked, or NO_CLAIM
    best_mark: str
    pass_on: str = ""  # a button
    turn: str = ""  # that a user is to send the next one (接龙)
    turn_user_id: int = 0
    turn_is_mine: bool = False


_Drawn = tuple[Text | None, Text | None, Text | None, Text | None]
_DRAWN: Final[dict[View, _Drawn]] = {  # line, button, link, link of the sender, who sees who opened it
    View.OPEN: (None, Text.OPEN, None, Text.SEE_OPENERS),
    View.GONE: (Text.GONE, None, None, Text.SEE_OPENERS),
    View.GONE_WITH_LIST: (Text.GONE, None, Text.SEE_LUCK, Text.SEE_LUCK),
    View.EXPIRED: (Text.EXPIRED, None, None, Text.SEE_OPENERS),
    View.WORDS: (Text.SAY_WORDS, Text.SAY, None, Text.SEE_OPENERS),
    View.FOR_OTHERS: (Text.FOR_OTHERS, None, None, None),
    View.RESULT: (None, None, None, None),
}


def open_page(known: Known, viewer: Viewer, now_ms: int) -> OpenPageView | None:
    """The page that a tap shows; None if the viewer neither sees the packet, nor has claimed, nor is the sender."""
    view, terms = _view(known, viewer, now_ms), known.terms
    if view is None:
        return None
    line, button, link, link_of_sender = _DRAWN[view]
    shown_link = link_of_sender if viewer.user_id == terms.sender_id else link
    figures = {"lifetime": terms.expires_at_ms - terms.created_at_ms, "shares": terms.shares}
    line_said, button_said, link_said = (_said(viewer, text, figures) for text in (line, button, shown_link))
    return OpenPageView(
        view, terms.sender_id, terms.greeting, line_said, button_said, link_said, for_user_ids=named(terms)
    )


def named(terms: Terms) -> tuple[int, ...]:
    """Whom an exclusive packet is for, as it is told in the chat: the first NAMED_MAX of them."""
    return tuple(sorted(terms.only_for)[:NAMED_MAX])


def result_page(known: Known, viewer: Viewer, now_ms: int, *, credited: bool) -> ResultPageView | None:
    """The result page; None unless the viewer has claimed, is the sender, or was given the link to it.

    `credited`: the viewer's own share, if any, is in the wallet.
    """
    terms, own = known.terms, known.claims.get(viewer.user_id)
    is_sender = viewer.user_id == terms.sender_id
    if not is_sender and _view(known, viewer, now_ms) not in (View.RESULT, View.GONE_WITH_LIST):
        return None
    state = _state(known, now_ms)
    best = best_luck(terms, list(known.claims.values()))
    shows_packet = terms.kind.row.claims_seen_by is not SeenBy.NONE
    said = partial(_said, viewer, figures=_figures(known, own))
    return ResultPageView(
        sender_id=terms.sender_id,
        greeting=terms.greeting,
        kind=terms.kind,
        state=state,
        amount_fen=own.amount_fen if own else 0,
        amount=said(Text.AMOUNT if own else None),
        note=said(_note(own, credited, viewer.money.is_cash) if own else None),
        summary=said(_summary(terms, state, is_sender) if shows_packet else None),
        ending=said(_ending(state, is_sender) if shows_packet else None),
        send_again=said(Text.SEND_AGAIN if is_sender and _may_send_again(terms, state, viewer) else None),
        records=said(Text.RECORDS if own and not is_sender else None),
        lists_claims=lists_claims(terms, viewer.user_id),
        best_index=best.index if best else NO_CLAIM,
        best_mark=said(Text.BEST_LUCK if best else None),
        pass_on=said(Text.PASS_ON if own and viewer.may_pass_on and state is State.OPEN else None),
    )


def with_turn(page: ResultPageView, viewer: Viewer, user_id: int, amount_fen: int) -> ResultPageView:
    """The page of a finished packet, with whose turn it is to send the next one, and how much that is to hold."""
    is_mine = user_id == viewer.user_id
    said = _said(viewer, Text.MY_TURN if is_mine else Text.TURN, {"amount": amount_fen})
    return msgspec.structs.replace(page, turn=said, turn_user_id=user_id, turn_is_mine=is_mine)


def may_see_proof(terms: Terms, state: State, user_id: int, *, has_claim: bool, may_open: bool) -> bool:
    """Whether the proof, with its total and claims, is for this user, once the packet is over.

    The pages of a finished lucky packet list its claims to all who may open it. The total of a refunded packet does
    not follow from its list, so its proof is for the sender and the openers.
    """
    if user_id == terms.sender_id or has_claim:
        return True
    return may_open and state is not State.REFUNDED and lists_claims(terms, user_id)


def proof_names(terms: Terms, user_id: int, opener_id: int) -> bool:
    """Whether the proof tells this user who opened a share; without the amounts it would prove nothing."""
    is_told = terms.kind.row.claims_seen_by is not SeenBy.SENDER_AND_TARGET
    return is_told or opener_id == user_id or lists_claims(terms, user_id)


def state_of(terms: Terms, opened: int, closed: bool, now_ms: int) -> State:
    """How far a packet is of which `opened` shares are; closed = finished or refunded."""
    if opened == terms.shares:
        return State.FINISHED
    if closed:
        return State.REFUNDED
    return State.EXPIRED if now_ms >= terms.expires_at_ms else State.OPEN


def _state(known: Known, now_ms: int) -> State:
    return state_of(known.terms, len(known.claims), known.closed, now_ms)


def _view(known: Known, viewer: Viewer, now_ms: int) -> View | None:
    """The first row that fits; the order is that of the answers to a grab, so that page and ticket agree."""
    terms = known.terms
    if viewer.user_id in known.claims:
        return View.RESULT
    if not viewer.may_open:
        if viewer.user_id == terms.sender_id:  # of a personal or exclusive packet, or no longer in the group
            return View.RESULT
        return View.FOR_OTHERS if terms.only_for and viewer.sees_it else None
    state = _state(known, now_ms)
    if state is State.FINISHED:
        is_listed = terms.kind.row.claims_seen_by is SeenBy.EVERY_VIEWER
        return View.GONE_WITH_LIST if is_listed else View.GONE
    if state is not State.OPEN:
        return View.EXPIRED
    return View.OPEN if viewer.has_said else View.WORDS


def lists_claims(terms: Terms, user_id: int) -> bool:
    """Whether a viewer who sees the result page sees the list of claims."""
    return _LISTED[terms.kind.row.claims_seen_by](terms, user_id)


def _note(own: Claim, credited: bool, is_cash: bool) -> Text:
    """What the share can be used for, once it is credited: any use will do, but the same at every look."""
    uses = USES if is_cash else USES_OF_POINTS
    return uses[own.at_ms % len(uses)] if credited else Text.ARRIVING


def _may_send_again(terms: Terms, state: State, viewer: Viewer) -> bool:
    """Whether the sender can post the packet again where it was sent first."""
    return state is State.OPEN and (terms.kind.row.goes_to_user or viewer.in_first_group)


def _summary(terms: Terms, state: State, is_sender: bool) -> Text:
    """The line above the list. The total of another user's unfinished or lucky packet is not shown."""
    if state is State.FINISHED:
        if terms.kind.row.total_is_shown:
            return Text.FINISHED
        return Text.FINISHED_LUCKY_MINE if is_sender else Text.FINISHED_LUCKY
    if terms.shares == 1:  # it is unopened, so only its sender gets this far
        return Text.WAITING if state is State.OPEN else Text.UNOPENED
    return Text.PARTLY_MINE if is_sender else Text.PARTLY


def _ending(state: State, is_sender: bool) -> Text | None:
    """What becomes of the rest is the sender's affair; its amount would tell others the total."""
    if state not in (State.EXPIRED, State.REFUNDED):
        return None
    if not is_sender:
        return Text.EXPIRED
    return Text.RETURNED if state is State.REFUNDED else Text.RETURNING


def _figures(known: Known, own: Claim | None) -> dict[str, int]:
    """Every number that a text of the result page may name."""
    terms, claims = known.terms, list(known.claims.values())
    claimed_fen = sum(claim.amount_fen for claim in claims)
    return {
        "shares": terms.shares,
        "opened": len(claims),
        "total": terms.total_fen,
        "claimed": claimed_fen,
        "left": terms.total_fen - claimed_fen,
        "amount": own.amount_fen if own else 0,
        "took": claims[-1].at_ms - terms.created_at_ms if claims else 0,
        "lifetime": terms.expires_at_ms - terms.created_at_ms,
    }


def _said(viewer: Viewer, text: Text | None, figures: Mapping[str, int]) -> str:
    return say(viewer.language, text, figures, viewer.money) if text else ""
