"""How samples of workers become one sample of the server: one rule for each field. Pure.

Counters of a process that has ended stay in the sum; else they would fall, and rates with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from server.ops.samples.sample import (
    CampaignFigures,
    LinkFigures,
    PeerFigures,
    RiskFigures,
    Sample,
    WebhookFigures,
)
from server.workers.merged_values import (
    PEER_COUNTERS,
    Values,
    added,
    added_twice,
    bank,
    campaigns,
    first,
    furthest,
    hottest,
    joined,
    latencies,
    latest,
    links,
    others,
    payments,
    peers,
    risk,
    state,
    stores,
    webhooks,
)


class MergeRule(NamedTuple):
    """How the values of several workers become one, and what of a value stays when its process ends."""

    merge: Callable[[Values], Any]
    stays: Callable[[Any], Any] | None = None  # None: nothing does, the value is one of the moment


def whole(value: Any) -> Any:
    """All of it stays."""
    return value


FIRST: Final = MergeRule(first)
SUM: Final = MergeRule(sum)  # of now
COUNTER: Final = MergeRule(sum, whole)
COUNTERS: Final = MergeRule(added, whole)
HIGHEST: Final = MergeRule(max)
LATENCIES: Final = MergeRule(latencies, whole)

RULES: Final[dict[str, MergeRule]] = {
    "at_ms": HIGHEST,
    "clock_s": HIGHEST,
    "started_at_ms": MergeRule(min),
    "state": MergeRule(state),
    "durability": FIRST,
    "connections": SUM,
    "users_online": SUM,  # each user counts at one worker
    "accepted": COUNTER,
    "closes": COUNTERS,
    "slow_readers": COUNTER,
    "reads": COUNTER,
    "requests": COUNTERS,
    "refusals": COUNTERS,
    "answers": COUNTERS,
    "http_requests": MergeRule(added_twice, whole),
    "pushes": COUNTER,
    "open_ms": LATENCIES,
    "redis_ms": LATENCIES,
    "postgres_ms": LATENCIES,
    "batches": COUNTER,
    "claims": COUNTER,
    "rejected": COUNTER,
    "redriven": COUNTER,
    "unrecorded": SUM,
    "live_packets": SUM,  # each counts at the worker that decides it
    "packet_copies": SUM,
    "peers": MergeRule(peers, lambda value: PeerFigures(**{name: getattr(value, name) for name in PEER_COUNTERS})),
    "other_servers": MergeRule(others),
    "current": MergeRule(all),
    "local_ahead_s": MergeRule(furthest),
    "jump_s": MergeRule(furthest),
    "clock_faults": MergeRule(joined),
    "hottest": MergeRule(hottest),
    "settled": COUNTER,
    "refunded_packets": COUNTER,
    "sends": COUNTER,
    "webhooks": MergeRule(webhooks, lambda value: WebhookFigures(value.results)),
    "payments": MergeRule(payments),
    "bank": MergeRule(bank),
    "campaigns": MergeRule(
        campaigns,
        lambda value: (
            None
            if value is None
            else CampaignFigures(value.shakes, 0, 0, value.reclaimed, value.leased_fen, value.returned_fen)
        ),
    ),
    "risk": MergeRule(
        risk,
        lambda value: (
            None
            if value is None
            else RiskFigures(value.mode, value.rules, value.decided, value.held, value.rule_errors)
        ),
    ),
    "links": MergeRule(
        links,
        lambda value: (
            None if value is None else LinkFigures(lost=value.lost, refused=value.refused, pushes=value.pushes)
        ),
    ),
    "nats_up": MergeRule(lambda values: None if None in values else all(values)),
    "money_fen": COUNTERS,
    "figures": FIRST,
    "loop_lag_ms": HIGHEST,
    "rss_bytes": SUM,
    "stores": MergeRule(stores),
    "audit": MergeRule(latest),
    "audit_fault": MergeRule(latest),
    "connections_max": SUM,
    "loop_failures": COUNTERS,
    "failing_loops": MergeRule(lambda values: {name: why for one in reversed(values) for name, why in one.items()}),
    "lost_counts": COUNTER,
}


class Ended:
    """What stays of the processes of workers that have ended."""

    def __init__(self) -> None:
        self._stays: dict[str, Any] = {}

    def add(self, last: Sample) -> None:
        """A process has ended; `last` is its last sample."""
        for name, rule in RULES.items():
            if rule.stays is not None:
                value = rule.stays(getattr(last, name))
                self._stays[name] = rule.merge([self._stays[name], value]) if name in self._stays else value

    def of(self, name: str) -> list[Any]:
        """The value of a field, if anything stays of it."""
        return [self._stays[name]] if name in self._stays else []


def merged(samples: Sequence[Sample], ended: Ended) -> Sample:
    """The sample of the server. `samples`: of the processes that live, at least one."""
    return Sample(
        **{
            name: rule.merge([*(getattr(sample, name) for sample in samples), *ended.of(name)])
            for name, rule in RULES.items()
        }
    )
