"""The figures of workers: which ratios are told, and when they are within their bounds."""

from __future__ import annotations

from bench.compare.scale import Beside, Round, figures_of, lines_of, pss_mb

SIZES = {"requests_per_read": 6.0, "claims_per_batch": 200.0}, {"requests_per_read": 2.0, "claims_per_batch": 50.0}
ROUND = Round(
    open_us=(40.0, 43.0),
    clock_us=(20.0, 40.0),
    single_us=(60.0, 66.0),
    rated_us=(80.0, 100.0),
    batches=SIZES,
    lone_p50_ms=(1.0, 1.25),
    deliveries_per_s=(80_000.0, 70_000.0),
    http_per_s=(6_000.0, 7_500.0),
    valid=True,
)
BESIDE = Beside([48.5, 51.0], (12.0, 50.0), 2, [(40_000.0, 38_000.0)])


def test_costs_of_forwarding_are_those_of_the_forwarded_part() -> None:
    figures = figures_of([ROUND], 4, BESIDE)
    assert figures["found"] == {
        "forwarded_us": 4.0,  # 3 µs more for each open, three of four were forwarded
        "opens_ratio": 1.075,
        "clock_ratio": 2.0,
        "single_ratio": 1.1,
        "rated_ratio": 1.25,
        "lone_more_ms": 0.25,
        "push_ratio": 0.875,
        "idle_worker_mb": 51.0,
        "sets_ratio": 0.95,
    }
    assert all(figures["within"].values())


def test_each_figure_beyond_its_bound_is_named() -> None:
    slow = ROUND._replace(open_us=(40.0, 47.0), lone_p50_ms=(1.0, 1.6), deliveries_per_s=(80_000.0, 60_000.0))
    figures = figures_of([slow], 4, BESIDE._replace(idle_mb=[61.0], settled=[(40_000.0, 35_000.0)]))
    assert not any(figures["within"].values())
    bounded = [line for line in lines_of(figures)[:-1] if not line.startswith("  ")]
    assert [line for line in lines_of(figures) if "NOT within" in line] == bounded
    assert len(bounded) == len(figures["within"])


def test_what_came_together_is_told_of_both() -> None:
    other = SIZES[0], {"requests_per_read": 4.0, "claims_per_batch": 70.0}
    figures = figures_of([ROUND, ROUND._replace(batches=other), ROUND._replace(batches=({}, {}))], 4, BESIDE)
    assert [line for line in lines_of(figures) if "at once" in line] == [
        "  at once      requests per read 6  claims per batch 200",
        "  at once      requests per read 3  claims per batch 60",
    ]
    assert "  at once      not known" in lines_of(figures_of([ROUND._replace(batches=({}, {}))], 4, BESIDE))


def test_costs_below_saturation_and_of_doing_nothing_are_told_without_a_bound() -> None:
    figures = figures_of([ROUND, ROUND._replace(rated_us=(100.0, 150.0)), ROUND], 4, BESIDE)
    assert figures["found"]["rated_ratio"] == 1.25
    lines = lines_of(figures)
    assert lines[0].startswith(
        "opens          40.0 µs of one process, 43.0 µs of 4 workers (2 of them own packets):"
    )
    assert "  at 2,000/s   80.0 µs of one process, 100.0 µs of 4 workers: 1.25" in lines
    assert "  by HTTP      6,000/s of one process, 7,500/s of 4 workers" in lines
    assert "  idle         12 ms a second of one process, 50 ms of 4 workers" in lines


def test_books_that_do_not_hold_are_said_last() -> None:
    assert lines_of(figures_of([ROUND, ROUND._replace(valid=False)], 4, BESIDE))[-1] == "money verdict: INVALID"


def test_memory_of_a_process_that_is_gone_is_not_known() -> None:
    assert pss_mb(2**22) == 0.0
