"""The charts of a page: latency by percentile, throughput and p99 by second, processor time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.report import chart
from bench.report.chart import BarPart, Curve, Mark
from bench.report.markup import Markup, element, together
from bench.report.words import (
    GENERATOR_BUSY_MAX,
    PERCENTILES,
    Figures,
    cores,
    latency_summary,
    ms,
    number,
    percentile_name,
)

COLOUR: Final = "c0"  # a class of the style
LABELLED: Final = ("p99", "p99_9", "p99_99")
PROCESSES: Final = {  # key of the figures -> name, colour
    "server": ("server", "c6"),
    "postgres": ("PostgreSQL", "c5"),
    "redis": ("Redis or Valkey", "c4"),
    "generator": ("generator", "c7"),
}
FULL_SECOND: Final = 0.95  # shorter than this, a last second is left out: its count is not a rate

Seconds = Sequence[tuple[int, int, float | None]]  # (second, completed, p99 in ms)


def note(text: str) -> Markup:
    return element("p", text, class_="note")


def notice(kind: str, strong: str, text: str) -> Markup:
    """A highlighted line; `kind` is good or bad."""
    mark = element("span", "✓" if kind == "good" else "✗", class_="sign", aria_hidden="true")
    return element("p", mark, element("span", element("strong", strong), text), class_=f"notice {kind}")


def section(title: str, *inside: str) -> Markup:
    return element("section", element("h2", title), *inside)


def charts(figures: Figures) -> Iterator[Markup]:
    seconds = _whole_seconds(figures)
    over_time = element("div", _throughput(figures, seconds), _p99(seconds), class_="pair")
    yield section("Latency", _latency(figures))
    yield section("Over time", over_time, _timeline_legend(figures))
    yield section("Processor time", element("div", _processors(figures), class_="single"))


def _legend(*entries: tuple[str, ...]) -> Markup:
    """Texts, each behind a patch of its colour if it has one."""
    items = []
    for text, *kinds in entries:
        swatch = [element("span", class_=f"swatch {kind}", aria_hidden="true") for kind in kinds]
        items.append(element("li", *swatch, text))
    return element("ul", *items, class_="legend")


def _latency(figures: Figures) -> Markup:
    last = chart.PERCENTS[-1]
    points = [(percent, value) for percent, value in figures["curve"] if percent <= last and value > 0]
    if not points:  # a logarithmic scale has no place for 0
        return note("No latencies were measured.")
    x, y = chart.percentiles("percentile of requests"), chart.logarithmic("ms", [value for _, value in points])
    marks = []
    for key, percent in PERCENTILES.items():
        text = ms(figures["latency_ms"][key])
        if figures["latency_ms"][key] > 0:
            hint = f"{percentile_name(key)}: {text}"
            marks.append(Mark(percent, figures["latency_ms"][key], COLOUR, text if key in LABELLED else "", hint))
    summary = latency_summary(figures)
    drawn = chart.lines(
        "latency", "Latency by percentile", summary, x, y, [Curve("latency", COLOUR, points)], marks
    )
    return element("figure", drawn, element("figcaption", note(summary)))


def _whole_seconds(figures: Figures) -> Seconds:
    """With 0 in a second without any; without an incomplete last one."""
    found = {part["second"]: (part["completed"], part["p99_ms"]) for part in figures["series"]}
    if not found:
        return []
    last = max(found)
    if len(found) > 1 and last + FULL_SECOND > figures["seconds"]:
        last -= 1
    return [(second, *found.get(second, (0, None))) for second in range(min(found), last + 1)]


def _throughput(figures: Figures, seconds: Seconds) -> Markup:
    curves = [Curve("completed", COLOUR, [(second + 0.5, count) for second, count, _ in seconds])]
    if (offered := figures["offered_per_s"]) and seconds:
        curves.append(Curve("offered", COLOUR, [(0.0, offered), (seconds[-1][0] + 1.0, offered)], dashed=True))
    y = chart.linear("per second", max((value for curve in curves for value in curve.values), default=0.0))
    return _timeline("throughput", "Throughput", "requests completed per second", seconds, y, curves)


def _p99(seconds: Seconds) -> Markup:
    curve = Curve("p99", COLOUR, [(second + 0.5, p99_ms or None) for second, _, p99_ms in seconds])
    y = chart.logarithmic("ms", curve.values)
    return _timeline("slowness", "p99 by second", "p99 of each second", seconds, y, [curve])


def _timeline(
    name: str, title: str, topic: str, seconds: Seconds, y: chart.Axis, curves: Sequence[Curve]
) -> Markup:
    if not seconds:
        return note(f"{title}: no second was recorded.")
    ranges = (f"{one.name} {number(min(one.values))} to {number(max(one.values))}" for one in curves if one.values)
    x = chart.span("seconds", seconds[-1][0] + 1)
    return element(
        "figure", element("h3", title), chart.lines(name, title, f"{topic}: {'; '.join(ranges)}", x, y, curves)
    )


def _timeline_legend(figures: Figures) -> Markup:
    entries = [("completed", f"solid {COLOUR}")]
    if offered := figures["offered_per_s"]:
        entries.append((f"offered {number(offered)}/s", f"dashed {COLOUR}"))
    text = "An incomplete last second is left out."
    if warmup_s := figures["warmup_s"]:
        text += f" The first {number(warmup_s)} s are warm-up: the rate and the latencies do not include them."
    return together(_legend(*entries), note(text))


def _processors(figures: Figures) -> Markup:
    """The cores that each process kept busy."""
    machine = figures["about"]["cores"]
    parts = [BarPart(name, colour, cores(figures, key)) for key, (name, colour) in PROCESSES.items()]
    used = sum(part.value for part in parts)
    entries = [(f"{part.name} {number(part.value)}", f"solid {part.colour}") for part in parts]
    total = f"{number(used)} of {machine} cores busy"
    description = f"{total}: {'; '.join(text for text, _ in entries)}"
    drawn = chart.bar("cores", "Processor time", description, chart.span("cores", max(used, machine)), parts)
    busy = figures["generator_busy"]
    text = f"The busiest generator used {100 * busy:.0f} % of a core."
    is_limit = busy >= GENERATOR_BUSY_MAX
    below = notice("bad", "The generator may limit the rate of this run. ", text) if is_limit else note(text)
    return element("figure", drawn, element("figcaption", _legend(*entries, (total,)), below))
