"""Rates, mean sizes and percentiles between two samples."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.core.latency import Latencies
from server.ops.samples.sample import Counts, Sample


class Percentiles(msgspec.Struct, frozen=True):
    """Of latencies, in ms; None if there were no latencies."""

    p50: float | None
    p99: float | None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """All counters per second, over the time between two samples."""

    seconds: float
    accepted_per_s: float
    requests_per_s: dict[str, float]
    answers_per_s: dict[str, float]
    refusals_per_s: dict[str, float]
    pushes_per_s: float
    wins_per_s: float
    sends_per_s: float
    settled_per_s: float
    money_fen_per_s: dict[str, float]
    batches_per_s: float
    claims_per_batch: float
    open_ms: Percentiles
    redis_ms: Percentiles
    postgres_ms: Percentiles
    loop_lag_ms: float  # the maximum
    requests_per_read: float = 0.0
    forwarded_per_s: float = 0.0
    served_per_s: float = 0.0  # for connections of other workers and servers
    peer_events_per_s: float = 0.0
    peer_frames_per_s: float = 0.0
    peer_bytes_per_s: float = 0.0
    messages_per_frame: float = 0.0


def rates(samples: list[Sample]) -> Rates:
    """From the first of these samples to the last; all zero if there is only one."""
    before, after = samples[0], samples[-1]
    seconds = after.clock_s - before.clock_s

    def per_s(was: int, now: int) -> float:
        return round((now - was) / seconds, 2) if seconds > 0 else 0.0

    def each_per_s(were: Counts, now: Counts) -> dict[str, float]:
        return {name: rate for name in now if (rate := per_s(were.get(name, 0), now[name]))}

    def mean(total: int, number: int) -> float:
        return round(total / number, 1) if number > 0 else 0.0

    answers, batches = each_per_s(before.answers, after.answers), after.batches - before.batches
    told, tells = before.peers, after.peers
    asked = sum(after.requests.values()) - sum(before.requests.values())
    return Rates(
        seconds=round(seconds, 3),
        accepted_per_s=per_s(before.accepted, after.accepted),
        requests_per_s=each_per_s(before.requests, after.requests),
        answers_per_s=answers,
        refusals_per_s=each_per_s(before.refusals, after.refusals),
        pushes_per_s=per_s(before.pushes, after.pushes),
        wins_per_s=answers.get("won", 0.0),
        sends_per_s=per_s(before.sends, after.sends),
        settled_per_s=per_s(before.settled, after.settled),
        money_fen_per_s=each_per_s(before.money_fen, after.money_fen),
        batches_per_s=per_s(before.batches, after.batches),
        claims_per_batch=mean(after.claims - before.claims, batches),
        open_ms=_percentiles(before.open_ms, after.open_ms),
        redis_ms=_percentiles(before.redis_ms, after.redis_ms),
        postgres_ms=_percentiles(before.postgres_ms, after.postgres_ms),
        loop_lag_ms=max(sample.loop_lag_ms for sample in samples[1:] or samples),
        requests_per_read=mean(asked, after.reads - before.reads),
        forwarded_per_s=per_s(told.forwarded, tells.forwarded),
        served_per_s=per_s(told.served, tells.served),
        peer_events_per_s=per_s(told.events, tells.events),
        peer_frames_per_s=per_s(told.frames, tells.frames),
        peer_bytes_per_s=per_s(told.bytes, tells.bytes),
        messages_per_frame=mean(tells.messages - told.messages, tells.frames - told.frames),
    )


def non_zero(counts: Mapping[str, int]) -> Counts:
    """The counts without zeros: most refusal reasons never occur."""
    return {name: count for name, count in counts.items() if count}


def _percentiles(before: Latencies, after: Latencies) -> Percentiles:
    between = after.since(before)
    return Percentiles(_rounded(between.within_ms(0.5)), _rounded(between.within_ms(0.99)))


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 2)
