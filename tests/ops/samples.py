"""Samples with literal values."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from server.core.latency import Histogram, Latencies
from server.ops.samples.sample import Sample, StoreState, WorkerRow
from server.ops.samples.sampler import Sampler

EMPTY = Sample(
    at_ms=1_700_000_000_000,
    clock_s=1000.0,
    started_at_ms=1_699_999_990_000,
    state="serving",
    durability="postgres",
    connections=0,
    users_online=0,
    accepted=0,
    closes={"ping_timeout": 0, "login_refused": 0},
    slow_readers=0,
    requests={"grab": 0, "open": 0, "send_packet": 0},
    refusals={"overloaded": 0, "rate_limited": 0},
    answers={"won": 0, "gone": 0},
    pushes=0,
    open_ms=Latencies(),
    redis_ms=Latencies(),
    postgres_ms=Latencies(),
    batches=0,
    claims=0,
    rejected=0,
    redriven=0,
    unrecorded=0,
    live_packets=0,
    other_servers=0,
    current=True,
    hottest=(),
    settled=0,
    refunded_packets=0,
    sends=0,
    money_fen={"topped_up": 0, "withdrawn": 0, "sent": 0, "claimed": 0, "refunded": 0},
    figures=None,
    loop_lag_ms=0.0,
    rss_bytes=50_000_000,
    stores={
        "postgres": StoreState(True, 1_699_999_990_000),
        "redis": StoreState(True, 1_699_999_990_000),
    },
    audit=None,
)


WORKERS = [
    WorkerRow(
        worker=0,
        state="serving",
        pid=71,
        up_s=3_725.0,
        connections=1_234,
        loop_lag_ms=12.5,
        rss_bytes=66_060_288,
        links=3,
        ends=0,
    ),
    WorkerRow(
        worker=1,
        state="given up",
        pid=None,
        up_s=0.0,
        connections=0,
        loop_lag_ms=0.0,
        rss_bytes=0,
        links=0,
        ends=5,
        why="signal 9",
    ),
]


def sample(**changes: Any) -> Sample:
    """The empty sample with changes."""
    return replace(EMPTY, **changes)


class FixedSampler(Sampler):
    """Returns the samples that a test appends to its list, and takes none itself."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = samples

    @property
    def newest(self) -> Sample:
        return self.samples[-1]

    @property
    def fresh(self) -> Sample:
        return self.newest

    def last(self, seconds: int) -> list[Sample]:
        return self.samples[-seconds - 1 :]


def latencies(*all_ms: float) -> Latencies:
    """These, counted."""
    histogram = Histogram()
    for ms in all_ms:
        histogram.add(ms)
    return histogram.so_far()
