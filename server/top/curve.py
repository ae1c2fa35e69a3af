"""Curves one line high, made of block characters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from server.top.state import CURVE_POINTS, Points

STEPS: Final = "▁▂▃▄▅▆▇█"
STYLE: Final = Style(color="cyan")


def curve(points: Points, width: int) -> str:
    """The newest points that fit, the newest at the right; the highest point has the full height.

    A point without a value is a space; zero and values close to it have the lowest step.
    """
    shown = points[-width:]
    highest = max((point for point in shown if point is not None), default=0)
    return "".join(_step(point, highest) for point in shown).rjust(width)


def _step(point: float | None, highest: float) -> str:
    if point is None:
        return " "
    return STEPS[round(point / highest * (len(STEPS) - 1))] if highest > 0 else STEPS[0]


class CurveLine:
    """A curve as wide as its column, at most CURVE_POINTS."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        yield Segment(curve(self._points, min(options.max_width, CURVE_POINTS)), STYLE)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, min(options.max_width, CURVE_POINTS))
