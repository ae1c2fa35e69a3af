"""The newest sample as Prometheus reads it. Nothing is counted here, so nothing here is on anybody's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from server.core.latency import BOUNDS_MS, Latencies
from server.ops.samples.sample import Counts, Sample

PREFIX: Final = "hongbao_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS: Final = [*(str(ms / 1000) for ms in BOUNDS_MS), "+Inf"]

# name without the prefix: what it is, and how it is read off a sample; a counter's name gets _total behind it
COUNTERS: Final[dict[str, tuple[str, Callable[[Sample], float]]]] = {
    "pushes": ("messages pushed", lambda now: now.pushes),
    "batches": ("batches recorded", lambda now: now.batches),
    "claims": ("claims recorded", lambda now: now.claims),
    "claims_undone": ("claims that a store refused or did not answer for, decided again", lambda now: now.rejected),
    "claims_redriven": ("claims that only the mirror held, recorded", lambda now: now.redriven),
    "settled_claims": ("claims credited", lambda now: now.settled),
    "refunded_packets": ("packets of which something was paid back", lambda now: now.refunded_packets),
    "slow_readers": ("connections cut because they did not read", lambda now: now.slow_readers),
}
COUNTERS_BY: Final[dict[str, tuple[str, str, Callable[[Sample], Counts]]]] = {
    "requests": ("requests", "kind", lambda now: now.requests),
    "refusals": ("requests refused", "reason", lambda now: now.refusals),
    "answers": ("answers to grabs and opens", "answer", lambda now: now.answers),
    "closes": ("connections that the server ended", "reason", lambda now: now.closes),
    "money_fen": ("money moved, in fen", "flow", lambda now: now.money_fen),
}
GAUGES: Final[dict[str, tuple[str, Callable[[Sample], float | None]]]] = {
    "connections": ("connections", lambda now: now.connections),
    "users_online": ("users with a connection", lambda now: now.users_online),
    "unrecorded_claims": ("claims on their way to the record", lambda now: now.unrecorded),
    "settlement_backlog_claims": (
        "claims that wait for their credit",
        lambda now: None if now.figures is None else now.figures.backlog_claims,
    ),
    "settlement_backlog_age_seconds": ("how long the oldest of them has waited", lambda now: now.backlog_age_s),
    "in_packets_fen": (
        "unopened money in open packets, in fen",
        lambda now: None if now.figures is None else now.figures.in_packets_fen,
    ),
    "live_packets": ("packets in memory", lambda now: now.live_packets),
    "loop_lag_seconds": ("the event loop's worst lag of the last second", lambda now: now.loop_lag_ms / 1000),
    "resident_memory_bytes": ("resident memory", lambda now: now.rss_bytes),
    "draining": ("1 while the server finishes what was begun", lambda now: now.state == "draining"),
    "start_time_seconds": ("when the server started, since 1970", lambda now: now.started_at_ms / 1000),
    "audit_discrepancies": (
        "what the last audit that could be done found wrong",
        lambda now: None if now.audit is None else now.audit.discrepancies,
    ),
    "audit_last_run_timestamp_seconds": (
        "when that audit ended, since 1970",
        lambda now: None if now.audit is None else now.audit.at_ms / 1000,
    ),
}
GAUGES_BY: Final[dict[str, tuple[str, str, Callable[[Sample], Mapping[str, float]]]]] = {
    "store_up": (
        "1 while the store answers",
        "store",
        lambda now: {name: store.up for name, store in now.stores.items()},
    ),
}
HISTOGRAMS: Final[dict[str, tuple[str, Callable[[Sample], Mapping[str, Latencies]]]]] = {
    "open_seconds": ("opens that won, from arrival to answer", lambda now: {"": now.open_ms}),
    "batch_seconds": (
        "batches of claims at a store",
        lambda now: {"redis": now.redis_ms, "postgres": now.postgres_ms},
    ),
}
HISTOGRAM_LABELS: Final = {"open_seconds": [], "batch_seconds": ["store"]}
BUILD_INFO: Final = "build_info"

NAMES: Final[tuple[str, ...]] = (
    *(f"{PREFIX}{name}_total" for name in (*COUNTERS, *COUNTERS_BY)),
    *(PREFIX + name for name in (*GAUGES, *GAUGES_BY, *HISTOGRAMS, BUILD_INFO)),
)


class Metrics(Collector):
    """Tells a sample in Prometheus' words. What is not known yet is left out."""

    def __init__(self, newest: Callable[[], Sample], version: str) -> None:
        self._newest = newest
        self._version = version
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """What a scrape gets."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        now = self._newest()
        yield from _counters(now)
        yield from _gauges(now)
        yield from _histograms(now)
        build = GaugeMetricFamily(PREFIX + BUILD_INFO, "always 1", labels=["version", "durability"])
        build.add_metric([self._version, now.durability], 1)
        yield build


def _counters(now: Sample) -> Iterator[Metric]:
    for name, (meaning, value) in COUNTERS.items():
        yield CounterMetricFamily(PREFIX + name, meaning, value=value(now))
    for name, (meaning, label, values) in COUNTERS_BY.items():
        family = CounterMetricFamily(PREFIX + name, meaning, labels=[label])
        for which, count in values(now).items():
            family.add_metric([which], count)
        yield family


def _gauges(now: Sample) -> Iterator[Metric]:
    for name, (meaning, value) in GAUGES.items():
        known = value(now)
        if known is not None:
            yield GaugeMetricFamily(PREFIX + name, meaning, value=known)
    for name, (meaning, label, values) in GAUGES_BY.items():
        family = GaugeMetricFamily(PREFIX + name, meaning, labels=[label])
        for which, number in values(now).items():
            family.add_metric([which], number)
        yield family


def _histograms(now: Sample) -> Iterator[Metric]:
    for name, (meaning, values) in HISTOGRAMS.items():
        family = HistogramMetricFamily(PREFIX + name, meaning, labels=HISTOGRAM_LABELS[name])
        for which, latencies in values(now).items():
            family.add_metric([which] if which else [], _cumulative(latencies), latencies.sum_ms / 1000)
        yield family


def _cumulative(latencies: Latencies) -> list[tuple[str, float]]:
    seen, buckets = 0, []
    for bound, count in zip(_BOUNDS, latencies.counts, strict=True):
        seen += count
        buckets.append((bound, float(seen)))
    return buckets
