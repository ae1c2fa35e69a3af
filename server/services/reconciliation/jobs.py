"""A file that is being imported, and figures about statements: plain values, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from server.core.reconciliation.statement_file import StatementClaim


class JobState(StrEnum):
    """How far the import of a file has come."""

    WAITING = "waiting"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    IMPORTING = "importing"
    MATCHING = "matching"
    DONE = "done"
    REFUSED = "refused"


class RowCount(NamedTuple):
    """Rows of one class, and their amount."""

    row_class: str
    rows: int
    amount_fen: int


@dataclass
class ReconciliationJob:
    """The import of one file. `why`: of a file that was refused. `is_new`: False if it had been imported before.

    `fetched_day`: the statement of this day is fetched from `gateway`; `path` is a folder until then.
    """

    number: int
    path: Path
    uid: int
    gateway: str = ""
    fetched_day: date | None = None
    state: JobState = JobState.WAITING
    claim: StatementClaim | None = None
    rows_read: int = 0
    is_new: bool = True
    why: str = ""
    results: list[RowCount] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """It will not change any more."""
        return self.state in (JobState.DONE, JobState.REFUSED)

    def refuse(self, why: str) -> None:
        """Nothing is imported from it now."""
        self.state, self.why = JobState.REFUSED, why


class BreakFigure(NamedTuple):
    """Open breaks of a class that are not in doubt: how many, and how long the oldest has counted."""

    breaks: int
    oldest_s: float


class StatementFigures(NamedTuple):
    """By gateway, for how long a statement has been missing (s, 0: none is); and open breaks by class."""

    overdue_s: Mapping[str, float]
    breaks: Mapping[str, BreakFigure]
