"""What was measured and told: reckoned from turns, merged, and the same after a journey between processes."""

from __future__ import annotations

import msgspec
import pytest

from bench.load.generator import LINE
from bench.load.outcome import Outcome, Told, ToldClaim, ToldSend, after, merged, reckon
from client_sim.sim.histogram import Histogram
from protocol import messages


def test_the_warm_up_counts_neither_for_the_rate_nor_for_the_latencies() -> None:
    outcome = Outcome(begin_s=1.0)
    starts_s = [0.0, 0.5, 1.5, 2.0, 2.9]
    ends_s = [0.9, 1.4, 1.52, 2.03, 3.4]  # the second began in the warm-up and ended after it
    reckon(outcome, starts_s, ends_s, [True, True, True, False, True], end_s=3.0)
    assert (outcome.turns, outcome.counted, outcome.rate_per_s) == (5, 2, 1.0)
    assert outcome.histogram.count == 3
    assert outcome.histogram.percentile(50) == pytest.approx(30.0, rel=0.001)
    assert outcome.histogram.most_ms == pytest.approx(500.0, rel=0.001)  # the end after the last second is in
    assert {second: one.completed for second, one in outcome.series.items()} == {0: 1, 1: 2, 2: 1, 3: 1}


def test_a_share_of_the_turns_has_ended_at() -> None:
    assert after([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 0.3) == 0.3
    assert after([0.1] * 9, 0.1) == 0.0
    assert after([], 0.1) == 0.0


def outcome_of(user_id: int, *latencies_ms: float) -> Outcome:
    outcome = Outcome(connections=10, begin_s=0.5, answers={"won": 2}, errors={"rate_limited": 1}, pushes=3)
    starts_s = [1.0 + number for number in range(len(latencies_ms))]
    ends_s = [start + took / 1000 for start, took in zip(starts_s, latencies_ms, strict=True)]
    reckon(outcome, starts_s, ends_s, [True] * len(starts_s), end_s=ends_s[-1])
    outcome.claims = [ToldClaim(7, user_id, 0, 55)]
    outcome.sends = [ToldSend(2**62 + user_id, user_id, 500)]
    outcome.extra = {"deliveries_per_s": 10.5}
    outcome.spreads = {"last_won_ms": Histogram.of(latencies_ms).encoded()}
    return outcome


def test_merged_is_as_if_one_generator_had_seen_it_all() -> None:
    first, second = outcome_of(2**52, 10.0, 20.0), outcome_of(9, 30.0, 40.0, 50.0)
    both = merged([LINE.decode(msgspec.json.encode(one)) for one in (first, second)])
    assert (both.connections, both.turns, both.counted, both.pushes) == (20, 5, 5, 6)
    assert (both.begin_s, both.end_s) == (0.5, 3.05)
    assert both.rate_per_s == pytest.approx(5 / 2.55)
    assert (both.answers, both.errors) == ({"won": 4}, {"rate_limited": 2})
    assert both.histogram.count == 5
    assert both.histogram.percentile(50) == pytest.approx(30.0, rel=0.001)
    assert {second: one.completed for second, one in both.series.items()} == {1: 2, 2: 2, 3: 1}
    assert Histogram.decoded(both.series[2].latency).most_ms == pytest.approx(40.0, rel=0.001)
    assert both.claims == [ToldClaim(7, 2**52, 0, 55), ToldClaim(7, 9, 0, 55)]
    assert [one.packet_id for one in both.sends] == [2**62 + 2**52, 2**62 + 9]
    assert both.extra == {"deliveries_per_s": 21.0}
    assert Histogram.decoded(both.spreads["last_won_ms"]).count == 5


def test_one_alone_is_itself() -> None:
    alone = outcome_of(9, 30.0, 40.0)
    assert merged([alone]) == alone


def test_nothing_measured_is_no_rate() -> None:
    nothing = merged([Outcome()])
    assert (nothing.rate_per_s, nothing.histogram.count, nothing.in_doubt) == (0.0, 0, 0)


def test_what_users_were_told_is_kept_and_contradictions_are_counted() -> None:
    told = Told()
    assert told.note(1, messages.Grabbed(1, 70, "gone")) == "gone"
    assert told.note(1, messages.Opened(1, 71, "won", 30, 2, 4)) == "won"
    assert told.note(1, messages.Grabbed(2, 71, "claimed", amount_fen=30, index=2)) == "claimed"
    assert told.note(2, messages.PacketSent(1, 72, 500, b"", 0)) == "sent"
    assert told.note(2, messages.Refused(2, 102, "rate_limited", True, 5)) == ""
    assert told.note(2, messages.Said(3, 5, 1)) == "said"
    assert told.told_twice == 0
    told.note(1, messages.Opened(3, 71, "won", 30, 2, 4))  # again
    told.note(1, messages.Grabbed(4, 71, "claimed", amount_fen=31, index=2))  # another amount
    told.note(3, messages.PacketSent(1, 72, 500, b"", 0))  # a packet that somebody else sent
    outcome = Outcome()
    told.into(outcome)
    assert outcome.claims == [ToldClaim(71, 1, 2, 30)]
    assert outcome.sends == [ToldSend(72, 3, 500)]
    assert outcome.told_twice == 3
    assert outcome.answers == {"gone": 1, "won": 2, "claimed": 2, "sent": 2, "said": 1}
    assert outcome.errors == {"rate_limited": 1}
