"""Outcomes: summarized from operations, merged, and unchanged by the transfer between processes."""

from __future__ import annotations

import msgspec
import pytest

from bench.load.generator import DECODER
from bench.load.outcome import AckedClaim, AckedSend, Acknowledgements, Outcome, merged, moment_of_share, summarize
from client_sim.sim.histogram import Histogram
from protocol import messages


def test_warm_up_counts_neither_for_the_rate_nor_for_the_latencies() -> None:
    outcome = Outcome(begin_s=1.0)
    starts_s = [0.0, 0.5, 1.5, 2.0, 2.9]
    ends_s = [0.9, 1.4, 1.52, 2.03, 3.4]  # the second began in the warm-up and ended after it
    summarize(outcome, starts_s, ends_s, [True, True, True, False, True], end_s=3.0)
    assert (outcome.operations, outcome.counted, outcome.rate_per_s) == (5, 2, 1.0)
    assert outcome.histogram.count == 3
    assert outcome.histogram.percentile(50) == pytest.approx(30.0, rel=0.001)
    assert outcome.histogram.most_ms == pytest.approx(500.0, rel=0.001)  # the end after the last second is in
    assert {second: one.completed for second, one in outcome.series.items()} == {0: 1, 1: 2, 2: 1, 3: 1}


def test_moment_of_share_is_the_end_of_the_last_operation_in_it() -> None:
    assert moment_of_share([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 0.3) == 0.3
    assert moment_of_share([0.1] * 9, 0.1) == 0.0
    assert moment_of_share([], 0.1) == 0.0


def outcome_of(user_id: int, *latencies_ms: float) -> Outcome:
    outcome = Outcome(connections=10, begin_s=0.5, answers={"won": 2}, errors={"rate_limited": 1}, pushes=3)
    starts_s = [1.0 + number for number in range(len(latencies_ms))]
    ends_s = [start + took / 1000 for start, took in zip(starts_s, latencies_ms, strict=True)]
    summarize(outcome, starts_s, ends_s, [True] * len(starts_s), end_s=ends_s[-1])
    outcome.claims = [AckedClaim(7, user_id, 0, 55)]
    outcome.sends = [AckedSend(2**62 + user_id, user_id, 500)]
    outcome.extra = {"deliveries_per_s": 10.5}
    outcome.spreads = {"last_won_ms": Histogram.of(latencies_ms).encoded()}
    return outcome


def test_merged_outcomes_equal_one_generator_with_all_operations() -> None:
    first, second = outcome_of(2**52, 10.0, 20.0), outcome_of(9, 30.0, 40.0, 50.0)
    both = merged([DECODER.decode(msgspec.json.encode(one)) for one in (first, second)])
    assert (both.connections, both.operations, both.counted, both.pushes) == (20, 5, 5, 6)
    assert (both.begin_s, both.end_s) == (0.5, 3.05)
    assert both.rate_per_s == pytest.approx(5 / 2.55)
    assert (both.answers, both.errors) == ({"won": 4}, {"rate_limited": 2})
    assert both.histogram.count == 5
    assert both.histogram.percentile(50) == pytest.approx(30.0, rel=0.001)
    assert {second: one.completed for second, one in both.series.items()} == {1: 2, 2: 2, 3: 1}
    assert Histogram.decoded(both.series[2].latency).most_ms == pytest.approx(40.0, rel=0.001)
    assert both.claims == [AckedClaim(7, 2**52, 0, 55), AckedClaim(7, 9, 0, 55)]
    assert [one.packet_id for one in both.sends] == [2**62 + 2**52, 2**62 + 9]
    assert both.extra == {"deliveries_per_s": 21.0}
    assert Histogram.decoded(both.spreads["last_won_ms"]).count == 5


def test_merged_single_outcome_is_unchanged() -> None:
    alone = outcome_of(9, 30.0, 40.0)
    assert merged([alone]) == alone


def test_empty_outcome_has_rate_zero() -> None:
    nothing = merged([Outcome()])
    assert (nothing.rate_per_s, nothing.histogram.count, nothing.in_doubt) == (0.0, 0, 0)


def test_acknowledgements_keep_answers_and_count_contradictions() -> None:
    acknowledged = Acknowledgements()
    assert acknowledged.add(1, messages.Grabbed(1, 70, "gone")) == "gone"
    assert acknowledged.add(1, messages.Opened(1, 71, "won", 30, 2, 4)) == "won"
    assert acknowledged.add(1, messages.Grabbed(2, 71, "claimed", amount_fen=30, index=2)) == "claimed"
    assert acknowledged.add(2, messages.PacketSent(1, 72, 500, b"", 0)) == "sent"
    assert acknowledged.add(2, messages.Refused(2, 102, "rate_limited", True, 5)) == ""
    assert acknowledged.add(2, messages.Said(3, 5, 1)) == "said"
    assert acknowledged.acked_twice == 0
    acknowledged.add(1, messages.Opened(3, 71, "won", 30, 2, 4))  # again
    acknowledged.add(1, messages.Grabbed(4, 71, "claimed", amount_fen=31, index=2))  # another amount
    acknowledged.add(3, messages.PacketSent(1, 72, 500, b"", 0))  # a packet of another sender
    outcome = Outcome()
    acknowledged.copy_to(outcome)
    assert outcome.claims == [AckedClaim(71, 1, 2, 30)]
    assert outcome.sends == [AckedSend(72, 3, 500)]
    assert outcome.acked_twice == 3
    assert outcome.answers == {"gone": 1, "won": 2, "claimed": 2, "sent": 2, "said": 1}
    assert outcome.errors == {"rate_limited": 1}
