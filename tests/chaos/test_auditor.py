"""The auditor names every planted lie, and nothing when there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.chaos import auditor
from bench.chaos.auditor import (
    CLAIM,
    REFUND,
    SEND,
    TOP_UP,
    WITHDRAW,
    AuditedBooks,
    AuditedClaim,
    AuditedPacket,
    Transfer,
)
from bench.chaos.history import History, Op, SendOp, TopUp

FIRST, SECOND = 2**60, 2**60 + 1  # packets: opened by two, and left to expire
SENT = AuditedPacket(FIRST, 1, "a", "equal", 200, 2, 1, 20_000, bytes(32), 0, closed=True)
EXPIRED = AuditedPacket(SECOND, 1, "b", "equal", 200, 2, 1, 20_000, bytes(32), 100, closed=True)


def told() -> History:
    history = History()
    history.top_ups.append(TopUp(1, "funds", 1_000))
    history.sent(SendOp(1, "a", 200, "sent", FIRST), 0.0)
    history.sent(SendOp(1, "b", 200, "unknown"), 0.0)
    history.sent(SendOp(1, "c", 200, "unknown"), 0.0)
    history.done(Op(2, FIRST, "open", 1.0, 2.0, "won", 0, 100))
    history.done(Op(3, FIRST, "open", 3.0, 9.0, "claimed", 1, 100, tries=2))
    history.done(Op(4, FIRST, "open", 9.5, 9.6, "gone"))
    history.done(Op(2, SECOND, "open", 1.0, 2.0, "won", 0, 100))
    return history


def booked() -> AuditedBooks:
    return AuditedBooks(
        [SENT, EXPIRED],
        [AuditedClaim(FIRST, 0, 2, 100), AuditedClaim(FIRST, 1, 3, 100), AuditedClaim(SECOND, 0, 2, 100)],
        [
            Transfer(0, 1, TOP_UP, "funds", 1_000),
            Transfer(1, FIRST, SEND, "", 200),
            Transfer(1, SECOND, SEND, "", 200),
            Transfer(FIRST, 2, CLAIM, "", 100),
            Transfer(FIRST, 3, CLAIM, "", 100),
            Transfer(SECOND, 2, CLAIM, "", 100),
            Transfer(SECOND, 1, REFUND, "", 100),
        ],
        {1: 700, 2: 200, 3: 100},
        0,
    )


def test_what_is_true_passes() -> None:
    assert auditor.judge(told(), booked()).all == []


def _claim_gone(history: History, books: AuditedBooks) -> None:
    books.claims.remove(AuditedClaim(FIRST, 1, 3, 100))


def _send_gone(history: History, books: AuditedBooks) -> None:
    books.packets.remove(SENT)


def _top_up_gone(history: History, books: AuditedBooks) -> None:
    books.transfers.remove(Transfer(0, 1, TOP_UP, "funds", 1_000))


def _other_amount_told(history: History, books: AuditedBooks) -> None:
    history.ops[0] = history.ops[0]._replace(amount_fen=101)


LOST = [_claim_gone, _send_gone, _top_up_gone, _other_amount_told]


def _one_share_told_to_two(history: History, books: AuditedBooks) -> None:
    history.done(Op(4, FIRST, "open", 1.0, 9.0, "won", 0, 100))


def _two_shares_told_to_one(history: History, books: AuditedBooks) -> None:
    history.done(Op(2, FIRST, "open", 5.0, 9.0, "claimed", 1, 100))


def _paid_twice(history: History, books: AuditedBooks) -> None:
    books.transfers.append(Transfer(1, FIRST, SEND, "again", 200))


def _credited_twice(history: History, books: AuditedBooks) -> None:
    books.transfers.append(Transfer(FIRST, 2, CLAIM, "again", 100))


def _refunded_twice(history: History, books: AuditedBooks) -> None:
    books.transfers.append(Transfer(SECOND, 1, REFUND, "again", 100))


def _sent_twice(history: History, books: AuditedBooks) -> None:
    books.packets.append(SENT._replace(packet_id=SECOND + 1))


def _claimed_twice(history: History, books: AuditedBooks) -> None:
    books.claims.append(AuditedClaim(SECOND, 1, 2, 100))


DUPLICATED = [
    _one_share_told_to_two,
    _two_shares_told_to_one,
    _paid_twice,
    _credited_twice,
    _refunded_twice,
    _sent_twice,
    _claimed_twice,
]


def _refused_and_sent(history: History, books: AuditedBooks) -> None:
    history.sends[1] = history.sends[1]._replace(answer="not_enough_money")


def _share_of_who_never_opened(history: History, books: AuditedBooks) -> None:
    del history.ops[3]


def _top_up_out_of_nothing(history: History, books: AuditedBooks) -> None:
    books.transfers.append(Transfer(0, 1, TOP_UP, "gift", 5))


def _withdrawn(history: History, books: AuditedBooks) -> None:
    books.transfers.append(Transfer(1, 0, WITHDRAW, "gone", 5))


def _refunded_too_little(history: History, books: AuditedBooks) -> None:
    books.packets[1] = EXPIRED._replace(refunded_fen=99)


def _never_refunded(history: History, books: AuditedBooks) -> None:
    books.packets[1] = EXPIRED._replace(refunded_fen=0, closed=False)


def _a_fen_too_much(history: History, books: AuditedBooks) -> None:
    books.wallets[3] += 1


def _not_credited(history: History, books: AuditedBooks) -> None:
    books.transfers.remove(Transfer(FIRST, 3, CLAIM, "", 100))


def _never_closed(history: History, books: AuditedBooks) -> None:
    books.packets[0] = SENT._replace(closed=False)


def _not_by_seed(history: History, books: AuditedBooks) -> None:
    books.packets[0] = SENT._replace(kind="lucky")


def _gap(history: History, books: AuditedBooks) -> None:
    books.claims[2] = AuditedClaim(SECOND, 1, 2, 100)


def _out_of_turn(history: History, books: AuditedBooks) -> None:
    history.done(Op(5, FIRST, "open", 0.0, 0.5, "gone"))


def _turned_away(history: History, books: AuditedBooks) -> None:
    history.done(Op(5, SECOND, "open", 0.0, 0.5, "not_allowed"))


OTHERS = [
    _refused_and_sent,
    _share_of_who_never_opened,
    _top_up_out_of_nothing,
    _withdrawn,
    _refunded_too_little,
    _never_refunded,
    _a_fen_too_much,
    _not_credited,
    _never_closed,
    _not_by_seed,
    _gap,
    _out_of_turn,
    _turned_away,
]
Lie = Callable[[History, AuditedBooks], None]


def _found(lie: Lie) -> auditor.Findings:
    history, books = told(), booked()
    lie(history, books)
    return auditor.judge(history, books)


@pytest.mark.parametrize("lie", LOST)
def test_what_is_lost_is_named(lie: Lie) -> None:
    assert _found(lie).lost


@pytest.mark.parametrize("lie", DUPLICATED)
def test_what_is_there_twice_is_named(lie: Lie) -> None:
    assert _found(lie).duplicated


@pytest.mark.parametrize("lie", OTHERS)
def test_whatever_else_is_wrong_is_named(lie: Lie) -> None:
    assert _found(lie).others


def test_a_claim_without_its_money_is_named() -> None:
    assert auditor.judge(told(), booked()._replace(waiting=1)).others


def test_its_own_formula_gives_the_published_vectors() -> None:
    for one in json.loads((Path(__file__).parent.parent / "vectors" / "fairness.json").read_text()):
        packet = SENT._replace(
            kind="lucky",
            total_fen=one["total_fen"],
            shares=one["shares"],
            share_fen_min=one["share_fen_min"],
            share_fen_max=one["share_fen_max"],
            seed=bytes.fromhex(one["seed"]),
        )
        assert list(auditor.amounts_of(packet)) == one["amounts_fen"]
