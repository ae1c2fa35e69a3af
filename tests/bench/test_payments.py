"""The comparison of opens with payments beside them and without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.compare.payments import WITH, WITHOUT, Turn, figures_of, lines_of
from server.cli import main

TURNS = [
    Turn(WITHOUT, 2_000, 5.0, 20.0, 0, True),
    Turn(WITH, 1_990, 6.0, 20.4, 25, True),
    Turn(WITH, 1_980, 7.0, 20.6, 25, True),
    Turn(WITHOUT, 2_000, 5.0, 20.0, 0, True),
]


def test_figures_are_medians_and_ratios_of_both_sides() -> None:
    figures = figures_of(TURNS)
    assert figures["median"][WITH] == {"rate_per_s": 1_985.0, "p50_ms": 6.5, "p99_ms": 20.5}
    assert figures["ratio"] == {"rate_per_s": 0.9925, "p50_ms": 1.3, "p99_ms": 1.025}
    assert (figures["rate_is_within"], figures["p99_is_within"], figures["payments"]) == (True, True, 50)
    assert lines_of(figures)[0] == "rate  1,985 with, 2,000 without: 0.993, within 3%"


@pytest.mark.parametrize(("field", "value", "named"), [("rate_per_s", 1_900, 0), ("p99_ms", 30.0, 1)])
def test_figures_beyond_the_target_say_so(field: str, value: float, named: int) -> None:
    turns = [one._replace(**{field: value}) if one.side == WITH else one for one in TURNS]
    assert "NOT within" in lines_of(figures_of(turns))[named]


def test_figures_of_a_run_whose_books_do_not_hold_are_invalid() -> None:
    figures = figures_of([*TURNS[:3], TURNS[3]._replace(valid=False)])
    assert figures["valid"] is False
    assert lines_of(figures)[2].endswith("INVALID")


def test_wrong_folder_of_the_figures_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "payments", "--json", "nowhere/figures.json"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("hongbao: ")


@pytest.mark.long
def test_payments_run_beside_opens_and_the_books_hold(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    words = ["--rate", "100", "--seconds", "2", "--pairs", "1", "--connections", "100", "--json", str(file)]
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "payments", *words])
    figures = json.loads(file.read_text())
    assert (ended.value.code, figures["valid"]) == (0, True)
    assert [one["payments"] > 0 for one in sorted(figures["turns"], key=lambda turn: turn["side"])] == [True, False]
