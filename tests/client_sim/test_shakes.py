"""A crowd that shakes on a real server, and books that notice what cannot all be true."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.methods.campaign_proofs import fitting_budget, quotas_of_bands
from client_sim.sim import scenarios
from client_sim.sim.crowd import GROUP_MEMBERS_MOST, Crowd
from client_sim.sim.shakes import expectations
from client_sim.sim.shakes.book import ShakeBook
from client_sim.sim.shakes.course import BANDS
from protocol import messages
from server.cli.demos.festival import ShakingCrowd
from server.cli.shared.demo_web import SEATS
from server.core.campaigns import deck
from tests.client_sim.test_crowd import mint
from tests.conftest import Server, token


@pytest.mark.long
async def test_crowd_that_shakes_is_as_expected(server: Server) -> None:
    crowd = scenarios.prepare("shake", server.url, token, users=40, groups=1, seconds=6.0, seed=5)
    summary = await scenarios.perform("shake", crowd)
    book = crowd.context.shakes
    assert (summary.contradictions, summary.failures, book.contradictions) == ([], [], [])
    assert [one for one in summary.expectations if not one.holds] == []
    assert len(book.bots) == 2
    assert book.won > 0  # how many: a matter of the pace, which tests of the rules tell
    assert book.report is not None
    assert (book.report.won_shares, book.report.won_fen) == (book.won, book.won_fen)


async def win_of(client: Client, campaign_id: int) -> messages.WinLine:
    """The first win of a guest."""
    while True:
        shaken = await client.shake(campaign_id)
        if shaken.win is not None:
            return shaken.win
        await asyncio.sleep(0.5)


def kept(crowd: Crowd) -> list[bool]:
    """Which of the expectations hold."""
    return [check(crowd).holds for check in scenarios.SCENARIOS["shake"].checks]


async def test_guests_get_a_round_of_their_own_at_once_and_their_wins_are_proved(server: Server) -> None:
    crowd = scenarios.prepare("shake", server.url, token, users=10, groups=1, seconds=30.0, seed=6)
    guest_id = 77
    crowd.context.guests[guest_id] = "小明"
    running = asyncio.create_task(scenarios.perform("shake", crowd))
    await crowd.begun.wait()
    (first,) = crowd.context.rounds
    assert (first.with_company, first.shares) == (False, 40)  # 0.15 a second for each of ten users
    async with crowd.context.client(guest_id) as guest:
        crowd.context.has_company = True
        while len(crowd.context.rounds) == 1:
            assert "running" in [one.state for one in (await guest.campaigns()).campaigns]
            await asyncio.sleep(0.01)
        second = crowd.context.rounds[1]
        assert (second.with_company, second.shares) == (True, 90)
        win = await win_of(guest, second.campaign_id)
    crowd.context.has_company = False
    summary = await running
    assert (summary.contradictions, summary.failures) == ([], [])
    assert [one for one in summary.expectations if not one.holds] == []
    assert len(crowd.context.rounds) == 2
    assert (first.is_cut, second.is_cut) == (True, True)
    assert second.guests == {guest_id: [win.amount_fen]}
    for book in crowd.context.rounds:
        assert book.report is not None
        assert (book.report.won_shares, book.report.won_fen) == (
            book.won + book.guests_won,
            book.won_fen + book.guests_fen,
        )


def test_budget_of_the_sdk_is_that_of_the_server() -> None:
    for shares in (60, 180, 999):
        bands = [deck.Band(*band) for band in BANDS]
        assert fitting_budget(shares, BANDS) == deck.fitting_budget(shares, bands)
        assert quotas_of_bands(shares, BANDS) == deck.quotas_of(shares, bands)


# --- the book -------------------------------------------------------------------------------------------------


def won(packet_id: int, index: int, amount_fen: int = 200) -> messages.Shaken:
    return messages.Shaken(1, 7, "won", 0, messages.WinLine(amount_fen, packet_id, index, 700, "某超市", ""))


def line(at_most_left: int) -> messages.CampaignLine:
    texts = "spring", 700, "某超市", "", "", "running"
    return messages.CampaignLine(7, *texts, 0, 1, 100, at_most_left, 0, 5, 1, False, 0, b"")


REPORT = messages.CampaignReportShown(1, line(0), 500, 2, 500, 2, 0, 0, 0, 9, 0, 0, 0, [])


def proof(*claims: tuple[int, int]) -> messages.Revealed:
    lines = [messages.ClaimLine(number, 11, amount, 0) for number, amount in claims]
    return messages.Revealed(1, 7, "pool:", "refunded", 700, 1, 1, 1, b"", b"", -1, lines)


def test_share_that_is_won_twice_is_a_contradiction() -> None:
    book = ShakeBook(7, shares=10)
    assert book.take(11, won(5, 0))
    book.take(12, won(5, 1))
    assert book.contradictions == []
    book.take(13, won(5, 1))
    assert book.contradictions == ["share (5, 1) was won twice, the second time by user 13"]


def test_number_left_that_rises_is_a_contradiction() -> None:
    book = ShakeBook(7, shares=100)
    assert [book.take_left(line(left)) for left in (100, 95, 95, 90)] == [True, True, False, True]
    assert book.contradictions == []
    book.take_left(line(91))
    assert book.contradictions == ["at most 91 shares are left, and before at most 90"]


def test_proof_that_has_other_wins_or_a_number_twice_is_a_contradiction() -> None:
    book = ShakeBook(7, shares=100)
    book.take(11, won(5, 0, 200))
    book.take(12, won(5, 1, 300))
    book.take_proof(11, proof((3, 200)), [])
    assert book.contradictions == []
    book.take_proof(12, proof((3, 300)), ["odd"])
    assert book.contradictions == ["proof of user 12: odd", "number 3 was won twice"]
    book.take_proof(13, proof((4, 300)), [])
    assert book.contradictions[-1] == "user 13 was told other wins than the proof has: [300]"


def test_wins_of_guests_are_numbers_of_the_campaign_and_their_proof_is_checked() -> None:
    book = ShakeBook(7, shares=2, report=REPORT)
    book.take(11, won(5, 0, 200))
    book.take_guest(90, proof(), [])
    assert book.guests == {}
    book.take_guest(91, proof((4, 300)), [])
    assert (book.guests_won, book.guests_fen, book.won, book.numbers) == (1, 300, 1, {4: 300})
    book.take_left(line(0))  # both shares were won
    assert book.contradictions == []
    book.take_guest(92, proof((4, 300)), ["odd"])
    assert book.contradictions == ["proof of guest 92: odd", "number 4 was won twice"]


def test_moment_that_guests_have_ended_is_no_failure_and_that_of_a_crowd_alone_is() -> None:
    crowd = scenarios.prepare("shake", "tcp://127.0.0.1:1", mint, users=20, groups=1, seconds=1.0, seed=5)
    book = ShakeBook(7, list(BANDS), 60, budget_fen=900, returned_fen=900, verified=20, is_cut=True)
    crowd.context.rounds = [book]
    assert kept(crowd) == [True] * 5
    book.is_cut = False
    assert kept(crowd) == [
        False,
        True,
        True,
        False,
        False,
    ]
    book.is_cut, book.returned_fen = True, 899
    assert not expectations.every_number_once(crowd).holds
    crowd.context.rounds = []
    assert kept(crowd) == [False] * 5


@pytest.mark.parametrize("users", [360, 361, 1_000, 3_000])
def test_groups_of_the_festival_have_room_for_phones(users: int) -> None:
    size = ShakingCrowd(users, 1.0, 1, "en")
    crowd = scenarios.prepare(
        "shake", "tcp://127.0.0.1:1", mint, users=users, groups=size.groups, seconds=1.0, seed=1
    )
    assert len(crowd.largest_group().member_ids) + SEATS <= GROUP_MEMBERS_MOST


def book_with(shares: int, won: list[int]) -> ShakeBook:
    book = ShakeBook(7, list(BANDS), shares)
    book.numbers = dict(enumerate(won))
    return book


def test_numbers_that_avoid_a_band_are_beyond_chance() -> None:
    quotas = quotas_of_bands(600, BANDS)
    assert quotas == [480, 90, 30]
    at_odds, degrees = book_with(600, [200] * 240 + [600] * 45 + [3_000] * 15).chi_square(quotas)
    assert (at_odds, degrees) == (0.0, 2)
    avoided, degrees = book_with(600, [200] * 255 + [600] * 45).chi_square(quotas)
    assert degrees == 2
    assert avoided > expectations.critical(2)


def test_few_numbers_that_are_left_say_nothing_of_the_odds() -> None:
    quotas = quotas_of_bands(120, BANDS)
    assert quotas == [96, 18, 6]
    two_rare_ones_are_left = [200] * 96 + [600] * 18 + [3_000] * 4
    assert book_with(120, two_rare_ones_are_left).chi_square(quotas)[1] == 0
    assert book_with(120, [200] * 48 + [600] * 9 + [3_000] * 3).chi_square(quotas) == (0.0, 1)  # two bands as one


def test_critical_value_is_that_of_the_tables() -> None:
    assert abs(expectations.critical(2) - 18.42) < 1
    assert abs(expectations.critical(10) - 35.56) < 1
