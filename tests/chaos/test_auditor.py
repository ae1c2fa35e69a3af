"""The auditor names every planted contradiction, and nothing in a correct history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.chaos import auditor
from bench.chaos.audited_books import AuditedBooks, AuditedClaim, AuditedPacket, AuditedTransfer
from bench.chaos.auditor import CLAIM, REFUND, SEND, TOP_UP, WITHDRAW
from bench.chaos.history import History, Op, SendOp, TopUp

FIRST, SECOND = 2**60, 2**60 + 1  # packets: opened by two, and left to expire
SENT = AuditedPacket(FIRST, 1, "a", "equal", 200, 2, 1, 20_000, bytes(32), 0, closed=True)
EXPIRED = AuditedPacket(SECOND, 1, "b", "equal", 200, 2, 1, 20_000, bytes(32), 100, closed=True)


def history_of_run() -> History:
    history = History()
    history.top_ups.append(TopUp(1, "funds", 1_000))
    history.add_send(SendOp(1, "a", 200, "sent", FIRST), 0.0)
    history.add_send(SendOp(1, "b", 200, "unknown"), 0.0)
    history.add_send(SendOp(1, "c", 200, "unknown"), 0.0)
    history.add(Op(2, FIRST, "open", 1.0, 2.0, "won", 0, 100))
    history.add(Op(3, FIRST, "open", 3.0, 9.0, "claimed", 1, 100, tries=2))
    history.add(Op(4, FIRST, "open", 9.5, 9.6, "gone"))
    history.add(Op(2, SECOND, "open", 1.0, 2.0, "won", 0, 100))
    return history


def books_of_run() -> AuditedBooks:
    return AuditedBooks(
        [SENT, EXPIRED],
        [AuditedClaim(FIRST, 0, 2, 100), AuditedClaim(FIRST, 1, 3, 100), AuditedClaim(SECOND, 0, 2, 100)],
        [
            AuditedTransfer(0, 1, TOP_UP, "funds", 1_000),
            AuditedTransfer(1, FIRST, SEND, "", 200),
            AuditedTransfer(1, SECOND, SEND, "", 200),
            AuditedTransfer(FIRST, 2, CLAIM, "", 100),
            AuditedTransfer(FIRST, 3, CLAIM, "", 100),
            AuditedTransfer(SECOND, 2, CLAIM, "", 100),
            AuditedTransfer(SECOND, 1, REFUND, "", 100),
        ],
        {1: 700, 2: 200, 3: 100},
        0,
    )


def test_judge_with_agreeing_history_and_books_finds_nothing() -> None:
    assert auditor.judge(history_of_run(), books_of_run()).all == []


def _claim_gone(history: History, books: AuditedBooks) -> None:
    books.claims.remove(AuditedClaim(FIRST, 1, 3, 100))


def _send_gone(history: History, books: AuditedBooks) -> None:
    books.packets.remove(SENT)


def _top_up_gone(history: History, books: AuditedBooks) -> None:
    books.transfers.remove(AuditedTransfer(0, 1, TOP_UP, "funds", 1_000))


def _other_amount_acked(history: History, books: AuditedBooks) -> None:
    history.ops[0] = history.ops[0]._replace(amount_fen=101)


LOST = [_claim_gone, _send_gone, _top_up_gone, _other_amount_acked]


def _one_share_acked_to_two(history: History, books: AuditedBooks) -> None:
    history.add(Op(4, FIRST, "open", 1.0, 9.0, "won", 0, 100))


def _two_shares_acked_to_one(history: History, books: AuditedBooks) -> None:
    history.add(Op(2, FIRST, "open", 5.0, 9.0, "claimed", 1, 100))


def _paid_twice(history: History, books: AuditedBooks) -> None:
    books.transfers.append(AuditedTransfer(1, FIRST, SEND, "again", 200))


def _credited_twice(history: History, books: AuditedBooks) -> None:
    books.transfers.append(AuditedTransfer(FIRST, 2, CLAIM, "again", 100))


def _refunded_twice(history: History, books: AuditedBooks) -> None:
    books.transfers.append(AuditedTransfer(SECOND, 1, REFUND, "again", 100))


def _sent_twice(history: History, books: AuditedBooks) -> None:
    books.packets.append(SENT._replace(packet_id=SECOND + 1))


def _claimed_twice(history: History, books: AuditedBooks) -> None:
    books.claims.append(AuditedClaim(SECOND, 1, 2, 100))


DUPLICATED = [
    _one_share_acked_to_two,
    _two_shares_acked_to_one,
    _paid_twice,
    _credited_twice,
    _refunded_twice,
    _sent_twice,
    _claimed_twice,
]


def _refused_and_sent(history: History, books: AuditedBooks) -> None:
    history.sends[1] = history.sends[1]._replace(answer="not_enough_money")


def _share_without_an_open(history: History, books: AuditedBooks) -> None:
    del history.ops[3]


def _top_up_without_a_request(history: History, books: AuditedBooks) -> None:
    books.transfers.append(AuditedTransfer(0, 1, TOP_UP, "gift", 5))


def _withdrawn(history: History, books: AuditedBooks) -> None:
    books.transfers.append(AuditedTransfer(1, 0, WITHDRAW, "gone", 5))


def _refunded_too_little(history: History, books: AuditedBooks) -> None:
    books.packets[1] = EXPIRED._replace(refunded_fen=99)


def _never_refunded(history: History, books: AuditedBooks) -> None:
    books.packets[1] = EXPIRED._replace(refunded_fen=0, closed=False)


def _balance_too_high(history: History, books: AuditedBooks) -> None:
    books.wallets[3] += 1


def _not_credited(history: History, books: AuditedBooks) -> None:
    books.transfers.remove(AuditedTransfer(FIRST, 3, CLAIM, "", 100))


def _never_closed(history: History, books: AuditedBooks) -> None:
    books.packets[0] = SENT._replace(closed=False)


def _amounts_not_by_seed(history: History, books: AuditedBooks) -> None:
    books.packets[0] = SENT._replace(kind="lucky")


def _gap(history: History, books: AuditedBooks) -> None:
    books.claims[2] = AuditedClaim(SECOND, 1, 2, 100)


def _gone_too_early(history: History, books: AuditedBooks) -> None:
    history.add(Op(5, FIRST, "open", 0.0, 0.5, "gone"))


def _unexpected_refusal(history: History, books: AuditedBooks) -> None:
    history.add(Op(5, SECOND, "open", 0.0, 0.5, "not_allowed"))


OTHERS = [
    _refused_and_sent,
    _share_without_an_open,
    _top_up_without_a_request,
    _withdrawn,
    _refunded_too_little,
    _never_refunded,
    _balance_too_high,
    _not_credited,
    _never_closed,
    _amounts_not_by_seed,
    _gap,
    _gone_too_early,
    _unexpected_refusal,
]
Fault = Callable[[History, AuditedBooks], None]


def _findings(fault: Fault) -> auditor.Findings:
    history, books = history_of_run(), books_of_run()
    fault(history, books)
    return auditor.judge(history, books)


@pytest.mark.parametrize("fault", LOST)
def test_judge_with_a_lost_record_names_it(fault: Fault) -> None:
    assert _findings(fault).lost


@pytest.mark.parametrize("fault", DUPLICATED)
def test_judge_with_a_duplicate_names_it(fault: Fault) -> None:
    assert _findings(fault).duplicated


@pytest.mark.parametrize("fault", OTHERS)
def test_judge_with_another_contradiction_names_it(fault: Fault) -> None:
    assert _findings(fault).others


def test_judge_with_an_unsettled_claim_names_it() -> None:
    assert auditor.judge(history_of_run(), books_of_run()._replace(waiting=1)).others


def test_amounts_of_seed_equal_the_published_vectors() -> None:
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
