"""Run the tests of all statements, and print each statement with its result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import pytest
from rich.console import Console
from rich.table import Table

from tests.customer import document
from tests.customer.row import Row
from tests.customer.table import ROWS

WORKERS: Final = "2"
USAGE: Final = 2


class Outcomes:
    """A plugin of pytest: how each test ended, all its parameters together."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = defaultdict(lambda: True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that did not run has not shown anything."""
        if report.when == "call" or not report.passed:
            test = report.nodeid.partition("[")[0]
            self.passed[test] = self.passed[test] and report.passed


def main(words: Sequence[str]) -> int:
    """0 if every statement is shown. `--write` writes the page of the docs and runs nothing."""
    if words == ["--write"]:
        document.PATH.write_text(document.written(), encoding="utf-8")
        return 0
    if words:
        Console(stderr=True).print(f"unknown words: {' '.join(words)}; --write is the only one")
        return USAGE
    outcomes = Outcomes()
    nodes = sorted({node for row in ROWS for node in row.nodes})
    pytest.main(["-q", "-n", WORKERS, "-p", "no:randomly", *nodes], plugins=[outcomes])
    _print(outcomes)
    return 0 if all(_is_shown(row, outcomes) for row in ROWS) else 1


def _is_shown(row: Row, outcomes: Outcomes) -> bool:
    return all(node in outcomes.passed and outcomes.passed[node] for node in row.nodes)


def _print(outcomes: Outcomes) -> None:
    table = Table("", "where", "what it says", "tests", box=None, pad_edge=False)
    for row in ROWS:
        is_shown = _is_shown(row, outcomes)
        bad = [node for node in row.nodes if not outcomes.passed.get(node, False)]
        table.add_row("[green]✓[/]" if is_shown else "[red]✗[/]", row.place, row.says, str(len(row.nodes)))
        for node in bad:
            table.add_row("", "", f"[red]{node}[/]", "")
    console = Console()
    console.print(table)
    shown = sum(_is_shown(row, outcomes) for row in ROWS)
    console.print(f"{shown} of {len(ROWS)} statements are shown")
