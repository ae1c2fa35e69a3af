"""What is expected of a run in which all users shake."""

from __future__ import annotations

import math
from typing import Final

from client_sim.sdk.methods.campaign_proofs import quotas_of_bands
from client_sim.sim.crowd import Crowd
from client_sim.sim.summary import Expectation

SURE: Final = 3.72  # standard deviations: exceeded once in ten thousand runs
PERSON_WINS_LEAST: Final = 0.5  # otherwise there is nothing to compare


def every_number_once(crowd: Crowd) -> Expectation:
    """Every share that was told is a number of its own, and what was not won has gone back."""
    book, say = crowd.context.shakes, crowd.context.words
    kept_fen = book.won_fen + book.returned_fen
    holds = book.won == len(book.numbers) > 0 and kept_fen == book.budget_fen and not book.contradictions
    won, back = crowd.context.amount(book.won_fen), crowd.context.amount(book.returned_fen)
    seen = say("once_seen", n=len(book.numbers), won=won, back=back)
    return Expectation(say("once", of=book.shares), "; ".join(book.contradictions[:1]) or seen, holds)


def every_proof_holds(crowd: Crowd) -> Expectation:
    """Each user has recomputed what they have won from the revealed seed and the deck."""
    book, say = crowd.context.shakes, crowd.context.words
    return Expectation(say("proofs"), say("proofs_seen", n=book.verified), book.verified == len(crowd.users))


def bands_at_their_odds(crowd: Crowd) -> Expectation:
    """χ² of the bands is what chance gives."""
    book, say = crowd.context.shakes, crowd.context.words
    chi, degrees = book.chi_square(quotas_of_bands(book.shares, book.bands)) if book.bands else (0.0, 0)
    if not degrees:  # all numbers were won, or too few of all bands but one: nothing to compare
        return Expectation(say("odds", most=0.0), say("odds_none"), bool(book.bands))
    most = critical(degrees)
    return Expectation(say("odds", most=most), say("odds_seen", chi=chi), chi < most)


def counters_fall(crowd: Crowd) -> Expectation:
    """The number of shares left never rises."""
    told, say = crowd.context.shakes.at_most_left, crowd.context.words
    holds = len(told) > 1 and told == sorted(told, reverse=True)
    seen = say("fall_seen", first=told[0], last=told[-1], n=len(told)) if told else "–"
    return Expectation(say("fall"), seen, holds)


def bots_gain_nothing(crowd: Crowd) -> Expectation:
    """A bot that shakes a thousand times a second wins no more than a person, within what chance gives."""
    book, say = crowd.context.shakes, crowd.context.words
    people = [user.user_id for user in crowd.users if user.user_id not in book.bots]
    bots = list(book.bots)
    bot, person = book.wins_of(bots), book.wins_of(people)
    spread = math.sqrt(max(person, bot) * (1 / max(1, len(bots)) + 1 / max(1, len(people))))
    holds = person > 0 if not bots else (person >= PERSON_WINS_LEAST and bot <= person + SURE * spread)
    shakes = [book.shakes[one] / max(1, len(users)) for one, users in ((True, bots), (False, people))]
    seen = say("bots_seen", bot=bot, person=person, bot_shakes=shakes[0], person_shakes=shakes[1])
    return Expectation(say("bots_nothing"), seen, holds)


def critical(degrees: int) -> float:
    """The χ² that chance exceeds once in ten thousand times (Wilson and Hilferty)."""
    part = 2 / (9 * degrees)
    return degrees * float(1 - part + SURE * math.sqrt(part)) ** 3
