"""The figures of workers: which ratios are told, and when they are within their bounds."""

from __future__ import annotations

from bench.compare.scale import Round, figures_of, lines_of, pss_mb

ROUND = Round((40.0, 43.0), (1.0, 1.25), (80_000.0, 70_000.0), True)


def test_costs_of_forwarding_are_those_of_the_forwarded_part() -> None:
    figures = figures_of([ROUND], [48.5, 51.0], 4, [(40_000.0, 38_000.0)])
    assert figures["found"] == {
        "forwarded_us": 4.0,  # 3 µs more for each open, three of four were forwarded
        "opens_ratio": 1.075,
        "lone_more_ms": 0.25,
        "push_ratio": 0.875,
        "idle_worker_mb": 51.0,
        "sets_ratio": 0.95,
    }
    assert all(figures["within"].values())


def test_each_figure_beyond_its_bound_is_named() -> None:
    slow = Round((40.0, 47.0), (1.0, 1.6), (80_000.0, 60_000.0), True)
    figures = figures_of([slow], [61.0], 4, [(40_000.0, 35_000.0)])
    assert not any(figures["within"].values())
    assert [line for line in lines_of(figures) if "NOT within" in line] == lines_of(figures)[:-1]


def test_books_that_do_not_hold_are_said_last() -> None:
    assert (
        lines_of(figures_of([ROUND, ROUND._replace(valid=False)], [], 4, [(1.0, 1.0)]))[-1]
        == "money verdict: INVALID"
    )


def test_memory_of_a_process_that_is_gone_is_not_known() -> None:
    assert pss_mb(2**22) == 0.0
