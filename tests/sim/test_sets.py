"""Worlds of two sets without a violation, crashes between the two commits of a credit, and each defect found."""

from __future__ import annotations

import pytest

from tests.sim.sets.defects import SETS_DEFECTS, SetsDefect
from tests.sim.sets.world import SetsWorld

CHUNK = 40
SEEDS_FOR_A_DEFECT = 20


@pytest.mark.parametrize("chunk", [0, *(pytest.param(one, marks=pytest.mark.long) for one in range(1, 5))])
def test_world_of_sets_has_no_violation(chunk: int) -> None:
    claims = crashed_between = 0
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        world = SetsWorld(seed)
        assert not world.run(), f"seed {seed}: {world.violations[0]}"
        claims += len(world.claims)
        crashed_between += world.crashed_between
    assert claims > 40 * CHUNK
    assert crashed_between > 0


@pytest.mark.parametrize("defect", SETS_DEFECTS, ids=lambda defect: defect.__name__)
def test_world_of_sets_finds_each_defect(defect: type[SetsDefect]) -> None:
    assert any(SetsWorld(seed, defect()).run() for seed in range(SEEDS_FOR_A_DEFECT))


def test_seed_gives_the_same_world_of_sets_again() -> None:
    first, second = SetsWorld(3, trace=True), SetsWorld(3, trace=True)
    assert first.run() == second.run() == []
    assert first.lines == second.lines
    assert len(first.lines or ()) > 300
