"""The sets of a world whose servers are peers, drawn from its seed."""

from __future__ import annotations

import random
from typing import NamedTuple


class SetsPlan(NamedTuple):
    """How many sets of PostgreSQL there are, and what happens to one of them alone."""

    sets: int
    strikes_s: float  # mean time between two strikes
    strike_s: float  # the longest one


def sets_plan(rng: random.Random) -> SetsPlan:
    """Draw a plan."""
    return SetsPlan(
        sets=rng.choice((2, 2, 3)),
        strikes_s=rng.choice((0.3, 1.0, 1e6)),
        strike_s=rng.choice((0.5, 8.0)),
    )
