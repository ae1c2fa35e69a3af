"""The newest sample in the text format of Prometheus. Nothing is counted here: no request pays for metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from protocol.money_unit import MoneyUnit
from server.core.latency import BOUNDS_MS, Latencies
from server.ops.metric_tables import (
    BUILD_INFO,
    COUNTERS,
    COUNTERS_BY,
    COUNTERS_BY_TWO,
    GAUGES,
    GAUGES_BY,
    HISTOGRAM_LABELS,
    HISTOGRAMS,
    MONEY_UNIT,
    OF_WORKERS,
    PREFIX,
    WORKER_ENDS,
)
from server.ops.samples.sample import Sample, WorkerRow
from server.ops.samples.sampler import Sampler

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS: Final = [*(str(ms / 1000) for ms in BOUNDS_MS), "+Inf"]


class Metrics(Collector):
    """Turns the newest sample into metric families. A value that is not known yet is left out."""

    def __init__(
        self,
        sampler: Sampler,
        version: str,
        money: MoneyUnit,
        workers: Callable[[], list[WorkerRow]] = list,
    ) -> None:
        self._sampler = sampler
        self._workers = workers
        self._money = money
        self._version = version
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The answer to a scrape."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry for each scrape."""
        now = self._sampler.fresh
        smallest = self._money.smallest
        yield from _counters(now, smallest)
        yield from _gauges(now, smallest)
        yield from _histograms(now)
        yield from _of_workers(self._workers())
        build = GaugeMetricFamily(
            PREFIX + BUILD_INFO,
            "version and durability of the server; the value is always 1",
            labels=["version", "durability"],
        )
        build.add_metric([self._version, now.durability], 1)
        yield build
        one = f"what one of {self._money.en} is in {smallest}: divide by it to show amounts"
        yield GaugeMetricFamily(PREFIX + MONEY_UNIT, one, value=10**self._money.decimals)


def _counters(now: Sample, smallest: str) -> Iterator[Metric]:
    for name, (help_text, value) in COUNTERS.items():
        yield CounterMetricFamily(PREFIX + name, help_text, value=value(now))
    for name, (help_text, label, values) in COUNTERS_BY.items():
        family = CounterMetricFamily(PREFIX + name, help_text.format(smallest=smallest), labels=[label])
        for label_value, count in values(now).items():
            family.add_metric([label_value], count)
        yield family
    for name, (help_text, labels, counts_by) in COUNTERS_BY_TWO.items():
        family = CounterMetricFamily(PREFIX + name, help_text, labels=labels)
        for first, counts in counts_by(now).items():
            for second, count in counts.items():
                family.add_metric([first, second], count)
        yield family


def _gauges(now: Sample, smallest: str) -> Iterator[Metric]:
    for name, (help_text, value) in GAUGES.items():
        number = value(now)
        if number is not None:
            yield GaugeMetricFamily(PREFIX + name, help_text.format(smallest=smallest), value=number)
    for name, (help_text, label, values) in GAUGES_BY.items():
        family = GaugeMetricFamily(PREFIX + name, help_text, labels=[label])
        for label_value, number in values(now).items():
            family.add_metric([label_value], number)
        yield family


def _of_workers(rows: list[WorkerRow]) -> Iterator[Metric]:
    """What differs between workers; everything else is told for the server as a whole."""
    if not rows:
        return
    for name, (help_text, value) in OF_WORKERS.items():
        family = GaugeMetricFamily(PREFIX + name, help_text, labels=["worker"])
        for row in rows:
            family.add_metric([str(row.worker)], value(row))
        yield family
    ends = CounterMetricFamily(
        PREFIX + WORKER_ENDS, "how often the worker ended without being told to", labels=["worker"]
    )
    for row in rows:
        ends.add_metric([str(row.worker)], row.ends)
    yield ends


def _histograms(now: Sample) -> Iterator[Metric]:
    for name, (help_text, values) in HISTOGRAMS.items():
        family = HistogramMetricFamily(PREFIX + name, help_text, labels=HISTOGRAM_LABELS[name])
        for label_value, latencies in values(now).items():
            family.add_metric([label_value] if label_value else [], _cumulative(latencies), latencies.sum_ms / 1000)
        yield family


def _cumulative(latencies: Latencies) -> list[tuple[str, float]]:
    seen, buckets = 0, []
    for bound, count in zip(_BOUNDS, latencies.counts, strict=True):
        seen += count
        buckets.append((bound, float(seen)))
    return buckets
