"""Idempotency keys: a request with an unknown outcome keeps its key."""

from __future__ import annotations

from client_sim.sdk.idempotency_keys import IdempotencyKeys


def test_keys_of_new_requests_are_all_different() -> None:
    keys = IdempotencyKeys()
    assert len({keys.take("8.88 to the group") for _ in range(100)}) == 100


def test_key_of_an_unknown_outcome_is_taken_once_by_the_same_content() -> None:
    keys = IdempotencyKeys()
    key = keys.take("8.88 to the group")
    keys.keep("8.88 to the group", key)
    assert keys.take("6.66 to the group") != key
    assert keys.take("8.88 to the group") == key
    assert keys.take("8.88 to the group") != key, "one unknown outcome gives its key to one retry"


def test_keys_of_two_equal_requests_with_unknown_outcomes_are_both_kept() -> None:
    keys = IdempotencyKeys()
    first, second = keys.take("8.88"), keys.take("8.88")
    keys.keep("8.88", first)
    keys.keep("8.88", second)
    assert [keys.take("8.88"), keys.take("8.88")] == [first, second]
