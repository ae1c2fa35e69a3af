"""How many workers own packets."""

from __future__ import annotations

import os

import pytest

from server.config import load
from server.workers.sizing import owners_among

POSTGRES = {"stores.postgres": "postgresql://records.example/hongbao"}


@pytest.mark.parametrize(
    ("cores", "workers", "private", "other"),
    [(1, 4, 1, 1), (2, 1, 1, 1), (2, 4, 1, 2), (8, 8, 4, 8), (8, 3, 3, 3), (64, 64, 32, 64)],
)
def test_owners_are_no_more_than_the_cores_that_private_stores_leave(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, private: int, other: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert owners_among(load(None, {}, {}), workers) == private
    assert owners_among(load(None, POSTGRES, {}), workers) == other


def test_number_of_owners_that_is_set_is_kept_within_the_workers() -> None:
    assert owners_among(load(None, {"server.owners": 3}, {}), 4) == 3
    assert owners_among(load(None, {"server.owners": 9}, {}), 4) == 4
