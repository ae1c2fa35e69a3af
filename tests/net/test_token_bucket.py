"""The token bucket: a burst, then a rate, and never more tokens than the burst."""

from __future__ import annotations

from server.net.token_bucket import TokenBucket

RATE = (2.0, 3.0)  # tokens per second, burst


def test_bucket_allows_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(3.0, 0.0)
    assert [bucket.take(0.0, *RATE) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(0.25, *RATE) == 0.25
    assert bucket.take(0.5, *RATE) == 0.0
    assert bucket.take(0.5, *RATE) == 0.5


def test_tokens_of_many_requests_are_taken_at_once_as_many_as_there_are() -> None:
    bucket = TokenBucket(3.0, 0.0)
    assert [bucket.take_up_to(2, 0.0, *RATE) for _ in range(3)] == [2, 1, 0]
    assert bucket.take(0.0, *RATE) == 0.5
    assert bucket.take_up_to(2, 0.75, *RATE) == 1
    assert bucket.take(0.75, *RATE) == 0.25  # the half that was left
    assert bucket.take_up_to(9, 1e6, *RATE) == 3


def test_bucket_holds_no_more_than_the_burst() -> None:
    bucket = TokenBucket(3.0, 0.0)
    assert [bucket.take(1e6, *RATE) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_charge_empties_the_bucket_but_not_below_zero() -> None:
    bucket = TokenBucket(3.0, 0.0)
    assert bucket.is_full(0.0, *RATE)
    for _ in range(9):
        bucket.charge(0.0, *RATE)
    assert bucket.is_empty(0.0, *RATE)
    assert bucket.is_empty(0.49, *RATE)
    assert not bucket.is_empty(0.5, *RATE)
    assert not bucket.is_full(1.49, *RATE)
    assert bucket.is_full(1.5, *RATE)


def test_changed_rate_applies_from_the_next_take() -> None:
    bucket = TokenBucket(3.0, 0.0)
    assert bucket.take(0.0, 2.0, 1.0) == 0.0
    assert bucket.take(0.0, 4.0, 1.0) == 0.25
