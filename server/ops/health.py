"""Readiness: whether the server should get traffic, judged from a sample, with the reasons."""

from __future__ import annotations

from typing import NamedTuple

from server.ops.samples.sample import Sample


class Health(NamedTuple):
    """`reasons`: why the server is not ready; empty when it is. `degraded`: what does not work fully meanwhile."""

    reasons: list[str]
    degraded: list[str]

    @property
    def ready(self) -> bool:
        """The server should get traffic."""
        return not self.reasons


def health(sample: Sample, backlog_s_max: float) -> Health:
    """Judge a sample. The server is not ready while a claim waits longer than `backlog_s_max` to be credited."""
    found = Health([], [])
    if sample.state != "serving":
        found.reasons.append(f"the server is {sample.state}")
    for name, store in sample.stores.items():
        if not store.up:
            is_needed = name in ("postgres", sample.durability)
            (found.reasons if is_needed else found.degraded).append(f"{name} is away: {store.why}")
        if store.warning:
            found.degraded.append(f"{name}: {store.warning}")
    found.reasons.extend(f"the loop {name} fails: {why}" for name, why in sample.failing_loops.items())
    if sample.state == "serving" and not sample.current:
        found.reasons.append("the server may not know the newest changes of other servers")
    found.degraded.extend(sample.clock_faults)
    missing = {} if sample.links is None else sample.links.missing
    if sample.nats_up is False:
        found.degraded.append("NATS is away: events for it wait, pushes go over the links")
    found.degraded.extend(f"no link to the server {server} at {why}" for server, why in missing.items())
    if sample.backlog_age_s > backlog_s_max:
        found.reasons.append(
            f"a claim has waited {sample.backlog_age_s:.0f} s to be credited, the limit is {backlog_s_max:g} s"
        )
    return found
