"""The tables of chapter 5.2, printed by the functions that make the pages: kind × share × state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from protocol.money_unit import YUAN
from server.core.amounts import Caps
from server.core.decisions import Claim
from server.core.kinds import PacketKind
from server.core.packet_request import Terms
from server.core.pages import NO_CLAIM, Known, Viewer, open_page, result_page
from server.core.texts import Language

SENT_MS: Final = 1_800_000_000_000
DAY_MS: Final = 86_400_000
SENDER, VIEWER, OTHERS = 1, 2, (3, 4)
KINDS: Final = {PacketKind.LUCKY: "lucky", PacketKind.EQUAL: "equal", PacketKind.PERSONAL: "personal"}
STATES: Final = ("open", "finished", "expired")
AMOUNTS_FEN: Final = {
    PacketKind.LUCKY: (123, 500, 377),
    PacketKind.EQUAL: (200, 200, 200),
    PacketKind.PERSONAL: (888,),
}


class Cell(NamedTuple):
    """A packet as one viewer finds it, and what the pages say. A `tap` that is empty leads to the result page."""

    kind: str
    who: str  # sender, member
    share: str  # has a share, none
    state: str
    tap: str
    line: str  # of the tap
    amount: str
    summary: str
    links: str
    lists: bool
    best: bool


def cells(language: Language) -> Iterator[Cell]:
    """One for each combination that can happen."""
    for kind in KINDS:
        for user_id in (SENDER, VIEWER):
            for has_share in (True, False):
                for state in STATES:
                    known = _known(kind, user_id, has_share, state)
                    if known is not None:
                        yield _cell(known, user_id, has_share, state, language)


def _known(kind: PacketKind, user_id: int, has_share: bool, state: str) -> Known | None:
    amounts_fen = AMOUNTS_FEN[kind]
    if kind is PacketKind.PERSONAL:
        # the receiver alone opens it: with a share it is finished
        opened = has_share if user_id == VIEWER else state == "finished"
        if opened != (state == "finished") or (user_id == SENDER and has_share):
            return None
        openers: tuple[int, ...] = (VIEWER,) if opened else ()
    else:
        count = len(amounts_fen) if state == "finished" else 1
        openers = (*((user_id,) if has_share else ()), *OTHERS, VIEWER if user_id == SENDER else SENDER)[:count]
    terms = Terms(
        2**60,
        kind,
        SENDER,
        VIEWER if kind is PacketKind.PERSONAL else 2**59,
        sum(amounts_fen),
        len(amounts_fen),
        Caps(),
        "",
        bytes(32),
        SENT_MS,
        SENT_MS + DAY_MS,
    )
    claims = {
        user: Claim(index, user, amounts_fen[index], SENT_MS + 1_000 * (index + 1))
        for index, user in enumerate(openers)
    }
    return Known(terms, claims, len(claims) == terms.shares or state == "expired")


def _cell(known: Known, user_id: int, has_share: bool, state: str, language: Language) -> Cell:
    may = user_id == VIEWER or known.terms.kind is not PacketKind.PERSONAL
    viewer = Viewer(user_id, may, may, language, YUAN, True)
    now_ms = SENT_MS + (DAY_MS if state == "expired" else 60_000)
    tap = open_page(known, viewer, now_ms)
    page = result_page(known, viewer, now_ms, credited=True)
    assert tap is not None
    links = (page.note, page.send_again, page.records) if page else ()
    return Cell(
        KINDS[known.terms.kind],
        "sender" if user_id == SENDER else "member",
        "has a share" if has_share else "none",
        state,
        str(tap.view),
        " · ".join(text for text in (tap.line, tap.button, tap.link) if text),
        page.amount if page else "",
        page.summary if page else "no page",
        " · ".join(text for text in links if text),
        bool(page and page.lists_claims),
        bool(page and page.best_index != NO_CLAIM),
    )
