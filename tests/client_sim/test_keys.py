"""Idempotency keys: an unknown outcome keeps its key, a known one does not."""

from __future__ import annotations

from client_sim.sdk.idempotency_keys import IdempotencyKeys


def test_every_request_has_a_key_of_its_own() -> None:
    keys = IdempotencyKeys()
    assert len({keys.take("8.88 to the group") for _ in range(100)}) == 100


def test_the_next_try_of_the_same_content_has_the_same_key() -> None:
    keys = IdempotencyKeys()
    key = keys.take("8.88 to the group")
    keys.keep("8.88 to the group", key)
    assert keys.take("6.66 to the group") != key
    assert keys.take("8.88 to the group") == key
    assert keys.take("8.88 to the group") != key, "one outcome that is unknown, one try"


def test_equal_sends_that_are_both_unknown_stay_two() -> None:
    keys = IdempotencyKeys()
    first, second = keys.take("8.88"), keys.take("8.88")
    keys.keep("8.88", first)
    keys.keep("8.88", second)
    assert [keys.take("8.88"), keys.take("8.88")] == [first, second]
