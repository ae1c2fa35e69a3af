"""The campaigns of a world, drawn from its seed. Three of four worlds have none."""

from __future__ import annotations

import random
from typing import NamedTuple


class CampaignPlan(NamedTuple):
    """What is given away, and who shakes."""

    campaigns: int
    shares: int
    per_user_limit: int
    is_for_group: bool  # only members of the group may shake
    scheme: str
    shake_s: float  # mean time between two shakes of a user
    ends_early_s: float  # before the end of the world's faults
    changes_s: float  # mean time between two changes of the backend: pause, resume, end
    stays: bool  # each user is connected to one server, always the same


def campaign_plan(rng: random.Random) -> CampaignPlan | None:
    """Draw a plan, or none."""
    if rng.random() >= 1 / 4:
        return None
    return CampaignPlan(
        campaigns=rng.choice((1, 1, 2)),
        shares=rng.choice((6, 12, 30)),
        per_user_limit=rng.choice((1, 1, 2, 3)),
        is_for_group=rng.random() < 0.3,
        scheme=rng.choice(("bands", "bands", "draws")),
        shake_s=rng.choice((0.15, 0.5)),
        ends_early_s=rng.choice((0.0, 1.0)),
        changes_s=rng.choice((0.7, 1e6, 1e6)),
        stays=rng.random() < 0.5,
    )
