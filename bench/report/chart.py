"""Line charts and stacked bars as inline SVG.

Places are shares of the width and height (percent), texts are in pixels: a chart stretches with the page while its
words keep their size, on a phone as on a desk. Only the lines stretch, in a viewport of their own. Colours come
from the page: `c0`, `c1`, … are classes that set `--c`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from bench.report.markup import Markup, element, together

STEPS: Final = (1, 2, 5)
LINEAR_TICKS_MAX: Final = 6
LOG_TICKS_MAX: Final = 9
PLOT: Final = 1000  # units of the viewport of the lines, either way
PERCENTS: Final = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999)

Point = tuple[float, float | None]  # y None: nothing is known here, the line has a gap


class Axis(NamedTuple):
    """Where values are: `ticks` with their texts, the range, and what makes it even (a logarithm, say)."""

    name: str
    ticks: Sequence[tuple[float, str]]
    low: float
    high: float
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """How far along the axis a value is: 0…1; beyond an end is the end."""
        first, last = self.scale(self.low), self.scale(self.high)
        return (self.scale(min(max(value, self.low), self.high)) - first) / (last - first)


class Line(NamedTuple):
    """One line of a chart."""

    name: str
    colour: str
    points: Sequence[Point]
    dashed: bool = False


class Mark(NamedTuple):
    """A point that is told apart, with a few words beside it (or none) and more when it is pointed at."""

    x: float
    y: float
    colour: str
    words: str
    hint: str


class Part(NamedTuple):
    """A part of a stacked bar."""

    name: str
    colour: str
    value: float


# --- axes -----------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits that count, thousands set apart: 0.42, 1.5, 12.3, 12,345."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def linear(name: str, most: float) -> Axis:
    """From 0 to a round number that `most` does not exceed."""
    most = most if most > 0 else 1.0
    step = next(step for step in _round_numbers(most / 100) if most / step <= LINEAR_TICKS_MAX - 1)
    ticks = [step * place for place in range(math.ceil(most / step - 1e-9) + 1)]
    return Axis(name, [(tick, number(tick)) for tick in ticks], 0.0, ticks[-1])


def span(name: str, most: float) -> Axis:
    """From 0 to `most` itself, with round numbers on the way."""
    whole = linear(name, most)
    return whole._replace(ticks=[tick for tick in whole.ticks if tick[0] <= most], high=most if most > 0 else 1.0)


def logarithmic(name: str, values: Sequence[float]) -> Axis:
    """Between round numbers around the values, all above 0; in steps of 1, 2, 5, or of 10 when there are many."""
    least, most = (min(values) / 1.1, max(values) * 1.1) if values else (1.0, 10.0)  # off the edges
    for steps in (STEPS, (1,)):
        ticks = _around(least, most, steps)
        if len(ticks) <= LOG_TICKS_MAX:
            break
    return Axis(name, [(tick, number(tick)) for tick in ticks], ticks[0], ticks[-1], math.log10)


def percentiles(name: str) -> Axis:
    """As HDR histograms are drawn: every further nine takes as much room."""
    return Axis(name, [(percent, f"{percent:g}") for percent in PERCENTS], PERCENTS[0], PERCENTS[-1], _nines)


def _nines(percent: float) -> float:
    return -math.log10(1 - percent / 100)


def _round_numbers(least: float, steps: Sequence[int] = STEPS) -> Iterator[float]:
    """1, 2, 5, 10, … beginning with the power of ten that `least` reaches."""
    power = math.floor(math.log10(least) + 1e-9)
    while True:
        yield from (float(f"{step}e{power}") for step in steps)
        power += 1


def _around(least: float, most: float, steps: Sequence[int]) -> list[float]:
    ticks: list[float] = []
    for tick in _round_numbers(least, steps):
        ticks = [tick] if tick <= least else [*ticks, tick]
        if tick >= most and len(ticks) > 1:
            return ticks
    raise AssertionError  # numbers do not end


# --- drawing --------------------------------------------------------------------------------------------------


def lines(
    name: str,
    title: str,
    description: str,
    x: Axis,
    y: Axis,
    curves: Sequence[Line],
    marks: Sequence[Mark] = (),
) -> Markup:
    """A line chart. `name` is unique on the page; `title` and `description` are for those who cannot see it."""
    plot = element(
        "svg",
        *(_line(curve, x, y) for curve in curves),
        viewBox=f"0 0 {PLOT} {PLOT}",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
        overflow="visible",
    )
    lonely = [_dot(Mark(*point, curve.colour, "", curve.name), x, y) for curve in curves for point in _alone(curve)]
    drawn = [*_rows(y), *_columns(x), plot, *lonely, *(_dot(mark, x, y) for mark in marks)]
    return _svg(name, "lines", title, description, drawn)


def bar(name: str, title: str, description: str, axis: Axis, parts: Sequence[Part]) -> Markup:
    """A bar of parts, one after the other, on a track as long as the axis."""
    drawn = [element("rect", class_="track", width="100%", height="100%"), *_columns(axis)]
    reached = 0.0
    for part in parts:
        begin, reached = axis.share(reached), reached + part.value
        hint = element("title", f"{part.name}: {number(part.value)} {axis.name}")
        width = _percent(axis.share(reached) - begin)
        drawn.append(
            element("rect", hint, class_=f"part {part.colour}", x=_percent(begin), width=width, height="100%")
        )
    return _svg(name, "bar", title, description, drawn)


def _svg(name: str, kind: str, title: str, description: str, drawn: Sequence[Markup]) -> Markup:
    words = together(element("title", title, id=f"{name}-title"), element("desc", description, id=f"{name}-desc"))
    labels = f"{name}-title {name}-desc"
    return element("svg", words, *drawn, class_=f"chart {kind}", id=name, role="img", aria_labelledby=labels)


def _rows(y: Axis) -> Iterator[Markup]:
    for tick, words in y.ticks:
        at = _percent(1 - y.share(tick))
        yield element("line", class_="grid", x1="0%", x2="100%", y1=at, y2=at)
        yield element("text", words, class_="tick", x="-8", y=at, dy="0.35em", text_anchor="end")
    yield element("text", y.name, class_="axis", x="-8", y="-14", text_anchor="start")


def _columns(x: Axis) -> Iterator[Markup]:
    for tick, words in x.ticks:
        at = _percent(x.share(tick))
        yield element("line", class_="grid", x1=at, x2=at, y1="0%", y2="100%")
        yield element("text", words, class_="tick", x=at, y="100%", dy="18", text_anchor="middle")
    yield element("text", x.name, class_="axis", x="100%", y="100%", dy="36", text_anchor="end")


def _line(curve: Line, x: Axis, y: Axis) -> Markup:
    pieces = (
        [f"{x.share(at) * PLOT:.1f} {(1 - y.share(value)) * PLOT:.1f}" for at, value in piece]
        for piece in _pieces(curve)
    )
    path = "".join(f"M{' L'.join(piece)}" for piece in pieces if len(piece) > 1)
    kind = "dashed" if curve.dashed else "solid"
    return element("path", class_=f"line {kind} {curve.colour}", d=path, vector_effect="non-scaling-stroke")


def _pieces(curve: Line) -> Iterator[list[tuple[float, float]]]:
    """The points between the gaps."""
    for is_gap, points in groupby(curve.points, key=lambda point: point[1] is None):
        if not is_gap:
            yield [(at, value) for at, value in points if value is not None]


def _alone(curve: Line) -> list[tuple[float, float]]:
    """Points that no line reaches."""
    return [piece[0] for piece in _pieces(curve) if len(piece) == 1]


def _dot(mark: Mark, x: Axis, y: Axis) -> Markup:
    across, down = _percent(x.share(mark.x)), _percent(1 - y.share(mark.y))
    dot = element("circle", element("title", mark.hint), class_=f"dot {mark.colour}", cx=across, cy=down, r=3.5)
    words = element("text", mark.words, class_="mark", x=across, y=down, dx="-7", dy="-8", text_anchor="end")
    return together(dot, words) if mark.words else dot


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
