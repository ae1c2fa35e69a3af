"""What the short set must reach and what it aims at, as a table: each row knows where its figure is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

Figures = Mapping[str, Any]  # of one run
Measured = Mapping[str, Any]  # what bench.compare.suite writes as JSON

CEILING: Final = "echo, 200 × 1"
NOTHING: Final = "–"


class Found(NamedTuple):
    """A figure: the median of several runs or what one said, and between which it lay."""

    value: float
    low: float
    high: float


class Requirement(NamedTuple):
    """One row of the table of what must be reached."""

    words: str
    must: float | None  # None: told, but nothing was asked
    aim: float | None
    found: Callable[[Measured], Found | None]  # None: not measured
    unit: str = "/s"
    at_most: bool = False  # less is better
    ceiling: str = CEILING  # the run of the bare server that stands beside it


def _in_runs(
    name: str, read: Callable[[Figures], float], whole: Callable[[list[float]], float] = median
) -> Callable[[Measured], Found | None]:
    """A figure out of the runs of this name."""

    def found(told: Measured) -> Found | None:
        values = [read(figures) for figures in told["runs"].get(name, [])]
        return Found(whole(values), min(values), max(values)) if values else None

    return found


def rate_of(name: str) -> Callable[[Measured], Found | None]:
    """The rate in the runs of this name; None where there are none."""
    return _in_runs(name, lambda figures: float(figures["rate_per_s"]))


def _ratio(name: str) -> Callable[[Measured], Found | None]:
    def found(told: Measured) -> Found | None:
        if name not in told["ratios"]:
            return None
        return Found(told["ratios"][name], told["spread"][name]["low"], told["spread"][name]["high"])

    return found


def _last_won_ms(figures: Figures) -> float:
    return float(figures["extra"]["last_won_ms"]["p99"])


def _extra(key: str) -> Callable[[Figures], float]:
    return lambda figures: float(figures["extra"][key])


RATIOS: Final[dict[str, Requirement]] = {
    "opens_redis_tier_vs_redis_lua": Requirement(
        "`opens` tier `redis` against redis-lua, the lower of both settings",
        1.3,
        2.5,
        _ratio("opens_redis_tier_vs_redis_lua"),
        unit="",
    ),
    "opens_postgres_tier_vs_sql_lock": Requirement(
        "`opens` tier `postgres` against sql-lock, many packets",
        8.0,
        15.0,
        _ratio("opens_postgres_tier_vs_sql_lock"),
        unit="",
    ),
    "hot_vs_sql_lock_hot": Requirement(
        "`hot` against sql-lock, one hot packet", 30.0, 60.0, _ratio("hot_vs_sql_lock_hot"), unit=""
    ),
    "grab_vs_echo": Requirement(
        "`grab` against echo, 200 connections × 1", 0.75, 0.9, _ratio("grab_vs_echo"), unit=""
    ),
}
TARGETS: Final = (
    Requirement(
        "`opens` tier `postgres`, 1,000 × 1",
        20_000,
        40_000,
        rate_of("opens, tier postgres, 1,000 × 1"),
        ceiling="echo, 1,000 × 1",
    ),
    Requirement(
        "`opens` tier `postgres`, 200 × 8",
        38_000,
        80_000,
        rate_of("opens, tier postgres, 200 × 8"),
        ceiling="echo, 200 × 8",
    ),
    Requirement(
        "`opens` tier `redis`, 1,000 × 1",
        36_000,
        50_000,
        rate_of("opens, tier redis, 1,000 × 1"),
        ceiling="echo, 1,000 × 1",
    ),
    Requirement(
        "`opens` tier `redis`, 200 × 8",
        53_000,
        80_000,
        rate_of("opens, tier redis, 200 × 8"),
        ceiling="echo, 200 × 8",
    ),
    *RATIOS.values(),
    Requirement(
        "`hot`, 500 users: last `won`, p99 of all rounds",
        80.0,
        30.0,
        _in_runs("hot, 500 users", _last_won_ms, max),
        unit=" ms",
        at_most=True,
    ),
    Requirement(
        "`hot`, 5,000 users: last `won`, p99 of all rounds",
        None,
        None,
        _in_runs("hot, 5,000 users", _last_won_ms, max),
        unit=" ms",
        at_most=True,
    ),
    Requirement("`grab`, 200 × 1", None, None, rate_of("grab, 200 × 1")),
    Requirement("`send` tier `postgres`, 200 × 8", 6_000, 15_000, rate_of("send"), ceiling="echo, 200 × 8"),
    Requirement("`login`, a storm of 10,000", 8_000, 15_000, rate_of("login")),
    Requirement(
        "`push` to 2,000 members online, against a bare write loop",
        0.8,
        0.95,
        _in_runs("push", _extra("ratio")),
        unit="",
    ),
    Requirement(
        "`idle`: server memory of a logged-in connection",
        6.0,
        3.0,
        _in_runs("idle", _extra("server_kib_each")),
        unit=" KiB",
        at_most=True,
    ),
    Requirement(
        "`open` tier `postgres`, open loop at half the maximum: p99",
        15.0,
        5.0,
        _in_runs("open, half the maximum", lambda figures: float(figures["latency_ms"]["p99"])),
        unit=" ms",
        at_most=True,
        ceiling="echo, 1,000 × 1",
    ),
)


def must_of(pair: str) -> float | None:
    """What the ratio of this name must reach; None if nothing was asked."""
    return RATIOS[pair].must if pair in RATIOS else None


def mark(target: Requirement, value: float) -> str:
    """Whether it was reached."""
    if target.must is None or target.aim is None:
        return NOTHING

    def reached(bound: float) -> bool:
        return value <= bound if target.at_most else value >= bound

    return "✓✓ aim" if reached(target.aim) else "✓" if reached(target.must) else "✗ missed"
