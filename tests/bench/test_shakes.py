"""The comparison of shakes with the bare echo, of wins with opens, of opens alone and beside a crowd."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.compare.shakes import Round, figures_of, lines_of
from bench.load.outcome import AckedClaim, Acknowledgements, Outcome
from protocol import messages
from server.cli import main


def one(shakes: float = 18_000, wins: float = 5_000, beside_ms: float = 6.0, valid: bool = True) -> Round:
    return Round(20_000, shakes, 10.0, 12.0, wins, 4_000, 4.0, beside_ms, valid)


def test_figures_are_medians_and_ratios_with_their_bounds() -> None:
    figures = figures_of([one(), one(shakes=16_000), one(shakes=19_000)])
    assert figures["median"]["shakes_per_s"] == 18_000
    assert figures["ratio"] == {
        "shakes_to_echo": 0.9,
        "wins_to_opens": 1.25,
        "p99_beside_to_alone": 1.5,
        "shakes_to_rival_per_core": 2.4,
    }
    assert set(figures["within"].values()) == {True}
    assert figures["valid"]


def test_figures_out_of_their_bounds_are_named() -> None:
    figures = figures_of([one(shakes=9_000, wins=3_000, beside_ms=9.0, valid=False)])
    assert set(figures["within"].values()) == {False}
    lines = lines_of(figures)
    assert lines[0] == (
        "losing shakes  9,000/s, bare echo 20,000/s: 0.45, NOT within ≥ 0.85; in the server 12.0 µs each, echo 10.0"
    )
    assert lines[3] == "opens, p99     4.00 ms alone, 9.00 ms beside the crowd: 2.25, NOT within ≤ 2"
    assert lines[-1] == "money verdict: INVALID"


def shaken(result: str, index: int = 0, amount_fen: int = 200) -> messages.Shaken:
    win = messages.WinLine(amount_fen, 5, index, 700, "bench", "") if result in ("won", "limit") else None
    return messages.Shaken(1, 7, result, 0, win)


def test_wins_are_remembered_as_claims_and_a_second_answer_with_the_same_share_is_counted() -> None:
    acknowledged, outcome = Acknowledgements(), Outcome()
    assert [acknowledged.add(11, shaken(result)) for result in ("nothing", "won", "limit")] == [
        "nothing",
        "won",
        "limit",
    ]
    acknowledged.copy_to(outcome)
    assert (outcome.claims, outcome.acked_twice) == ([AckedClaim(5, 11, 0, 200)], 0)
    acknowledged.add(11, shaken("won"))
    acknowledged.add(11, shaken("won", amount_fen=201))
    acknowledged.copy_to(outcome)
    assert outcome.acked_twice == 2


@pytest.mark.long
def test_shakes_run_and_the_books_hold(tmp_path: Path) -> None:
    file = tmp_path / "shake.json"
    words = ["--rounds", "1", "--shakes", "40000", "--wins", "2000", "--seconds", "1", "--rate", "100"]
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "shake", *words, "--crowd-rate", "200", "--json", str(file)])
    assert ended.value.code == 0
    (measured,) = json.loads(file.read_text())["rounds"]
    assert measured["valid"]
    assert min(value for name, value in measured.items() if name != "valid") > 0
