"""The check of the money in packets, which is counted while money moves."""

from __future__ import annotations

from msgspec.structs import replace

from server.ops.samples.money_in_packets import MoneyInPackets, MoneyInPacketsCheck
from server.ops.samples.sample import Figures, Sample
from tests.ops.samples import sample


def second(at_s: int, figures: Figures | None, sent: int = 0, claimed: int = 0, refunded: int = 0) -> Sample:
    money = {"topped_up": 9_999, "withdrawn": 5, "sent": sent, "claimed": claimed, "refunded": refunded}
    return sample(at_ms=at_s * 1000, figures=figures, money_fen=money)


def counted(fen: int) -> Figures:
    return Figures(in_packets_fen=fen)


def after(*seconds: Sample) -> MoneyInPackets:
    check = MoneyInPacketsCheck()
    for one in seconds:
        check.add(one)
    assert check.last is not None
    return check.last


def test_check_has_no_result_before_the_first_count() -> None:
    check = MoneyInPacketsCheck()
    for at_s in range(10):
        check.add(second(at_s, None, sent=100))
    assert check.last is None
    check.add(second(10, counted(100), sent=100))
    assert check.last is None  # the check waits one more second
    check.add(second(11, counted(100), sent=100))
    assert check.last is not None


def test_idle_server_balances_exactly() -> None:
    first, then = counted(500), counted(700)
    quiet = [second(at_s, first) for at_s in range(5)]
    later = [second(at_s, first, 300, 90, 10) for at_s in range(5, 12)]
    found = after(*quiet, *later, *(second(at_s, then, 300, 90, 10) for at_s in range(12, 14)))
    assert (found.opening, found.sent, found.claimed, found.refunded, found.in_packets) == (500, 300, 90, 10, 700)
    assert (found.in_transit, found.difference) == (0, 0)


def test_lost_counts_of_a_killed_worker_begin_the_check_again() -> None:
    """What it sent in its last second is in the records and in no counter: that is no missing fen."""
    start = [second(at_s, counted(0)) for at_s in range(2)]
    known = counted(300)
    quiet = [second(at_s, known, 300) for at_s in range(2, 9)]
    lost = counted(450)
    later = [replace(second(at_s, lost, 300), lost_counts=1) for at_s in range(9, 20)]
    assert after(*start, *quiet, *[second(at_s, lost, 300) for at_s in range(9, 20)]).difference == -150
    found = after(
        *start, *quiet, *later, *[replace(second(at_s, counted(450), 300), lost_counts=1) for at_s in (20, 21)]
    )
    assert (found.opening, found.difference) == (150, 0)


def test_one_missing_fen_is_a_difference_until_it_is_back() -> None:
    first, short, right = counted(0), counted(199), counted(200)
    start = [second(at_s, first) for at_s in range(5)]
    quiet = [second(at_s, first, 300, 90, 10) for at_s in range(5, 12)]
    missing = [second(at_s, short, 300, 90, 10) for at_s in range(12, 20)]
    found = after(*start, *quiet, *missing)
    assert (found.opening, found.in_transit, found.difference) == (0, 1, 1)
    still = counted(199)
    again = [second(at_s, still, 300, 90, 10) for at_s in range(20, 22)]
    assert after(*start, *quiet, *missing, *again).difference == 1  # the first count still holds
    fixed = [second(at_s, right, 300, 90, 10) for at_s in range(20, 22)]
    assert after(*start, *quiet, *missing, *fixed).difference == 0


def test_one_surplus_fen_is_a_difference() -> None:
    first, long = counted(0), counted(201)
    quiet = [second(at_s, first) for at_s in range(5)]
    later = [second(at_s, first, 300, 90, 10) for at_s in range(5, 12)]
    found = after(*quiet, *later, *(second(at_s, long, 300, 90, 10) for at_s in range(12, 14)))
    assert (found.in_transit, found.difference) == (-1, -1)


def test_money_that_moves_during_a_count_is_in_transit() -> None:
    first, then = counted(0), counted(260)
    quiet = [second(at_s, first) for at_s in range(5)]
    busy = [second(at_s, first, sent=100 * (at_s - 4)) for at_s in range(5, 8)]  # 100, 200, 300
    found = after(*quiet, *busy, second(8, then, sent=400), second(9, then, sent=500))
    assert found.difference == 0
    assert (found.sent, found.in_transit) == (300, 40)  # the flows of the second nearest to the count
    too_much = counted(501)
    assert after(*quiet, *busy, second(8, too_much, sent=400), second(9, too_much, sent=500)).difference == -1


def test_opening_amount_is_narrowed_down_by_later_counts() -> None:
    first = counted(40)
    found = after(second(0, first, sent=100), second(1, first, sent=150))
    assert (found.opening, found.difference) == (0, 0)  # any amount from 0 to 40 is possible
    then = counted(190)
    calm = [second(at_s, first, sent=150) for at_s in range(2, 8)]
    again = [second(8, then, sent=150), second(9, then, sent=150)]
    found = after(second(0, first, sent=100), second(1, first, sent=150), *calm, *again)
    assert (found.opening, found.in_transit, found.difference) == (40, 0, 0)  # now only 40 is possible
