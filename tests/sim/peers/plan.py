"""The peers of a world, drawn from its seed. Worlds with a bank, kinds or campaigns have none."""

from __future__ import annotations

import random
from typing import NamedTuple


class PeersPlan(NamedTuple):
    """How many servers there are, and what happens to the links between them."""

    servers: int
    latency_s: float  # of a frame, at most
    drop_rate: float  # of frames that are lost
    cuts_s: float  # mean time between two cuts of a pair of servers
    cut_s: float  # the longest cut: shorter and longer than what decides whether a server lives
    freezes_s: float  # mean time between two servers that freeze
    leaves_s: float  # mean time between two users who hang up
    follow_rate: float  # of users with a share: how many stay on the page


def peers_plan(rng: random.Random) -> PeersPlan | None:
    """Draw a plan, or none."""
    return None if rng.random() >= 1 / 2 else some_peers(rng)


def some_peers(rng: random.Random) -> PeersPlan:
    """Draw a plan."""
    return PeersPlan(
        servers=rng.choice((2, 3, 3)),
        latency_s=rng.choice((0.001, 0.02, 0.2)),
        drop_rate=rng.choice((0.0, 0.0, 0.01, 0.05)),
        cuts_s=rng.choice((0.7, 3.0, 1e6)),
        cut_s=rng.choice((0.5, 12.0)),
        freezes_s=rng.choice((2.0, 1e6, 1e6)),
        leaves_s=rng.choice((0.3, 1.0, 1e6)),
        follow_rate=rng.choice((0.0, 0.5, 1.0)),
    )
