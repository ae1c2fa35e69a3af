"""Readiness, judged from literal samples."""

from __future__ import annotations

import pytest

from server.ops.health import Health, health
from server.ops.samples.sample import Figures, StoreState
from tests.ops.samples import EMPTY, sample

UP = StoreState(True, 1)
AWAY = StoreState(False, 2, "connection refused")


def test_serving_server_with_both_stores_is_ready() -> None:
    assert health(EMPTY, 60) == Health([], [])
    assert health(EMPTY, 60).ready


@pytest.mark.parametrize("state", ["starting", "draining"])
def test_server_that_is_not_serving_is_not_ready(state: str) -> None:
    assert health(sample(state=state), 60) == Health([f"the server is {state}"], [])
    assert not health(sample(state=state), 60).ready


def test_server_that_may_not_know_the_newest_changes_is_not_ready() -> None:
    assert health(sample(current=False), 60).reasons == [
        "the server may not know the newest changes of other servers"
    ]


def test_clock_that_is_wrong_degrades_a_server_that_stays_ready() -> None:
    assert health(sample(clock_faults=("the clock of the database has jumped",)), 60) == Health(
        [], ["the clock of the database has jumped"]
    )


@pytest.mark.parametrize(
    ("durability", "away", "reasons", "degraded"),
    [
        ("postgres", "postgres", ["postgres is away: connection refused"], []),
        ("postgres", "redis", [], ["redis is away: connection refused"]),
        ("redis", "postgres", ["postgres is away: connection refused"], []),
        ("redis", "redis", ["redis is away: connection refused"], []),
    ],
)
def test_store_is_needed_by_durability(durability: str, away: str, reasons: list[str], degraded: list[str]) -> None:
    stores = {"postgres": UP, "redis": UP} | {away: AWAY}
    assert health(sample(durability=durability, stores=stores), 60) == Health(reasons, degraded)


@pytest.mark.parametrize(
    ("oldest_ms", "ready"), [(None, True), (EMPTY.at_ms - 60_000, True), (EMPTY.at_ms - 60_001, False)]
)
def test_old_backlog_makes_the_server_not_ready(oldest_ms: int | None, ready: bool) -> None:
    found = health(sample(figures=Figures(3, 300, oldest_ms, 0)), 60)
    assert found.ready is ready
    assert found.reasons == ([] if ready else ["a claim has waited 60 s to be credited, the limit is 60 s"])


def test_backlog_age_is_zero_when_the_clock_was_set_back() -> None:
    assert sample(figures=Figures(1, 100, EMPTY.at_ms + 5_000, 0)).backlog_age_s == 0
