"""Charts as SVG inside the page: drawn from numbers, coloured by the page's style, with a title on each mark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from server.report_page.markup import tag, text
from server.report_page.scales import Place, Tick, linear, nice_ticks, short

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 14.0, 26.0
Point = tuple[float, float]
PERCENT: Final = [Tick(part / 100, f"{part} %") for part in (0, 25, 50, 75, 100)]


class Box(NamedTuple):
    """The size of a chart, in units of its own; the page scales it."""

    width: float = 560.0
    height: float = 240.0

    @property
    def right(self) -> float:
        """Where the drawing ends."""
        return self.width - RIGHT

    @property
    def floor(self) -> float:
        """Where it stands."""
        return self.height - BOTTOM

    def y(self, high: float) -> Place:
        """From 0 at the floor to `high` at the top."""
        return linear(0, high, self.floor, TOP)

    def x(self, low: float, high: float) -> Place:
        """From `low` at the left to `high` at the right."""
        return linear(low, high, LEFT, self.right)


def svg(box: Box, about: str, inner: str) -> str:
    """A drawing that screen readers describe by `about`."""
    view = f"0 0 {box.width:g} {box.height:g}"
    return tag("svg", tag("title", text(about)) + inner, viewBox=view, role="img", aria_label=about)


def words(x: float, y: float, label: str, kind: str = "axis", anchor: str = "middle") -> str:
    """A text in a drawing."""
    return tag("text", text(label), kind, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return tag("line", "", kind, x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}")


def bar(x: float, y: float, width: float, height: float, kind: str, about: str = "", round_by: float = 1.5) -> str:
    """A rectangle; what it says when a pointer rests on it."""
    inner = tag("title", text(about)) if about else ""
    size = {"width": f"{max(width, 0.4):.2f}", "height": f"{max(height, 0):.2f}"}
    return tag("rect", inner, kind, x=f"{x:.2f}", y=f"{y:.2f}", rx=round_by, **size)


def dot(x: float, y: float, kind: str, about: str, radius: float = 3.5) -> str:
    """A circle."""
    return tag("circle", tag("title", text(about)), kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius)


def path(points: Sequence[Point], kind: str, close_at: float | None = None) -> str:
    """A line through points; with `close_at` the area down to that height."""
    if not points:
        return ""
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    if close_at is not None:
        steps += f"L{points[-1][0]:.1f} {close_at:.1f}L{points[0][0]:.1f} {close_at:.1f}Z"
    return tag("path", "", kind, d=f"M{steps}")


def axes(box: Box, x: Place, y: Place, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick]) -> str:
    """Lines across at the named heights, names below."""
    parts = []
    for value, label in y_ticks:
        parts.append(line(LEFT, y(value), box.right, y(value), "grid" if y(value) < box.floor - 1 else "base"))
        parts.append(words(LEFT - 6, y(value) + 3.5, label, anchor="end"))
    parts += [words(x(value), box.height - 8, label) for value, label in x_ticks]
    return "".join(parts)


def counts(high: float) -> tuple[float, list[Tick]]:
    """The height of an axis of counts, and its names."""
    values = nice_ticks(high)
    return values[-1], [Tick(value, short(value)) for value in values]


def curve(
    box: Box,
    points: Sequence[Point],
    x_ticks: Sequence[Tick],
    about: str,
    tell: Callable[[Point], str],
    more: Sequence[Point] = (),
) -> str:
    """An area of counts over time; `more`: a fainter line above it, such as peaks."""
    if not points:
        return ""
    high, y_ticks = counts(max(y for _, y in (*points, *more)))
    x, y = box.x(points[0][0], max(points[-1][0], points[0][0] + 1)), box.y(high)
    drawn = [(x(at), y(value)) for at, value in points]
    above = [(x(at), y(value)) for at, value in more]
    top = max(more or points, key=lambda point: point[1])
    inner = axes(box, x, y, x_ticks, y_ticks)
    inner += path(drawn, "area", box.floor) + path(above, "thin") + path(drawn, "stroke")
    inner += dot(x(top[0]), y(top[1]), "mark", tell(top))
    beside = ("end", -8) if x(top[0]) > box.width / 2 else ("start", 8)
    return svg(box, about, inner + words(x(top[0]) + beside[1], y(top[1]) + 4, short(top[1]), "label", beside[0]))


def lines(
    box: Box,
    series: Sequence[tuple[str, Sequence[Point]]],
    scales: tuple[Place, Place],
    ticks: tuple[Sequence[Tick], Sequence[Tick]],
    about: str,
) -> str:
    """Lines, each named where it ends."""
    x, y = scales
    inner = axes(box, x, y, *ticks)
    ends: list[float] = []
    for number, (name, points) in enumerate(series):
        if not points:
            continue
        inner += path([(x(a), y(b)) for a, b in points], f"stroke s{number}")
        inner += "".join(
            dot(x(a), y(b), f"mark s{number}", f"{name}: {b:.1%}") for a, b in points if len(points) < 40
        )
        end = y(points[-1][1]) - 8
        while any(abs(end - other) < 13 for other in ends):
            end += 14
        ends.append(end)
        inner += words(x(points[-1][0]) - 2, end, name, f"label s{number}", "end")
    return svg(box, about, inner)


def bars_across(
    rows: Sequence[tuple[str, float, str]], about: str, width: float = 560.0, label_width: float = 170.0
) -> str:
    """Horizontal bars with a name before and a value behind each."""
    if not rows:
        return ""
    step = 26.0
    box = Box(width, step * len(rows) + 8)
    most = max(value for _, value, _ in rows) or 1.0
    x = linear(0, most, label_width, width - 110)
    inner = ""
    for number, (name, value, said) in enumerate(rows):
        top = 4 + number * step
        inner += words(label_width - 8, top + 16, name if len(name) < 24 else name[:22] + "…", "name", "end")
        inner += bar(label_width, top + 4, x(value) - label_width, step - 9, "fill", f"{name}: {said}")
        inner += words(x(value) + 6, top + 16, said, "value", "start")
    return svg(box, about, inner)


def columns(
    box: Box,
    spans: Sequence[tuple[float, float, float, str]],
    x: Place,
    x_ticks: Sequence[Tick],
    about: str,
    gap: float = 1.0,
) -> str:
    """Columns from `low` to `high` on the axis x, with their height and what they say."""
    if not spans:
        return ""
    high, y_ticks = counts(max(value for _, _, value, _ in spans))
    y = box.y(high)
    inner = axes(box, x, y, x_ticks, y_ticks)
    for low, end, value, said in spans:
        inner += bar(x(low) + gap / 2, y(value), x(end) - x(low) - gap, box.floor - y(value), "fill", said)
    return svg(box, about, inner)


def heat(rows: Sequence[tuple[str, Sequence[float | None]]], columns_named: Sequence[str], about: str) -> str:
    """A field of cells; a darker one has more. None: a group too small to be shown."""
    cell_w, cell_h, left, top = 20.6, 20.0, 52.0, 18.0
    box = Box(left + cell_w * len(columns_named) + 4, top + cell_h * len(rows) + 6)
    most = max((value for _, row in rows for value in row if value), default=1.0)
    inner = ""
    for number, name in enumerate(columns_named):
        inner += words(left + cell_w * (number + 0.5), 12, name) if name else ""
    for place, (name, row) in enumerate(rows):
        y = top + place * cell_h
        inner += words(left - 8, y + 14, name, anchor="end")
        for number, value in enumerate(row):
            level = "hidden" if value is None else f"h{min(8, round(8 * (value / most) ** 0.6)) if value else 0}"
            said = f"{name} {columns_named[number] or number}: {'–' if value is None else f'{value:,.0f}'}"
            inner += bar(left + number * cell_w + 1, y + 1, cell_w - 2, cell_h - 2, f"heat {level}", said, 3)
    return svg(box, about, inner)
