"""Packets of other kinds in a world, drawn from its seed. Two of three worlds have none."""

from __future__ import annotations

import random
from typing import NamedTuple

# The config of servers: small numbers, so that worlds meet them.
ATTEMPTS_MAX = 2
DEPTH_MAX = 2
BILLS_A_DAY = 2
BILL_FEN_A_DAY = 500
BILL_FEN = (100, 300)


class KindsPlan(NamedTuple):
    """What there is, and how often."""

    packets: int
    later_rate: float  # of packets that can be sent at once: how many are to be sent later
    later_ms: int  # the longest time until then
    cancel_rate: float  # of packets that wait
    wrong_rate: float  # of users who say words
    friends: int  # whom an opener passes a packet on to, at most
    bills: int


def kinds_plan(rng: random.Random) -> KindsPlan | None:
    """Draw a plan, or none."""
    if rng.random() >= 1 / 3:
        return None
    return KindsPlan(
        packets=rng.randint(2, 5),
        later_rate=rng.choice((0.0, 0.3, 0.6)),
        later_ms=rng.choice((300, 1_500, 5_000)),
        cancel_rate=rng.choice((0.0, 0.5, 1.0)),
        wrong_rate=rng.choice((0.0, 0.3, 0.7)),
        friends=rng.choice((1, 3)),
        bills=rng.choice((0, 0, 3, 6)),
    )
