"""The parameters of the bank of a world, drawn from its seed. Two of three worlds have no bank."""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.sim.faults import Rates

GATEWAY, MERCHANT = "bank", "hongbao"
CARD_FEN = 30_000  # on each card at the beginning
# What the bank does about an order, besides what the wire to it does. `later`: some seconds after its reply.
HONEST = (
    "done",
    "declined",
    "error_before",  # status 500, and nothing is done: the same number may come again
    "error_after",  # done, then status 500
    "unknown_code",  # done, with a result that is none of the protocol
    "rejected_then_done",  # status 500, not found for a while, and done later
    "processing_then_done",
    "processing_then_declined",
)
CONTRADICTIONS = (
    "declined_then_done",  # both signed
    "done_then_declined",
    "wrong_amount",  # a notice, before the right one
)
AGAIN = ("unknown", "bank_unknown", "bank_away", "overloaded")  # the same key may get another answer later
NOTICES = ("none", "once", "first", "twice", "late", "reordered", "forged", "replayed")


class BankPlan(NamedTuple):
    """What the bank of a world does, and who has cards."""

    rates: Rates  # of the wire
    fault_rate: float  # of orders: how often something else happens than that it is done
    contradicts: float  # of orders: how often the bank contradicts itself
    later_s: float  # the longest time until it does what it does later
    holders: int  # users with a card at the beginning; the others may bind one
    acts_s: float  # mean time between two acts of a user with cards
    day_limit_fen: int
    strikes: int  # how often its strikes, and one at the feed, are among those of the nemesis


def bank_plan(rng: random.Random, users: int) -> BankPlan | None:
    """Draw a plan, or none."""
    if rng.random() >= 1 / 3:
        return None
    fault_rate_max = rng.choice((0.0, 0.02, 0.08, 0.2))
    return BankPlan(
        rates=Rates(
            *(rng.uniform(0.0, fault_rate_max) for _ in range(4)), latency_s=rng.choice((0.002, 0.05, 0.5))
        ),
        fault_rate=rng.choice((0.0, 0.2, 0.6)),
        contradicts=rng.choice((0.0, 0.0, 0.0, 0.1)),
        later_s=rng.choice((0.5, 3.0, 8.0)),
        holders=rng.randint(1, users),
        acts_s=rng.choice((0.3, 0.8, 2.0)),
        day_limit_fen=rng.choice((0, 5_000, 5_000_000)),
        strikes=rng.choice((0, 1, 2)),
    )
