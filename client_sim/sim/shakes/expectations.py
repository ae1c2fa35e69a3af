"""What is expected of a run in which all users shake."""

from __future__ import annotations

import math
from typing import Final

from client_sim.sdk.methods.campaign_proofs import quotas_of_bands
from client_sim.sim.crowd import Crowd
from client_sim.sim.shakes.book import ShakeBook
from client_sim.sim.summary import Expectation

SURE: Final = 3.72  # standard deviations: exceeded once in ten thousand runs
PERSON_WINS_LEAST: Final = 0.5  # otherwise there is nothing to compare


def every_number_once(crowd: Crowd) -> Expectation:
    """Every share that was told is a number of its own, and what was not won has gone back."""
    books, say, amount = crowd.context.rounds, crowd.context.words, crowd.context.amount
    numbers = sum(len(book.numbers) for book in books)
    won, back = sum(book.won_fen + book.guests_fen for book in books), sum(book.returned_fen for book in books)
    seen = say("once_seen", n=numbers, won=amount(won), back=amount(back))
    holds = all(map(_adds_up, books)) and (numbers > 0 or _may_be_short(crowd))
    found = [one for book in books for one in book.contradictions]
    return Expectation(say("once", of=sum(book.shares for book in books)), "; ".join(found[:1]) or seen, holds)


def _adds_up(book: ShakeBook) -> bool:
    """Whether all that was won and what went back are the campaign."""
    is_told = book.won + book.guests_won == len(book.numbers)
    kept_fen = book.won_fen + book.guests_fen + book.returned_fen
    return is_told and kept_fen == book.budget_fen and not book.contradictions


def _may_be_short(crowd: Crowd) -> bool:
    """Whether every round was ended by guests who came or left: nothing can be expected of a moment."""
    books = crowd.context.rounds
    return bool(books) and all(book.is_cut for book in books)


def every_proof_holds(crowd: Crowd) -> Expectation:
    """Each user has recomputed what they have won from the revealed seed and the deck."""
    books, say, users = crowd.context.rounds, crowd.context.words, len(crowd.users)
    seen = say("proofs_seen", n=min((book.verified for book in books), default=0))
    return Expectation(say("proofs"), seen, bool(books) and all(book.verified == users for book in books))


def bands_at_their_odds(crowd: Crowd) -> Expectation:
    """χ² of the bands, over all rounds, is what chance gives."""
    books, say = [book for book in crowd.context.rounds if book.bands], crowd.context.words
    found = [book.chi_square(quotas_of_bands(book.shares, book.bands)) for book in books]
    chi, degrees = sum(one for one, _ in found), sum(one for _, one in found)
    if not degrees:  # all numbers were won, or too few of all bands but one: nothing to compare
        return Expectation(say("odds", most=0.0), say("odds_none"), bool(books))
    most = critical(degrees)
    return Expectation(say("odds", most=most), say("odds_seen", chi=chi), chi < most)


def counters_fall(crowd: Crowd) -> Expectation:
    """The number of shares left never rises within a round. What is shown is the round with the most steps."""
    told, say = [book.at_most_left for book in crowd.context.rounds], crowd.context.words
    longest = max(told, key=len, default=[])
    falls = all(one == sorted(one, reverse=True) for one in told)
    seen = say("fall_seen", first=longest[0], last=longest[-1], n=len(longest)) if longest else "–"
    return Expectation(say("fall"), seen, falls and (len(longest) > 1 or _may_be_short(crowd)))


def bots_gain_nothing(crowd: Crowd) -> Expectation:
    """A bot that shakes a thousand times a second wins no more than a person, within what chance gives."""
    books, say = crowd.context.rounds, crowd.context.words
    bots = [user.user_id for user in crowd.users if any(user.user_id in book.bots for book in books)]
    people = [user.user_id for user in crowd.users if user.user_id not in bots]
    bot, person = (sum(book.wins_of(users) for book in books) for users in (bots, people))
    spread = math.sqrt(max(person, bot) * (1 / max(1, len(bots)) + 1 / max(1, len(people))))
    holds = person > 0 if not bots else (person >= PERSON_WINS_LEAST and bot <= person + SURE * spread)
    if person < PERSON_WINS_LEAST and _may_be_short(crowd):
        return Expectation(say("bots_nothing"), say("odds_none"), True)
    of = ((True, bots), (False, people))
    shakes = [sum(book.shakes[one] for book in books) / max(1, len(users)) for one, users in of]
    seen = say("bots_seen", bot=bot, person=person, bot_shakes=shakes[0], person_shakes=shakes[1])
    return Expectation(say("bots_nothing"), seen, holds)


def critical(degrees: int) -> float:
    """The χ² that chance exceeds once in ten thousand times (Wilson and Hilferty)."""
    part = 2 / (9 * degrees)
    return degrees * float(1 - part + SURE * math.sqrt(part)) ** 3
