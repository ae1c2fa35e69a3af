"""Expectations of scenarios: each holds and fails where it should, and a failure makes the run fail."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from rich.console import Console

from client_sim.sim import expectations, scenarios, screen
from client_sim.sim.books import Order, Share
from client_sim.sim.crowd import Crowd
from client_sim.sim.summary import Expectation
from protocol import tokens
from protocol.messages import Opened, PacketFinished, PacketPosted, PacketSent, ResultLine, ResultPageBody

GROUP, LISTENER = 2**60, 6


def mint(user_id: int) -> str:
    return str(tokens.mint(user_id, 2_000_000_000, "k1", bytes(32)))


def crowd_of(scenario: str) -> Crowd:
    crowd = scenarios.prepare(scenario, "tcp://127.0.0.1:1", mint, seed=1)
    for group in crowd.groups:
        group.group_id = GROUP
    return crowd


def called(crowd: Crowd, character: str) -> int:
    """The id of the first user of that character."""
    return next(user.user_id for user in crowd.users if user.character_name == character)


def sent(
    crowd: Crowd,
    packet_id: int,
    sender_id: int,
    kind: str = "lucky",
    *,
    fen: int = 100,
    shares: int = 2,
    at_ms: int = 0,
) -> None:
    order = Order(sender_id, kind, GROUP, fen, shares)
    crowd.witness.streams.allow(sender_id, GROUP)
    crowd.witness.record_send(order, PacketSent(1, packet_id, order.total_fen, bytes(32), 99))
    crowd.witness.streams.allow(LISTENER, GROUP)
    crowd.witness.record_push(
        LISTENER,
        PacketPosted(0, GROUP, packet_id, sender_id, at_ms, packet_id, kind, shares, "", bytes(32), 99),
    )


def won(crowd: Crowd, packet_id: int, amounts: Iterable[tuple[int, int]]) -> None:
    for index, (user_id, fen) in enumerate(amounts):
        crowd.witness.streams.allow(user_id, GROUP)
        crowd.witness.record_open(user_id, Opened(1, packet_id, "won", fen, index), 1.0)


def test_packets_come_at_midnight_looks_at_the_densest_two_seconds() -> None:
    crowd = crowd_of("new_year")
    for number in range(8):
        sent(crowd, number + 1, 7, at_ms=500_000 + 250 * number)
    sent(crowd, 9, 7, at_ms=490_000)
    sent(crowd, 10, 7, at_ms=505_000)
    assert expectations.packets_come_at_midnight(crowd) == Expectation(
        "≥ 80% of packets are sent within 2 s", "80% of 10", True
    )
    sent(crowd, 11, 7, at_ms=600_000)
    assert not expectations.packets_come_at_midnight(crowd).holds


def test_every_check_without_packets_does_not_hold() -> None:
    for scenario in scenarios.SCENARIOS:
        crowd = crowd_of(scenario)
        assert not any(check(crowd).holds for check in scenarios.SCENARIOS[scenario].checks), scenario


def test_office_checks_compare_kinds_and_amounts() -> None:
    crowd = crowd_of("office")
    boss, talker = called(crowd, "boss"), called(crowd, "talker")
    for number in range(3):
        sent(crowd, number + 1, boss, "equal", fen=500, shares=4)
    sent(crowd, 4, talker, "lucky", fen=5000)
    assert expectations.most_packets_are_equal(crowd).holds
    assert expectations.bosses_give_most(crowd) == Expectation(
        "≥ 50% of fen come from bosses", "55% of 11,000", True
    )
    sent(crowd, 5, talker, "lucky", fen=2000)
    assert not expectations.bosses_give_most(crowd).holds
    assert expectations.most_packets_are_equal(crowd).holds
    sent(crowd, 6, talker, "lucky")
    assert not expectations.most_packets_are_equal(crowd).holds


def test_packets_come_in_chains_counts_the_longest_chain() -> None:
    crowd = crowd_of("family")
    for number in range(1, 4):
        sent(crowd, number, number, "lucky", shares=1)
    sent(crowd, 4, 9, "personal")
    crowd.witness.record_chain(1, 2)
    assert expectations.packets_come_in_chains(crowd) == Expectation("a chain of ≥ 3 packets", "one of 2", False)
    crowd.witness.record_chain(2, 3)
    assert expectations.packets_come_in_chains(crowd).holds
    assert expectations.some_packets_are_personal(crowd).seen == "25% of 4"


def test_chain_from_another_user_than_the_best_luck_is_a_contradiction() -> None:
    crowd = crowd_of("family")
    sent(crowd, 1, 8, shares=1)
    won(crowd, 1, [(9, 100)])
    crowd.witness.record_push(LISTENER, PacketFinished(0, 1, GROUP, 1, 5, 9, 100))
    sent(crowd, 2, 9)
    crowd.witness.record_chain(1, 2)
    assert crowd.witness.contradictions() == []
    sent(crowd, 3, 8)
    crowd.witness.record_chain(1, 3)
    assert crowd.witness.contradictions() == [
        "packet 3: follows packet 1, but its sender did not have the best luck there"
    ]


def test_bots_come_first_counts_the_first_shares() -> None:
    crowd = crowd_of("campaign")
    sponsor, bot, sleeper = (called(crowd, name) for name in ("sponsor", "bot", "sleeper"))
    for number in range(4):
        sent(crowd, number + 1, sponsor, shares=30)
        won(crowd, number + 1, [(bot, 3), (sleeper, 4)])
    assert expectations.bots_come_first(crowd).holds
    assert expectations.bots_come_first(crowd).seen == "100% of 4"
    assert expectations.one_sender_for_many(crowd).holds
    sent(crowd, 5, sponsor, shares=30)
    won(crowd, 5, [(sleeper, 3)])
    sent(crowd, 6, sponsor, shares=30)
    won(crowd, 6, [(sleeper, 3)])
    assert expectations.bots_come_first(crowd).seen == "67% of 6"
    assert not expectations.bots_come_first(crowd).holds
    sent(crowd, 7, sleeper, shares=30)
    assert not expectations.one_sender_for_many(crowd).holds


def test_every_share_is_won_needs_every_packet_to_be_full() -> None:
    crowd = crowd_of("rush")
    sent(crowd, 1, 7)
    won(crowd, 1, [(7, 40), (8, 60)])
    assert expectations.every_share_is_won(crowd).holds
    sent(crowd, 2, 7)
    won(crowd, 2, [(7, 40)])
    assert expectations.every_share_is_won(crowd) == Expectation(
        "all shares are won and add up to the total", "true for 1 of 2 packets", False
    )


@pytest.mark.parametrize(("holds", "mark"), [(True, "✓"), (False, "✗")])
def test_expectation_that_fails_makes_the_run_fail_and_is_printed(holds: bool, mark: str) -> None:
    crowd = crowd_of("family")
    crowd.expectations = [Expectation("a chain of ≥ 3 packets", "one of 2", holds)]
    summary = crowd.summary()
    assert summary.ok is holds
    console = Console(file=io.StringIO(), width=80)
    screen.print_report(console, crowd, summary)
    assert isinstance(console.file, io.StringIO)
    assert f"expected  a chain of ≥ 3 packets  seen  one of 2  {mark}" in console.file.getvalue()


def page(own_fen: int, *claims: tuple[int, Share], best_index: int = -1) -> ResultPageBody:
    lines = [ResultLine(share.index, user_id, "", share.amount_fen, 0, "") for user_id, share in claims]
    return ResultPageBody(
        "lucky", "open", 7, "", "", own_fen, "", "", "", "", True, best_index, 1, 2, lines, False, False
    )


@pytest.mark.parametrize(
    ("shown", "odd"),
    [
        (page(40, (8, Share(0, 40))), ""),
        (page(41, (8, Share(0, 40))), "their result page shows 41 fen"),
        (page(40, (8, Share(1, 40))), "a result page shows Share(index=1"),
        (page(40, (8, Share(0, 40)), best_index=0), "marks a best luck"),
    ],
)
def test_result_page_that_differs_from_an_answer_is_a_contradiction(shown: ResultPageBody, odd: str) -> None:
    crowd = crowd_of("family")
    sent(crowd, 1, 7)
    won(crowd, 1, [(8, 40)])
    crowd.witness.record_page(8, 1, shown)
    found = crowd.witness.contradictions()
    assert [odd in one for one in found] == ([True] if odd else [])
