"""The result of a run, in values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Expectation(NamedTuple):
    """What a scenario expects of its run, what was seen, and whether the expectation holds."""

    expected: str
    seen: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run; `ok` decides the exit code."""

    ok: bool
    seed: int
    users: int
    groups: int
    packets: int
    finished: int
    revealed: int
    won: int
    denied: int
    pushes: int
    returns: int
    pushes_dropped: int
    open_p50_ms: float
    open_p99_ms: float
    expectations: list[Expectation]
    contradictions: list[str]
    failures: list[str]
