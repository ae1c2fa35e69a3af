"""Rates and percentiles between two samples with literal values."""

from __future__ import annotations

from server.ops.samples.rates import Percentiles, non_zero, rates
from server.ops.samples.sample import PeerFigures
from tests.ops.samples import EMPTY, latencies, sample

BEFORE = sample(
    requests={"grab": 100, "open": 50},
    answers={"won": 10, "gone": 3},
    open_ms=latencies(400, 400),
    batches=4,
    claims=40,
    pushes=7,
    reads=100,
    peers=PeerFigures(forwarded=10, served=20, events=30, frames=40, messages=400, bytes=5_000),
    money_fen={"sent": 1_000, "claimed": 600},
    loop_lag_ms=99.0,
)
AFTER = sample(
    clock_s=1010.0,
    accepted=5,
    requests={"grab": 100, "open": 75, "send_packet": 1},
    answers={"won": 30, "gone": 3},
    refusals={"overloaded": 4, "rate_limited": 0},
    open_ms=latencies(400, 400, *[4] * 98, 40, 400),
    postgres_ms=latencies(2, 2, 2, 2),
    batches=8,
    claims=70,
    pushes=1_007,
    reads=113,
    peers=PeerFigures(forwarded=15, served=40, events=60, frames=60, messages=500, bytes=9_000),
    sends=1,
    settled=20,
    money_fen={"sent": 1_500, "claimed": 600, "refunded": 30},
    loop_lag_ms=3.0,
)


def test_rates_are_counter_differences_per_second() -> None:
    found = rates([BEFORE, sample(clock_s=1005.0, loop_lag_ms=12.5), AFTER])
    assert found.seconds == 10
    assert found.requests_per_s == {"open": 2.5, "send_packet": 0.1}
    assert found.answers_per_s == {"won": 2.0}
    assert found.refusals_per_s == {"overloaded": 0.4}
    assert found.money_fen_per_s == {"sent": 50.0, "refunded": 3.0}
    assert (found.wins_per_s, found.pushes_per_s, found.sends_per_s) == (2.0, 100.0, 0.1)
    assert (found.settled_per_s, found.accepted_per_s) == (2.0, 0.5)
    assert (found.batches_per_s, found.claims_per_batch) == (0.4, 7.5)
    assert found.requests_per_read == 2.0  # 26 in 13
    assert (found.forwarded_per_s, found.served_per_s, found.peer_events_per_s) == (0.5, 2.0, 3.0)
    assert (found.peer_frames_per_s, found.peer_bytes_per_s, found.messages_per_frame) == (2.0, 400.0, 5.0)
    assert found.loop_lag_ms == 12.5  # the lag in the first sample is older


def test_percentiles_cover_only_the_latencies_between_two_samples() -> None:
    found = rates([BEFORE, AFTER])
    assert found.open_ms == Percentiles(4.02, 50.0)  # of 98 within 5 ms, one within 50, one within 500
    assert found.postgres_ms == Percentiles(1.5, 2.0)
    assert found.redis_ms == Percentiles(None, None)


def test_rates_of_one_sample_are_zero() -> None:
    found = rates([AFTER])
    assert (found.seconds, found.wins_per_s, found.claims_per_batch, found.requests_per_s) == (0, 0, 0, {})
    assert found.open_ms == Percentiles(None, None)
    assert found.loop_lag_ms == 3.0
    assert (found.requests_per_read, found.messages_per_frame) == (0, 0)


def test_non_zero_removes_counts_of_zero() -> None:
    assert non_zero(AFTER.refusals) == {"overloaded": 4}
    assert non_zero(EMPTY.refusals) == {}
