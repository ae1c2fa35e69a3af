"""The time of the database, carried between probes: small differences are slewed, jumps are held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.carried_time import CONFIRM_S, GAP_S, CarriedTime, TimeProbe

BEGIN_MS = 1_800_000_000_000.0
HOURS_25_MS = 25 * 3_600_000.0
PROBE_S = 2.0


class Clocks:
    """The clock that carries, and the two that may be set; a probe every two seconds."""

    def __init__(self, *, database_ms: float = 0.0, local_ms: float = 0.0) -> None:
        self.now_s, self.database_ms, self.local_ms = 100.0, database_ms, local_ms
        self.time = CarriedTime(self.true_ms + local_ms, self.now_s)
        self.probe()

    @property
    def true_ms(self) -> float:
        return BEGIN_MS + self.now_s * 1000

    def probe(self, round_trip_s: float = 0.0) -> None:
        asked_s = self.now_s
        self.now_s += round_trip_s
        database_ms = self.true_ms - round_trip_s * 500 + self.database_ms
        probe = TimeProbe(database_ms, asked_s, self.now_s, self.true_ms + self.local_ms)
        self.time.probed(probe, self.now_s)

    def live(self, for_s: float) -> None:
        for _ in range(round(for_s / PROBE_S)):
            self.now_s += PROBE_S
            self.probe()

    @property
    def off_ms(self) -> float:
        return self.time.at(self.now_s) - self.true_ms


def test_first_probe_replaces_the_clock_of_the_machine() -> None:
    clocks = Clocks(local_ms=HOURS_25_MS)
    assert clocks.off_ms == 0.0
    assert clocks.time.local_ahead_ms == HOURS_25_MS


def test_jump_of_the_database_ahead_is_held_and_forgotten_when_it_is_over() -> None:
    clocks = Clocks()
    clocks.database_ms = HOURS_25_MS
    clocks.live(4.0)
    assert (clocks.off_ms, clocks.time.jump_ms) == (0.0, HOURS_25_MS)
    clocks.database_ms = 0.0
    clocks.live(2.0)
    assert (clocks.off_ms, clocks.time.jump_ms) == (0.0, 0.0)


@pytest.mark.parametrize("jump_ms", [HOURS_25_MS, -HOURS_25_MS, 5_000.0, -5_000.0])
def test_jump_is_accepted_when_all_probes_confirmed_it_for_long(jump_ms: float) -> None:
    clocks = Clocks()
    clocks.database_ms = jump_ms
    clocks.live(CONFIRM_S)
    assert clocks.off_ms == 0.0
    clocks.live(PROBE_S)
    assert (clocks.off_ms, clocks.time.jump_ms) == (jump_ms, 0.0)


def test_jump_of_both_clocks_is_held_too() -> None:
    """A database on the same machine: both follow the same wrong source."""
    clocks = Clocks()
    clocks.database_ms = clocks.local_ms = HOURS_25_MS
    clocks.live(CONFIRM_S / 2)
    assert clocks.off_ms == 0.0


def test_another_jump_begins_the_confirmation_again() -> None:
    clocks = Clocks()
    clocks.database_ms = HOURS_25_MS
    clocks.live(CONFIRM_S)
    clocks.database_ms = HOURS_25_MS + 3_000
    clocks.live(CONFIRM_S)
    assert clocks.off_ms == 0.0


def test_time_without_probes_confirms_nothing() -> None:
    clocks = Clocks()
    clocks.database_ms = HOURS_25_MS
    clocks.live(PROBE_S)
    clocks.now_s += max(CONFIRM_S, GAP_S + 1)
    clocks.probe()
    assert clocks.off_ms == 0.0


@pytest.mark.parametrize("off_ms", [800.0, -800.0])
def test_small_difference_is_slewed(off_ms: float) -> None:
    clocks = Clocks()
    clocks.database_ms = off_ms
    clocks.live(10.0)
    assert 0 < abs(clocks.off_ms) < abs(off_ms)
    clocks.live(10.0)
    assert clocks.off_ms == pytest.approx(off_ms, abs=1.0)
    assert clocks.time.jump_ms == 0.0


def test_slow_answer_that_leaves_the_time_possible_changes_nothing() -> None:
    clocks = Clocks()
    for round_trip_s in (0.001, 1.5, 0.3):
        clocks.probe(round_trip_s)
    assert clocks.off_ms == 0.0


@given(
    steps=st.lists(
        st.tuples(st.one_of(st.floats(-900, 900), st.floats(-1e8, 1e8)), st.floats(0.0, 3.0), st.floats(0.0, 5.0)),
        max_size=30,
    )
)
def test_time_never_goes_back_before_a_jump_is_accepted(steps: list[tuple[float, float, float]]) -> None:
    clocks, seen_ms = Clocks(), BEGIN_MS
    for database_ms, round_trip_s, wait_s in steps:
        clocks.database_ms = database_ms
        clocks.probe(round_trip_s)
        for _ in range(3):
            now_ms = clocks.time.at(clocks.now_s)
            assert now_ms >= seen_ms - 1e-3
            seen_ms = now_ms
            clocks.now_s += wait_s / 3


def test_time_of_the_start_is_confirmed_if_both_clocks_agree() -> None:
    assert Clocks(database_ms=HOURS_25_MS, local_ms=HOURS_25_MS).time.is_confirmed
    assert not Clocks(database_ms=HOURS_25_MS).time.is_confirmed


def test_time_of_the_start_is_confirmed_by_the_database_alone_after_long() -> None:
    clocks = Clocks(local_ms=-HOURS_25_MS)
    clocks.live(CONFIRM_S - PROBE_S)
    assert not clocks.time.is_confirmed
    clocks.live(PROBE_S)
    assert clocks.time.is_confirmed


def test_wrong_time_of_the_start_gives_way_as_soon_as_both_clocks_agree() -> None:
    clocks = Clocks(database_ms=HOURS_25_MS)
    clocks.database_ms = 0.0
    clocks.live(PROBE_S)
    assert (clocks.off_ms, clocks.time.is_confirmed) == (0.0, True)
