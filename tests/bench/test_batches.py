"""What a server does at once, between two looks at its counters."""

from __future__ import annotations

from pathlib import Path

from bench.load.batches import WorkState, work_state

BEFORE = WorkState(100, 50, 30, 3, 10, 40, 4)


def test_sizes_are_those_of_what_was_done_between_two_looks() -> None:
    after = WorkState(requests=400, reads=100, claims=230, batches=8, forwarded=235, messages=490, frames=94)
    assert after.since(BEFORE).sizes == {
        "requests_per_read": 6.0,
        "claims_per_batch": 40.0,
        "messages_per_frame": 5.0,
        "forwarded_part": 0.75,
    }


def test_sizes_of_nothing_are_zero() -> None:
    assert set(BEFORE.since(BEFORE).sizes.values()) == {0.0}


async def test_server_that_does_not_answer_is_not_known(tmp_path: Path) -> None:
    assert await work_state(tmp_path / "none") is None
    assert await work_state(None) is None
