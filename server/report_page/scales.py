"""Scales of charts: where a value is drawn, and which values are named at an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from server.core.beijing_year import BEIJING

Place = Callable[[float], float]
DAY_MS: Final = 86_400_000


class Tick(NamedTuple):
    """A value that is named at an axis."""

    value: float
    label: str


def linear(low: float, high: float, start: float, end: float) -> Place:
    """Values from `low` to `high` lie evenly between `start` and `end`."""
    width = (high - low) or 1.0
    return lambda value: start + (value - low) / width * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Place:
    """Each factor of ten is as wide as any other. `low` is above 0."""
    place = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: place(math.log10(max(value, low)))


def nice_ticks(high: float, count: int = 4) -> list[float]:
    """Round values from 0 on, the last of which is `high` or above."""
    if high <= 0:
        return [0.0, 1.0]
    raw = high / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [step * n for n in range(math.ceil(high / step - 1e-9) + 1)]


def short(value: float) -> str:
    """A count as short as an axis needs: 1.2k, 35M."""
    for factor, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{sign}"
    return f"{value:g}"


def spoken(seconds: float, language: str) -> str:
    """A duration: 8 s, 5 min, 2 h."""
    zh = language == "zh"
    for factor, name, name_zh in ((86_400, "d", "天"), (3_600, "h", "小时"), (60, "min", "分钟")):
        if seconds >= factor:
            return f"{seconds / factor:.3g}{name_zh if zh else ' ' + name}"
    return f"{seconds:.3g}{'秒' if zh else ' s'}"


def moment(at_ms: float, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time of Beijing."""
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).strftime(form)


def day_ticks(low_ms: float, high_ms: float) -> list[Tick]:
    """At most nine midnights of Beijing; hours, if the span is a day or two."""
    if high_ms - low_ms <= 2 * DAY_MS:
        step, form = max(1, math.ceil((high_ms - low_ms) / 3_600_000 / 8)) * 3_600_000, "%H:%M"
    else:
        step, form = math.ceil((high_ms - low_ms) / DAY_MS / 9) * DAY_MS, "%m-%d"
    first = math.ceil((low_ms + 28_800_000) / step) * step - 28_800_000
    return [Tick(at, moment(at, form)) for at in range(int(first), int(high_ms) + 1, step)]


def pick(ticks: Sequence[Tick], low: float, high: float) -> list[Tick]:
    """Those that are inside."""
    return [tick for tick in ticks if low <= tick.value <= high]
