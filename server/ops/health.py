"""Whether traffic should come here: a verdict on a sample, with its reasons."""

from __future__ import annotations

from typing import NamedTuple

from server.ops.samples.sample import Sample


class Health(NamedTuple):
    """`reasons`: why no traffic should come, empty when it may. `degraded`: what works less well meanwhile."""

    reasons: list[str]
    degraded: list[str]

    @property
    def ready(self) -> bool:
        """Traffic may come."""
        return not self.reasons


def health(sample: Sample, backlog_s_max: float) -> Health:
    """The verdict. A claim that waits longer than `backlog_s_max` for its credit stops traffic."""
    found = Health([], [])
    if sample.state != "serving":
        found.reasons.append(f"the server is {sample.state}")
    for name, store in sample.stores.items():
        if not store.up:
            is_needed = name in ("postgres", sample.durability)
            (found.reasons if is_needed else found.degraded).append(f"{name} is away: {store.why}")
    if sample.backlog_age_s > backlog_s_max:
        found.reasons.append(
            f"a claim has waited {sample.backlog_age_s:.0f} s for its credit, allowed are {backlog_s_max:g}"
        )
    return found
