"""The sum of the money in packets, counted while money moves."""

from __future__ import annotations

from server.ops.samples.money_in_packets import MoneyInPackets, MoneyInPacketsCheck
from server.ops.samples.sample import Figures, Sample
from tests.ops.samples import sample


def second(at_s: int, figures: Figures | None, sent: int = 0, claimed: int = 0, refunded: int = 0) -> Sample:
    money = {"topped_up": 9_999, "withdrawn": 5, "sent": sent, "claimed": claimed, "refunded": refunded}
    return sample(at_ms=at_s * 1000, figures=figures, money_fen=money)


def counted(fen: int) -> Figures:
    return Figures(in_packets_fen=fen)


def after(*seconds: Sample) -> MoneyInPackets:
    balancer = MoneyInPacketsCheck()
    for one in seconds:
        balancer.add(one)
    assert balancer.last is not None
    return balancer.last


def test_nothing_is_said_before_a_count() -> None:
    balancer = MoneyInPacketsCheck()
    for at_s in range(10):
        balancer.add(second(at_s, None, sent=100))
    assert balancer.last is None
    balancer.add(second(10, counted(100), sent=100))
    assert balancer.last is None  # a second later
    balancer.add(second(11, counted(100), sent=100))
    assert balancer.last is not None


def test_a_quiet_server_balances_exactly() -> None:
    first, then = counted(500), counted(700)
    quiet = [second(at_s, first) for at_s in range(5)]
    later = [second(at_s, first, 300, 90, 10) for at_s in range(5, 12)]
    found = after(*quiet, *later, *(second(at_s, then, 300, 90, 10) for at_s in range(12, 14)))
    assert (found.before, found.sent, found.claimed, found.refunded, found.in_packets) == (500, 300, 90, 10, 700)
    assert (found.moving, found.difference) == (0, 0)


def test_one_fen_too_few_is_a_difference_for_as_long_as_it_is_missing() -> None:
    first, short, right = counted(0), counted(199), counted(200)
    start = [second(at_s, first) for at_s in range(5)]
    quiet = [second(at_s, first, 300, 90, 10) for at_s in range(5, 12)]
    missing = [second(at_s, short, 300, 90, 10) for at_s in range(12, 20)]
    found = after(*start, *quiet, *missing)
    assert (found.before, found.moving, found.difference) == (0, 1, 1)
    still = counted(199)
    again = [second(at_s, still, 300, 90, 10) for at_s in range(20, 22)]
    assert after(*start, *quiet, *missing, *again).difference == 1  # the first count is not forgotten
    mended = [second(at_s, right, 300, 90, 10) for at_s in range(20, 22)]
    assert after(*start, *quiet, *missing, *mended).difference == 0


def test_one_fen_too_many_is_a_difference() -> None:
    first, long = counted(0), counted(201)
    quiet = [second(at_s, first) for at_s in range(5)]
    later = [second(at_s, first, 300, 90, 10) for at_s in range(5, 12)]
    found = after(*quiet, *later, *(second(at_s, long, 300, 90, 10) for at_s in range(12, 14)))
    assert (found.moving, found.difference) == (-1, -1)


def test_what_moves_around_a_count_explains_it() -> None:
    first, then = counted(0), counted(260)
    quiet = [second(at_s, first) for at_s in range(5)]
    busy = [second(at_s, first, sent=100 * (at_s - 4)) for at_s in range(5, 8)]  # 100, 200, 300
    found = after(*quiet, *busy, second(8, then, sent=400), second(9, then, sent=500))
    assert found.difference == 0
    assert (found.sent, found.moving) == (300, 40)  # told with the second that was nearest to the count
    too_much = counted(501)
    assert after(*quiet, *busy, second(8, too_much, sent=400), second(9, too_much, sent=500)).difference == -1


def test_the_first_count_may_fall_among_the_first_movements() -> None:
    first = counted(40)
    found = after(second(0, first, sent=100), second(1, first, sent=150))
    assert (found.before, found.difference) == (0, 0)  # anything from 0 to 40 would do
    then = counted(190)
    calm = [second(at_s, first, sent=150) for at_s in range(2, 8)]
    again = [second(8, then, sent=150), second(9, then, sent=150)]
    found = after(second(0, first, sent=100), second(1, first, sent=150), *calm, *again)
    assert (found.before, found.moving, found.difference) == (40, 0, 0)  # and now it is known
