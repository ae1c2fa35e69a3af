"""The required figures of the suite and its goals as a table: each row knows where its figure is found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

from bench.compare.matchups import (
    DEEP,
    HOT_VS_SQL_LOCK,
    NARROW,
    VS_ECHO,
    VS_LEAN_SERVICE,
    VS_REDIS_LUA,
    VS_SERVICE,
    VS_SQL_LOCK,
    VS_TCP,
    WIDE,
)
from bench.report.words import NONE, Figures

Measured = Mapping[str, Any]  # the JSON of bench.compare.suite


class Found(NamedTuple):
    """A figure: the median of several runs or that of one, and its range."""

    value: float
    low: float
    high: float


Find = Callable[[Measured], Found | None]  # None: not measured


class Requirement(NamedTuple):
    """One row of the table of targets."""

    text: str
    find: Find
    required: float | None = None  # None: reported, without a target
    goal: float | None = None  # None: there is none beyond what is required
    unit: str = "/s"
    at_most: bool = False  # less is better
    upper_bound: str = f"echo, {NARROW}"  # the run of the bare server in the same row; "": none compares

    def mark(self, value: float) -> str:
        """Whether the required figure and the goal are reached."""
        if self.required is None:
            return NONE

        def reaches(bound: float) -> bool:
            return value <= bound if self.at_most else value >= bound

        if self.goal is not None and reaches(self.goal):
            return "✓✓ goal"
        return "✓" if reaches(self.required) else "✗ missed"


def _figure(run: str, read: Callable[[Figures], float], total: Callable[[list[float]], float] = median) -> Find:
    """A figure of the runs with this name."""

    def find(measured: Measured) -> Found | None:
        values = [float(read(figures)) for figures in measured["runs"].get(run, [])]
        return Found(total(values), min(values), max(values)) if values else None

    return find


def rate_of(run: str) -> Find:
    """The rate of the runs with this name."""
    return _figure(run, lambda figures: figures["rate_per_s"])


def _ratio(name: str) -> Find:
    def find(measured: Measured) -> Found | None:
        found = measured["ratios"].get(name)
        return None if found is None else Found(found, **measured["spread"][name])

    return find


def _last_won(run: str, required: float | None = None, goal: float | None = None) -> Requirement:
    find = _figure(run, lambda figures: figures["extra"]["last_won_ms"]["p99"], max)
    name, users = run.split(", ")
    text = f"`{name}`, {users}: last `won`, p99 of all rounds"
    return Requirement(text, find, required, goal, unit=" ms", at_most=True)


def _webhook_lag_ms(figures: Figures) -> float:
    """The p99 of the lag; infinite if a delivery has not come at all."""
    extra = figures["extra"]
    return math.inf if extra["deliveries_missing"] else float(extra["lag_p99_ms"])


RATIOS: Final[dict[str, Requirement]] = {
    name: Requirement(text, _ratio(name), required, goal, unit="")
    for name, text, required, goal in (
        (VS_SERVICE, "`opens`, durability `redis`, against redis-service, the lower of both settings", 3.6, 5.0),
        (VS_LEAN_SERVICE, "`opens`, durability `redis`, against redis-service-lean, the lower of both", 0.55, 0.8),
        (VS_REDIS_LUA, "`opens`, durability `redis`, against redis-lua, the lower of both settings", 0.7, 1.0),
        (VS_SQL_LOCK, "`opens`, durability `postgres`, against sql-lock, many packets", 10.0, 15.0),
        (HOT_VS_SQL_LOCK, "`hot` against sql-lock, one hot packet", 22.0, 30.0),
        (VS_ECHO, "`grab` against echo, 200 connections × 1", 0.8, 0.9),
        (VS_TCP, "`grab` over WebSocket against TCP, 200 connections × 1", 0.5, 0.8),
    )
}
TARGETS: Final = (
    *(
        Requirement(
            f"`opens`, durability `{durability}`, {setting}",
            rate_of(f"opens, durability {durability}, {setting}"),
            required,
            goal,
            upper_bound=f"echo, {setting}",
        )
        for durability, setting, required, goal in (
            ("postgres", WIDE, 20_000, 40_000),
            ("postgres", DEEP, 38_000, 80_000),
            ("redis", WIDE, 36_000, 50_000),
            ("redis", DEEP, 53_000, 80_000),
        )
    ),
    *RATIOS.values(),
    _last_won("hot, 500 users", 80.0, 30.0),
    _last_won("hot, 5,000 users"),
    Requirement(f"`grab`, {NARROW}", rate_of(f"grab, {NARROW}")),
    Requirement(
        f"`send`, durability `postgres`, {DEEP}", rate_of("send"), 6_000, 15_000, upper_bound=f"echo, {DEEP}"
    ),
    Requirement("`login`, a storm of 10,000", rate_of("login"), 8_000, 15_000),
    Requirement(
        "`push` to 2,000 members online, against a bare write loop",
        _figure("push", lambda figures: figures["extra"]["ratio"]),
        *(0.8, 0.95),
        unit="",
    ),
    Requirement(
        "`idle`: server memory of a logged-in connection",
        _figure("idle", lambda figures: figures["extra"]["server_kib_each"]),
        *(6.0, 3.0),
        unit=" KiB",
        at_most=True,
    ),
    Requirement(
        "`idle-websocket`: the same over WebSocket",
        _figure("idle-websocket", lambda figures: figures["extra"]["server_kib_each"]),
        *(8.0, 4.0),
        unit=" KiB",
        at_most=True,
        upper_bound="",
    ),
    Requirement(
        "`open`, durability `postgres`, open loop at half the maximum: p99",
        _figure("open, half the maximum", lambda figures: figures["latency_ms"]["p99"]),
        *(15.0, 5.0),
        unit=" ms",
        at_most=True,
        upper_bound=f"echo, {WIDE}",
    ),
    Requirement("`http-open`: a grab and an open over HTTP", rate_of("http-open"), 2_000, upper_bound=""),
    Requirement("`http-send`: sends over HTTP", rate_of("http-send"), 1_000, upper_bound=""),
    Requirement(
        "`webhooks`, 1,000 deliveries/s while 2 of 6 endpoints hang: p99 of the lag",
        _figure("webhooks", _webhook_lag_ms),
        2_000,
        unit=" ms",
        at_most=True,
        upper_bound="",
    ),
)
