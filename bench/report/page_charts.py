"""The charts of a page: latency by percentile, throughput and p99 by second, processor time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench.report import chart
from bench.report.chart import Line, Mark, Part, number
from bench.report.markup import Markup, element, together
from bench.report.page_words import PERCENTILES, Run, cores, ms, notice, reading, section, swatch

TOLD: Final = ("p99", "p99_9", "p99_99")  # written into the chart of a single run
PROCESSES: Final = {  # name in the document -> as people write it, its colour
    "server": ("server", "c6"),
    "postgres": ("PostgreSQL", "c5"),
    "redis": ("Redis or Valkey", "c4"),
    "generator": ("generator", "c7"),
}
FILLED: Final = 0.95  # so much of a second has to be there for its count to be one per second
BUSY: Final = 0.9  # a generator with so little air may be what limits the rate


def charts(runs: Sequence[Run]) -> Iterator[Markup]:
    """The sections with charts."""
    yield section("Latency", _latency(runs))
    yield section("Over time", element("div", _throughput(runs), _slowness(runs), class_="pair"), _on_time(runs))
    yield section("Processor time", _processors(runs))


def _latency(runs: Sequence[Run]) -> Markup:
    measured = [run for run in runs if run.latencies_ms]
    if not measured:
        return element("p", "No latencies were measured.", class_="note")
    curves = [Line(run.name, run.colour, run.latencies_ms) for run in measured]
    y = chart.logarithmic("ms", [value for run in measured for _, value in run.latencies_ms])
    x = chart.percentiles("percentile of requests")
    marks = [mark for run in measured for mark in _marks(run, with_words=len(runs) == 1)]
    words = " ".join(reading(run.told) if len(runs) == 1 else f"{run.name}: {reading(run.told)}" for run in runs)
    drawn = chart.lines("latency", "Latency by percentile", words, x, y, curves, marks)
    below = element("p", words, class_="note") if len(runs) == 1 else _legend(runs)
    return element("figure", drawn, element("figcaption", below))


def _marks(run: Run, with_words: bool) -> Iterator[Mark]:
    for key, (name, percent) in PERCENTILES.items():
        value_ms = run.told["latency_ms"][key]
        if value_ms > 0:
            words = ms(value_ms) if with_words and key in TOLD else ""
            yield Mark(percent, value_ms, run.colour, words, f"{name} of {run.name}: {ms(value_ms)}")


def _whole_seconds(told: Mapping[str, Any]) -> list[tuple[int, int, float | None]]:
    """(second, completed, p99 in ms), with 0 in a second without any; not the last one if the run ended in it."""
    found = {part["second"]: (part["completed"], part["p99_ms"]) for part in told["series"]}
    if not found:
        return []
    last = max(found)
    if len(found) > 1 and last + FILLED > told["seconds"]:
        last -= 1
    return [(second, *found.get(second, (0, None))) for second in range(min(found), last + 1)]


def _throughput(runs: Sequence[Run]) -> Markup:
    curves = []
    for run in runs:
        seconds = _whole_seconds(run.told)
        curves.append(Line("completed", run.colour, [(second + 0.5, count) for second, count, _ in seconds]))
        if run.told["offered_per_s"] and seconds:
            offered = run.told["offered_per_s"]
            ends: list[chart.Point] = [(0.0, offered), (seconds[-1][0] + 1.0, offered)]
            curves.append(Line("offered", run.colour, ends, dashed=True))
    most = max((value for curve in curves for _, value in curve.points if value is not None), default=0.0)
    name, y = "requests completed per second", chart.linear("per second", most)
    return _timeline("throughput", "Throughput", name, runs, y, curves)


def _slowness(runs: Sequence[Run]) -> Markup:
    curves = [
        Line("p99", run.colour, [(second + 0.5, p99_ms or None) for second, _, p99_ms in _whole_seconds(run.told)])
        for run in runs
    ]
    values = [value for curve in curves for _, value in curve.points if value is not None]
    return _timeline(
        "slowness", "p99 by second", "p99 of each second", runs, chart.logarithmic("ms", values), curves
    )


def _timeline(
    name: str, title: str, what: str, runs: Sequence[Run], y: chart.Axis, curves: Sequence[Line]
) -> Markup:
    last = max((seconds[-1][0] + 1 for run in runs if (seconds := _whole_seconds(run.told))), default=0)
    if not last:
        return element("p", f"{title}: no second was recorded.", class_="note")
    described = "; ".join(_range(curve) for curve in curves)
    drawn = chart.lines(name, title, f"{what}: {described}", chart.span("seconds", last), y, curves)
    return element("figure", element("h3", title), drawn)


def _range(curve: Line) -> str:
    """A line in words."""
    values = [value for _, value in curve.points if value is not None]
    return f"{curve.name} {number(min(values))} to {number(max(values))}" if values else f"{curve.name} unknown"


def _on_time(runs: Sequence[Run]) -> Markup:
    """The legend of both timelines, and what one has to know to read them."""
    entries = _entries(runs) if len(runs) > 1 else [element("li", swatch(runs[0].colour), "completed")]
    offered = {run.told["offered_per_s"]: run.colour for run in runs if run.told["offered_per_s"]}
    for per_s, colour in offered.items():
        entries.append(element("li", swatch(colour, "dashed"), f"offered {number(per_s)}/s"))
    words = "A last second that the run did not fill is left out."
    if warmup_s := max(run.told["warmup_s"] for run in runs):
        words += f" The first {number(warmup_s)} s are warm-up, which the rate and the latencies leave out."
    return together(element("ul", *entries, class_="legend"), element("p", words, class_="note"))


def _entries(runs: Sequence[Run]) -> list[Markup]:
    return [element("li", swatch(run.colour), run.name) for run in runs]


def _legend(runs: Sequence[Run]) -> Markup:
    return element("ul", *_entries(runs), class_="legend")


def _processors(runs: Sequence[Run]) -> Markup:
    """How many cores each process kept busy, on one scale for all runs."""
    busy = [sum(cores(run.told, process) for process in PROCESSES) for run in runs]
    axis = chart.span("cores", max(*busy, *(run.told["about"]["cores"] for run in runs)))
    figures = (_cores_of(run, axis, with_name=len(runs) > 1) for run in runs)
    return element("div", *figures, class_="pair" if len(runs) > 1 else "single")


def _cores_of(run: Run, axis: chart.Axis, with_name: bool) -> Markup:
    parts = [Part(name, colour, cores(run.told, key)) for key, (name, colour) in PROCESSES.items()]
    words = f"{number(sum(part.value for part in parts))} of {run.told['about']['cores']} cores busy"
    said = "; ".join(f"{part.name} {number(part.value)}" for part in parts)
    drawn = chart.bar(f"cores-{run.place}", f"Processor time, {run.name}", f"{words}: {said}", axis, parts)
    entries = (element("li", swatch(part.colour), f"{part.name} {number(part.value)}") for part in parts)
    legend = element("ul", *entries, element("li", words), class_="legend")
    title = [element("h3", swatch(run.colour), run.name)] if with_name else []
    return element("figure", *title, drawn, element("figcaption", legend, _generator(run.told)))


def _generator(told: Mapping[str, Any]) -> Markup:
    """Was it the generator that set the pace?"""
    busy = told["generator_busy"]
    words = f"The busiest generator used {100 * busy:.0f} % of a core."
    if busy < BUSY:
        return element("p", words, class_="note")
    return notice("bad", "The generator may be what limited this run. ", words)
