"""The comparison of opens with payments beside them and without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.chaos.payments.books import BookedPayment, OurBooks
from bench.compare import payment_answers
from bench.compare.payments import WITH, WITHOUT, Turn, figures_of, lines_of
from server.cli import main

TURNS = [
    Turn(WITHOUT, 2_000, 5.0, 20.0, 0, True),
    Turn(WITH, 1_990, 6.0, 20.4, 25, True),
    Turn(WITH, 1_980, 7.0, 20.6, 25, True),
    Turn(WITHOUT, 2_000, 5.0, 20.0, 0, True),
]


BEGAN_S = 1_800_000_000.0


def payment(number: int, unknown_s: float, resolved_s: float) -> BookedPayment:
    """A charge whose outcome was unknown from a moment on, for so long; 0.0: it never was."""
    at_ms = int((BEGAN_S + unknown_s) * 1000) if resolved_s else 0
    ended_ms = int((BEGAN_S + unknown_s + resolved_s) * 1000)
    return BookedPayment(number, 1, "charge", 100, f"k{number}", True, "succeeded", 0, at_ms, ended_ms)


def answers(
    resolved_s: tuple[float, ...] = (1.0, 2.5), notice_ms: tuple[float, ...] = (5.0, 9.0), left: int = 0
) -> dict[str, object]:
    """The figures of payments alone, of which one was known at once, and of one notice of 80 ms before them."""
    booked = [payment(0, 1.0, 0.0), *(payment(one, 2.0, s) for one, s in enumerate(resolved_s, 1))]
    notices = [(BEGAN_S - 1, 80.0), *((BEGAN_S + one, ms) for one, ms in enumerate(notice_ms))]
    return payment_answers.figures_of(OurBooks(booked, [], [], {}, []), notices, BEGAN_S, left)


def test_answers_are_those_of_unknown_payments_and_of_notices_of_their_time() -> None:
    figures = answers()
    assert figures["unknown_resolved_s"] == {"count": 2, "p50": 1.0, "p99": 2.5, "max": 2.5}
    assert figures["notice_ms"] == {"count": 2, "p50": 5.0, "p99": 9.0, "max": 9.0}
    assert (figures["unknown_is_within"], figures["notice_is_within"]) == (True, True)
    assert payment_answers.lines_of(figures) == [
        "unknown outcomes, resolved  p50 1.00 s, p99 2.50 s of 2, within 60 s; 0 are not",
        "notices, acknowledged       p50 5.00 ms, p99 9.00 ms of 2, within 50 ms; "
        "beside opens p50 80.00 ms, p99 80.00 ms of 1",
    ]


@pytest.mark.parametrize(
    ("figures", "named"),
    [(answers((1.0, 60.1)), 0), (answers(left=1), 0), (answers(notice_ms=(5.0, 50.1)), 1)],
)
def test_answers_beyond_the_target_say_so(figures: dict[str, object], named: int) -> None:
    lines = payment_answers.lines_of(figures)
    assert ["NOT within" in line for line in lines] == [place == named for place in (0, 1)]


def test_figures_are_medians_and_ratios_of_both_sides() -> None:
    figures = figures_of(TURNS, answers())
    assert figures["median"][WITH] == {"rate_per_s": 1_985.0, "p50_ms": 6.5, "p99_ms": 20.5}
    assert figures["ratio"] == {"rate_per_s": 0.9925, "p50_ms": 1.3, "p99_ms": 1.025}
    assert (figures["rate_is_within"], figures["p99_is_within"], figures["payments"]) == (True, True, 50)
    assert lines_of(figures)[0] == "rate  1,985 with, 2,000 without: 0.993, within 3%"


@pytest.mark.parametrize(("field", "value", "named"), [("rate_per_s", 1_900, 0), ("p99_ms", 30.0, 1)])
def test_figures_beyond_the_target_say_so(field: str, value: float, named: int) -> None:
    turns = [one._replace(**{field: value}) if one.side == WITH else one for one in TURNS]
    assert "NOT within" in lines_of(figures_of(turns, answers()))[named]


def test_figures_of_a_run_whose_books_do_not_hold_are_invalid() -> None:
    for figures in (
        figures_of([*TURNS[:3], TURNS[3]._replace(valid=False)], answers()),
        figures_of(TURNS, answers(left=1)),
    ):
        assert figures["valid"] is False
        assert lines_of(figures)[-1].endswith("INVALID")


def test_wrong_folder_of_the_figures_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "payments", "--json", "nowhere/figures.json"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("hongbao: ")


@pytest.mark.parametrize("payers", ["1", "10001"])
def test_too_few_or_too_many_payers_are_one_line(payers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "payments", "--payers", payers])
    assert ended.value.code == 2
    assert "--payers" in capsys.readouterr().err


@pytest.mark.long
def test_payments_run_beside_opens_and_the_books_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    words = ["--rate", "100", "--seconds", "2", "--pairs", "1", "--connections", "100", "--json", str(file)]
    words += ["--faulted", "20", "--payers", "3"]
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "payments", *words])
    figures = json.loads(file.read_text())
    assert "3 users have cards" in capsys.readouterr().out
    assert (ended.value.code, figures["valid"]) == (0, True)
    assert (figures["left"], figures["notice_ms"]["count"] > 0) == (0, True)
    assert [one["payments"] > 0 for one in sorted(figures["turns"], key=lambda turn: turn["side"])] == [True, False]
