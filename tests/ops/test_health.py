"""Whether traffic may come, from literal samples."""

from __future__ import annotations

import pytest

from server.ops.health import Health, health
from server.ops.samples.sample import Figures, StoreState
from tests.ops.samples import EMPTY, sample

UP = StoreState(True, 1)
AWAY = StoreState(False, 2, "gone fishing")


def test_all_is_well() -> None:
    assert health(EMPTY, 60) == Health([], [])
    assert health(EMPTY, 60).ready


@pytest.mark.parametrize("state", ["starting", "draining"])
def test_only_a_server_that_serves_is_ready(state: str) -> None:
    assert health(sample(state=state), 60) == Health([f"the server is {state}"], [])
    assert not health(sample(state=state), 60).ready


@pytest.mark.parametrize(
    ("durability", "away", "reasons", "degraded"),
    [
        ("postgres", "postgres", ["postgres is away: gone fishing"], []),
        ("postgres", "redis", [], ["redis is away: gone fishing"]),
        ("redis", "postgres", ["postgres is away: gone fishing"], []),
        ("redis", "redis", ["redis is away: gone fishing"], []),
    ],
)
def test_stores_that_a_win_needs_are_needed(
    durability: str, away: str, reasons: list[str], degraded: list[str]
) -> None:
    stores = {"postgres": UP, "redis": UP} | {away: AWAY}
    assert health(sample(durability=durability, stores=stores), 60) == Health(reasons, degraded)


@pytest.mark.parametrize(
    ("oldest_ms", "ready"), [(None, True), (EMPTY.at_ms - 60_000, True), (EMPTY.at_ms - 60_001, False)]
)
def test_a_backlog_may_be_so_old(oldest_ms: int | None, ready: bool) -> None:
    found = health(sample(figures=Figures(3, 300, oldest_ms, 0)), 60)
    assert found.ready is ready
    assert found.reasons == ([] if ready else ["a claim has waited 60 s for its credit, allowed are 60"])


def test_a_clock_that_was_set_back_is_no_backlog() -> None:
    assert sample(figures=Figures(1, 100, EMPTY.at_ms + 5_000, 0)).backlog_age_s == 0
