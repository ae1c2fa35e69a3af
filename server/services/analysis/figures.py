"""What a report says: tables and facts without groups that are too small. Pages and files show just these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

Cell = int | float | str | bool | None
OTHERS: Final = "…"  # the row of all that are too small to be shown by themselves, or too many


class FigureTable(NamedTuple):
    """Rows under columns, which have a name and a type."""

    columns: tuple[tuple[str, type], ...]
    rows: Sequence[tuple[Cell, ...]]

    def column(self, name: str) -> list[Cell]:
        """All cells of one column."""
        place = [one for one, _ in self.columns].index(name)
        return [row[place] for row in self.rows]


class LuckVerdict(NamedTuple):
    """What the tests of luck come to."""

    tests: int
    draws: int
    misfits: int  # with a corrected p below α
    least_p: float | None  # corrected
    groups_left_out: int  # frequent enough, and too much work


class ReportFacts(NamedTuple):
    """Single figures. None: too few people, or nothing to tell."""

    people: int
    senders: int
    openers: int
    both: int
    packets: int
    sent_fen: int
    opened_shares: int
    opened_fen: int
    refunded_fen: int
    unopened_fen: int
    busiest_ms: int | None = None
    busiest_packets: int = 0
    width_minutes: int = 1  # of a point of the curves
    median_empty_s: float | None = None
    gone_in_10_s: float | None = None
    emptied_in_10_s: float | None = None
    gini_sent: float | None = None
    gini_received: float | None = None
    top_tenth_sent: float | None = None
    own_shares: int | None = None
    replies_in_24_h: float | None = None
    receivers_observed: int = 0
    unknown_payments: int = 0
    open_breaks: int = 0


class ReportFigures(NamedTuple):
    """A whole report. `problems`: sums that differ and must not."""

    from_ms: int
    to_ms: int
    taken_ms: Sequence[int]  # of each set, when its snapshot was taken
    facts: ReportFacts
    luck: LuckVerdict
    tables: dict[str, FigureTable]
    problems: list[str]
