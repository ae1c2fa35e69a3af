"""The table of states and evidence: payments end once, and only with proof."""

from __future__ import annotations

import pytest

from server.core.payments import BACKOFF_MS, ENDED, OPEN, PaymentState, Step, Verdict, is_new, step, wait_ms


@pytest.mark.parametrize("before", OPEN)
def test_open_payment_ends_only_with_a_definite_answer(before: PaymentState) -> None:
    assert {verdict: step(before, verdict) for verdict in Verdict} == {
        Verdict.SUBMITTED: Step(PaymentState.SUBMITTED),
        Verdict.SUCCEEDED: Step(PaymentState.SUCCEEDED, ends=True),
        Verdict.FAILED: Step(PaymentState.FAILED, ends=True),
        Verdict.NOT_FOUND: Step(PaymentState.UNKNOWN),
        Verdict.UNKNOWN: Step(PaymentState.UNKNOWN),
        Verdict.CONTRADICTORY: Step(PaymentState.UNKNOWN, is_break=True),
    }
    assert all(is_new(before, verdict) for verdict in Verdict)


def test_payment_that_has_ended_stays_and_names_what_contradicts_it() -> None:
    breaks = {before: {one for one in Verdict if step(before, one).is_break} for before in ENDED}
    assert breaks == {
        PaymentState.SUCCEEDED: {Verdict.FAILED, Verdict.CONTRADICTORY},
        PaymentState.FAILED: {Verdict.SUCCEEDED, Verdict.CONTRADICTORY},
    }
    for before in ENDED:
        assert {step(before, one).state for one in Verdict} == {before}
        assert not any(step(before, one).ends for one in Verdict)
        assert {one for one in Verdict if is_new(before, one)} == breaks[before]


def test_waits_grow_to_a_quarter_of_an_hour_with_jitter() -> None:
    assert [wait_ms(attempts, 0.0) for attempts in (0, 1, 2, 100)] == [750, 750, 1_500, 675_000]
    assert wait_ms(100, 0.999999) <= BACKOFF_MS[-1]
