"""What came of an evening, in values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Expectation(NamedTuple):
    """What a scenario should look like, and whether it did."""

    expected: str
    seen: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run went, in numbers; `ok` is what its exit code says."""

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
    shapes: list[Expectation]
    contradictions: list[str]
    failures: list[str]
