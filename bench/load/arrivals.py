"""When users act in an open loop: drawn before the run from a seed, whatever the server does then."""

from __future__ import annotations

import random
from array import array


def arrivals(seed: int, rate_per_s: float, seconds: float) -> array[float]:
    """Intended starts in s: a Poisson process, given that it brings exactly `rate_per_s * seconds` arrivals.

    (Under that condition its arrivals are that many independent uniform moments, so the rate needs no tolerance.)
    """
    draw = random.Random(f"arrivals {seed}").random
    return array("d", sorted(draw() * seconds for _ in range(round(rate_per_s * seconds))))


def order(seed: int, users: int) -> list[int]:
    """In which order the users take turns: each once, then all over again."""
    places = list(range(users))
    random.Random(f"order {seed}").shuffle(places)
    return places
