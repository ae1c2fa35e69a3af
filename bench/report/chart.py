"""Line charts and stacked bars as inline SVG.

Positions are shares of the width and height (percent), texts are in pixels: a chart stretches with the page while
its texts keep their size, on a phone and on a desktop. Only the lines stretch, in a viewport of their own. Colours
come from the page: `c0`, `c1`, … are classes that set `--c`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from bench.report.markup import Markup, element, together
from bench.report.words import number

STEPS: Final = (1, 2, 5)
LINEAR_TICKS_MAX: Final = 6
LOG_TICKS_MAX: Final = 9
PLOT: Final = 1000  # units of the viewport of the lines, in both directions
PERCENTS: Final = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999)

Point = tuple[float, float | None]  # y None: unknown, the line has a gap


class Axis(NamedTuple):
    """`ticks` with their texts, the range, and the scale (a logarithm, for example)."""

    name: str
    ticks: Sequence[tuple[float, str]]
    low: float
    high: float
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """The position of a value on the axis: 0…1; values beyond an end are drawn at the end."""
        first, last = self.scale(self.low), self.scale(self.high)
        return (self.scale(min(max(value, self.low), self.high)) - first) / (last - first)


class Curve(NamedTuple):
    """One line of a chart."""

    name: str
    colour: str
    points: Sequence[Point]
    dashed: bool = False

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.points if value is not None]

    def pieces(self) -> Iterator[list[tuple[float, float]]]:
        """The points between the gaps."""
        for is_gap, points in groupby(self.points, key=lambda point: point[1] is None):
            if not is_gap:
                yield [(at, value) for at, value in points if value is not None]


class Mark(NamedTuple):
    """A highlighted point, with a text beside it (or none) and a hint for the pointer."""

    x: float
    y: float
    colour: str
    text: str
    hint: str


class BarPart(NamedTuple):
    name: str
    colour: str
    value: float


# --- axes -----------------------------------------------------------------------------------------------------


def linear(name: str, most: float) -> Axis:
    """From 0 to a round number that is `most` or above."""
    most = most if most > 0 else 1.0
    step = next(step for step in _round_numbers(most / 100) if most / step <= LINEAR_TICKS_MAX - 1)
    ticks = [step * place for place in range(math.ceil(most / step - 1e-9) + 1)]
    return Axis(name, [(tick, number(tick)) for tick in ticks], 0.0, ticks[-1])


def span(name: str, most: float) -> Axis:
    """From 0 to `most` itself, with round numbers as ticks."""
    whole = linear(name, most)
    return whole._replace(ticks=[tick for tick in whole.ticks if tick[0] <= most], high=most if most > 0 else 1.0)


def logarithmic(name: str, values: Sequence[float]) -> Axis:
    """Between round numbers around the values, all above 0; in steps of 1, 2, 5, or of 10 for a wide range."""
    least, most = (min(values) / 1.1, max(values) * 1.1) if values else (1.0, 10.0)  # keeps values off the edges
    for steps in (STEPS, (1,)):
        ticks = _ticks_around(least, most, steps)
        if len(ticks) <= LOG_TICKS_MAX:
            break
    return Axis(name, [(tick, number(tick)) for tick in ticks], ticks[0], ticks[-1], math.log10)


def percentiles(name: str) -> Axis:
    """As HDR histograms are drawn: every further nine has the same width."""
    ticks = [(percent, f"{percent:g}") for percent in PERCENTS]
    return Axis(name, ticks, PERCENTS[0], PERCENTS[-1], lambda percent: -math.log10(1 - percent / 100))


def _round_numbers(least: float, steps: Sequence[int] = STEPS) -> Iterator[float]:
    """1, 2, 5, 10, …, beginning with the power of ten at or below `least`."""
    power = math.floor(math.log10(least) + 1e-9)
    while True:
        yield from (float(f"{step}e{power}") for step in steps)
        power += 1


def _ticks_around(least: float, most: float, steps: Sequence[int]) -> list[float]:
    ticks: list[float] = []
    for tick in _round_numbers(least, steps):
        ticks = [tick] if tick <= least else [*ticks, tick]
        if tick >= most and len(ticks) > 1:
            return ticks
    raise AssertionError  # the numbers are endless


# --- drawing --------------------------------------------------------------------------------------------------


def lines(
    name: str, title: str, description: str, x: Axis, y: Axis, curves: Sequence[Curve], marks: Sequence[Mark] = ()
) -> Markup:
    """A line chart. `name` is unique on the page; screen readers read `title` and `description`."""
    paths = [_path(curve, x, y) for curve in curves]
    box = {"viewBox": f"0 0 {PLOT} {PLOT}", "preserveAspectRatio": "none", "overflow": "visible"}
    plot = element("svg", *paths, **box, width="100%", height="100%")
    single_points = [
        Mark(*piece[0], curve.colour, "", curve.name)
        for curve in curves
        for piece in curve.pieces()
        if len(piece) == 1  # no line reaches it
    ]
    dots = (_dot(mark, x, y) for mark in (*single_points, *marks))
    return _svg(name, "lines", title, description, [*_rows(y), *_columns(x), plot, *dots])


def bar(name: str, title: str, description: str, axis: Axis, parts: Sequence[BarPart]) -> Markup:
    """A bar of parts, one after the other, on a track as long as the axis."""
    drawn = [element("rect", class_="track", width="100%", height="100%"), *_columns(axis)]
    end = 0.0
    for part in parts:
        begin, end = axis.share(end), end + part.value
        hint = element("title", f"{part.name}: {number(part.value)} {axis.name}")
        place = {"x": _percent(begin), "width": _percent(axis.share(end) - begin), "height": "100%"}
        drawn.append(element("rect", hint, class_=f"part {part.colour}", **place))
    return _svg(name, "bar", title, description, drawn)


def _svg(name: str, kind: str, title: str, description: str, drawn: Sequence[Markup]) -> Markup:
    texts = together(element("title", title, id=f"{name}-title"), element("desc", description, id=f"{name}-desc"))
    labels = f"{name}-title {name}-desc"
    return element("svg", texts, *drawn, class_=f"chart {kind}", id=name, role="img", aria_labelledby=labels)


def _rows(y: Axis) -> Iterator[Markup]:
    for tick, text in y.ticks:
        at = _percent(1 - y.share(tick))
        yield element("line", class_="grid", x1="0%", x2="100%", y1=at, y2=at)
        yield element("text", text, class_="tick", x="-8", y=at, dy="0.35em", text_anchor="end")
    yield element("text", y.name, class_="axis", x="-8", y="-14", text_anchor="start")


def _columns(x: Axis) -> Iterator[Markup]:
    for tick, text in x.ticks:
        at = _percent(x.share(tick))
        yield element("line", class_="grid", x1=at, x2=at, y1="0%", y2="100%")
        yield element("text", text, class_="tick", x=at, y="100%", dy="18", text_anchor="middle")
    yield element("text", x.name, class_="axis", x="100%", y="100%", dy="36", text_anchor="end")


def _path(curve: Curve, x: Axis, y: Axis) -> Markup:
    path = ""
    for piece in curve.pieces():
        points = (f"{x.share(at) * PLOT:.1f} {(1 - y.share(value)) * PLOT:.1f}" for at, value in piece)
        path += f"M{' L'.join(points)}" if len(piece) > 1 else ""
    kind = "dashed" if curve.dashed else "solid"
    return element("path", class_=f"line {kind} {curve.colour}", d=path, vector_effect="non-scaling-stroke")


def _dot(mark: Mark, x: Axis, y: Axis) -> Markup:
    across, down = _percent(x.share(mark.x)), _percent(1 - y.share(mark.y))
    dot = element("circle", element("title", mark.hint), class_=f"dot {mark.colour}", cx=across, cy=down, r=3.5)
    text = element("text", mark.text, class_="mark", x=across, y=down, dx="-7", dy="-8", text_anchor="end")
    return together(dot, text) if mark.text else dot


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
