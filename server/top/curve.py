"""A curve one line high."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from server.top.view import KEPT, Points

STEPS: Final = "▁▂▃▄▅▆▇█"
STYLE: Final = Style(color="cyan")


def curve(points: Points, width: int) -> str:
    """The newest points that fit, the newest one at the right; the highest of them fills the line.

    Nothing measured is a space; zero and what hardly differs from it is the lowest step.
    """
    shown = points[-width:]
    highest = max((point for point in shown if point is not None), default=0)
    return "".join(_step(point, highest) for point in shown).rjust(width)


def _step(point: float | None, highest: float) -> str:
    if point is None:
        return " "
    return STEPS[round(point / highest * (len(STEPS) - 1))] if highest > 0 else STEPS[0]


class CurveLine:
    """As wide as there is room, a minute at the most."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        yield Segment(curve(self._points, min(options.max_width, KEPT)), STYLE)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, min(options.max_width, KEPT))
