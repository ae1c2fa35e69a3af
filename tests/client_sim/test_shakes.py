"""A crowd that shakes on a real server, and books that notice what cannot all be true."""

from __future__ import annotations

import pytest

from client_sim.sdk.methods.campaign_proofs import fitting_budget, quotas_of_bands
from client_sim.sim import scenarios
from client_sim.sim.shakes import expectations
from client_sim.sim.shakes.book import ShakeBook
from client_sim.sim.shakes.course import BANDS
from protocol import messages
from server.core.campaigns import deck
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
