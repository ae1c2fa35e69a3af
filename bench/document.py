"""docs/benchmarks.md and the chart in it: what the short set measured, beside what must be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.chart import number
from bench.markup import Markup, element, together
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS

Figures = Mapping[str, Any]  # of one run
Measured = Mapping[str, Any]  # what bench.short writes as JSON

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- by hand -->"
END: Final = "<!-- end -->"
NOTHING: Final = "–"
BUSY: Final = 0.9  # a generator with so little air may be what limits the rate
PROCESSES: Final = ("server", "postgres", "redis", "generator")
PERCENTILES: Final = ("p50", "p99", "p99_9", "max")
CEILING: Final = "echo, 200 × 1"


class Found(NamedTuple):
    """A figure: the median of several runs or what one said, and between which it lay."""

    value: float
    low: float
    high: float


class Target(NamedTuple):
    """One row of the table of what must be reached."""

    words: str
    must: float | None  # None: told, but nothing was asked
    aim: float | None
    found: Callable[[Measured], Found | None]  # None: not measured
    unit: str = "/s"
    at_most: bool = False  # less is better
    ceiling: str = CEILING  # the run of the bare server that stands beside it


# --- what must be reached -------------------------------------------------------------------------------------


def _in_runs(
    name: str, read: Callable[[Figures], float], whole: Callable[[list[float]], float] = median
) -> Callable[[Measured], Found | None]:
    """A figure out of the runs of this name."""

    def found(told: Measured) -> Found | None:
        values = [read(figures) for figures in told["runs"].get(name, [])]
        return Found(whole(values), min(values), max(values)) if values else None

    return found


def _rate_of(name: str) -> Callable[[Measured], Found | None]:
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


RATIOS: Final[dict[str, Target]] = {
    "opens_redis_tier_vs_redis_lua": Target(
        "`opens` tier `redis` against redis-lua, the lower of both settings",
        1.3,
        2.5,
        _ratio("opens_redis_tier_vs_redis_lua"),
        unit="",
    ),
    "opens_postgres_tier_vs_sql_lock": Target(
        "`opens` tier `postgres` against sql-lock, many packets",
        8.0,
        15.0,
        _ratio("opens_postgres_tier_vs_sql_lock"),
        unit="",
    ),
    "hot_vs_sql_lock_hot": Target(
        "`hot` against sql-lock, one hot packet", 30.0, 60.0, _ratio("hot_vs_sql_lock_hot"), unit=""
    ),
    "grab_vs_echo": Target("`grab` against echo, 200 connections × 1", 0.75, 0.9, _ratio("grab_vs_echo"), unit=""),
}
TARGETS: Final = (
    Target(
        "`opens` tier `postgres`, 1,000 × 1",
        20_000,
        40_000,
        _rate_of("opens, tier postgres, 1,000 × 1"),
        ceiling="echo, 1,000 × 1",
    ),
    Target(
        "`opens` tier `postgres`, 200 × 8",
        38_000,
        80_000,
        _rate_of("opens, tier postgres, 200 × 8"),
        ceiling="echo, 200 × 8",
    ),
    Target(
        "`opens` tier `redis`, 1,000 × 1",
        36_000,
        50_000,
        _rate_of("opens, tier redis, 1,000 × 1"),
        ceiling="echo, 1,000 × 1",
    ),
    Target(
        "`opens` tier `redis`, 200 × 8",
        53_000,
        80_000,
        _rate_of("opens, tier redis, 200 × 8"),
        ceiling="echo, 200 × 8",
    ),
    *RATIOS.values(),
    Target(
        "`hot`, 500 users: last `won`, p99 of all rounds",
        80.0,
        30.0,
        _in_runs("hot, 500 users", _last_won_ms, max),
        unit=" ms",
        at_most=True,
    ),
    Target(
        "`hot`, 5,000 users: last `won`, p99 of all rounds",
        None,
        None,
        _in_runs("hot, 5,000 users", _last_won_ms, max),
        unit=" ms",
        at_most=True,
    ),
    Target("`grab`, 200 × 1", None, None, _rate_of("grab, 200 × 1")),
    Target("`send` tier `postgres`, 200 × 8", 6_000, 15_000, _rate_of("send"), ceiling="echo, 200 × 8"),
    Target("`login`, a storm of 10,000", 8_000, 15_000, _rate_of("login")),
    Target(
        "`push` to 2,000 members online, against a bare write loop",
        0.8,
        0.95,
        _in_runs("push", _extra("ratio")),
        unit="",
    ),
    Target(
        "`idle`: server memory of a logged-in connection",
        6.0,
        3.0,
        _in_runs("idle", _extra("server_kib_each")),
        unit=" KiB",
        at_most=True,
    ),
    Target(
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


def mark(target: Target, value: float) -> str:
    """Whether it was reached."""
    if target.must is None or target.aim is None:
        return NOTHING

    def reached(bound: float) -> bool:
        return value <= bound if target.at_most else value >= bound

    return "✓✓ aim" if reached(target.aim) else "✓" if reached(target.must) else "✗ missed"


# --- the page -------------------------------------------------------------------------------------------------


def markdown(told: Measured, by_hand: str, picture: str) -> str:
    """The whole page; `by_hand` is what stands between the marks, `picture` the name of the chart beside it."""
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        _header(told),
        "## What must be reached",
        _targets(told),
        TARGETS_NOTE,
        "## Against what people would pick instead",
        f"![Ours and the rivals, per second]({picture})",
        _pairs(told),
        PAIRS_NOTE,
        _table(RIVALS_HEADS, RIVALS),
        "## Latency",
        LATENCY_NOTE,
        _latency_table(told),
        _errors(told),
        "## Processor time and settlement",
        COSTS_NOTE,
        _costs_table(told),
        "## Where the time goes",
        f"{BEGIN}{by_hand}{END}",
    ]
    return "\n\n".join(parts) + "\n"


def by_hand(page: str) -> str:
    """What somebody wrote between the marks of a page. Raises ValueError if they are not one pair in order."""
    if BEGIN not in page and END not in page:
        return "\n"
    inside = page.partition(BEGIN)[2].partition(END)[0]
    if page.count(BEGIN) != 1 or page.count(END) != 1 or BEGIN + inside + END not in page:
        raise ValueError(f"the section by hand stands between one {BEGIN} and one {END}; mend that first")
    return inside


def write(told: Measured, page: Path) -> None:
    """Write the page and its chart beside it; the section by hand stays. Raises OSError, ValueError."""
    chart = page.with_suffix(".svg")
    text = markdown(told, kept(page), chart.name)
    chart.write_text(picture(told["pairs"]), "utf-8")
    page.write_text(text, "utf-8")


def kept(page: Path) -> str:
    """The section by hand of the page as it is now. Raises OSError, ValueError."""
    return by_hand(page.read_text("utf-8") if page.exists() else "")


INTRODUCTION: Final = """\
Written by `make bench`, which is `hongbao bench short`; only "Where the time goes" is by hand. Server,
PostgreSQL, Valkey and the generators of the load share the cores of one machine. Figures of different machines
cannot be compared: so the ceiling of this one, our wire on a bare server with nothing behind it (`echo`), stands
beside each, and ours and the rivals ran in turns within minutes.

```
make bench                                                       # this page
hongbao bench compare --rounds 3 --json ratios.json              # the ratios alone
hongbao bench opens --closed --connections 200 --depth 8 --durability redis    # one row alone
```

A run counts only if its **money verdict** holds: every claim and send that a user was told is in the books,
nothing twice, nothing oversold, not a fen of difference, and the audit is clean. All runs here have passed it; a
run without stores (`echo`) has no money."""

TARGETS_NOTE: Final = """\
Median of the rounds, and in brackets the lowest and the highest, where there were several. ✓ must reached, ✓✓ aim
reached. Closed loops, if nothing else is said: connections × turns under way on each. The ceiling is `echo` in
this very session at the same connections and depth where it says so, else at 200 × 1."""

PAIRS_NOTE: Final = """\
Rates are medians over the rounds, the ratio is the median of the ratios of the rounds. Both sides run on the same
stores with the same durability, in turns, ours first in one round and theirs first in the next; our server and
its settlement are at rest while a rival runs. Neither side has a warm-up: all turns count, but in `hot` ours
plays a first packet that does not. Ours does more for each claim: login, the framed protocol, tickets, pushes to
the group, balances, and settlement into double-entry books during the measurement. In `hot` all users tap first
and press open at one moment when everybody has been answered: ours is the shares of a packet by the time from the
press to the last win, in the median round, theirs all claims by the time for all of them."""

LATENCY_NOTE: Final = """\
In ms; of several rounds the one with the median rate. In a closed loop latency follows from the load (users by
rate). How long somebody waits at a given rate is what the open loops say, which count from when a user meant to
begin, after a warm-up of a second. The rivals are in italics."""

COSTS_NOTE: Final = """\
Processor time in µs for each turn, of all processors together; a turn of `open` is a grab and an open, of `hot`
all that one user does with one packet, of `push` one delivery (its generator hears those of the bare server too),
else one request. A generator that was busy for 90 % of a core or more may be what limited the rate (⚠). Unsettled
are the claims not yet credited when the clock stopped; settlement ran all the time, and went on at the rate in
the last column."""

RIVALS_HEADS: Final = ("rival", "what it is", "what it lacks", '"won" is said when')
RIVALS: Final = (
    (
        "redis-lua",
        "One `EVALSHA` for each claim, as most teams write it: a hash of what is left, a set of users, a list of "
        "claims, a random share drawn in Lua. Driven by prebuilt commands over TCP, so that Redis is measured and "
        "not its caller. The lean script does the same with the fewest calls.",
        "a server in front of it; books (wallets, transfers, an audit); a retry that finds what it won; amounts "
        "that anybody can verify; refunds",
        "the append-only file is fsynced; ours at tier `redis` the same, then records in PostgreSQL as well",
    ),
    (
        "sql-lock",
        "One transaction for each claim: lock the envelope's row, insert the claim, take the share, pay the "
        "wallet, write an order, commit. Prepared statements, a pool of the size that suits it, the usual defects "
        "mended.",
        "a server in front of it; a retry that finds what it won; amounts that anybody can verify; refunds; and "
        "one hot packet is one queue",
        "the commit is fsynced; ours at tier `postgres` the same",
    ),
    (
        "echo",
        "Not a rival but the ceiling: our frames on a bare uvloop `Protocol` that decodes, counts and encodes.",
        "users, packets, money, stores, limits",
        "never: it stores nothing",
    ),
)


def _header(told: Measured) -> str:
    about = told["about"]
    memory = f"{about['memory_mb'] / 1000:.1f} GB"
    versions = (
        f"Python {about['python']}, uvloop {about['uvloop']}, PostgreSQL {about['postgres']}, {about['redis']}"
    )
    facts = {
        "commit": f"`{about['commit'] or 'unknown'}`",
        "when": about["at"],
        "machine": f"{about['cpu']}, {about['cores']} cores, {memory}, kernel {about['kernel']}",
        "versions": versions,
        "command": f"`{about['command']}`",
        "how much": f"{told['rounds']} rounds of what is compared, seed {told['seed']}, {told['seconds']} s in all",
    }
    config = f"```toml\n{about['config'].strip()}\n```"
    details = f"<details><summary>Config of the servers</summary>\n\n{config}\n\n</details>"
    return f"{_table(('', ''), facts.items())}\n\n{details}"


def _targets(told: Measured) -> str:
    heads = ("scenario", "must", "aim", "measured", "reached", "echo ceiling")
    return _table(heads, (_target(told, one) for one in TARGETS), right=(1, 2, 3, 5))


def _target(told: Measured, target: Target) -> Iterator[str]:
    yield target.words
    for bound in (target.must, target.aim):
        sign = "≤ " if target.at_most else ""
        yield NOTHING if bound is None else f"{sign}{number(bound)}{target.unit}"
    found = target.found(told)
    yield "not measured" if found is None else _spread(found, target.unit)
    yield NOTHING if found is None else mark(target, found.value)
    ceiling = _rate_of(target.ceiling)(told)
    yield NOTHING if ceiling is None else f"{number(ceiling.value)}/s ({target.ceiling.removeprefix('echo, ')})"


def _spread(found: Found, unit: str) -> str:
    several = f" ({number(found.low)}–{number(found.high)})" if found.low < found.high else ""
    return f"**{number(found.value)}{unit}**{several}"


def _pairs(told: Measured) -> str:
    heads = ("ours", "rival", "ours, per second", "theirs, per second", "ratio", "must", "aim", "reached")
    return _table(heads, (_pair(pair) for pair in told["pairs"]), right=(2, 3, 4, 5, 6))


def _pair(pair: Mapping[str, Any]) -> Iterator[str]:
    yield pair["run"]
    yield pair["rival"]
    yield number(median(pair["ours"]))
    yield number(median(pair["theirs"]))
    yield _spread(Found(pair["ratio"], pair["low"], pair["high"]), "")
    target = RATIOS.get(pair["name"])
    bounds = (None, None) if target is None else (target.must, target.aim)
    yield from (NOTHING if bound is None else number(bound) for bound in bounds)
    yield NOTHING if target is None else mark(target, pair["ratio"])


def _latency_table(told: Measured) -> str:
    heads = ("run", "load", "per second", "p50", "p99", "p99.9", "max")
    rows = [(name, _load(figures), *_latencies(figures)) for name, figures in _middles(told["runs"])]
    rivals = [(f"_{name}_", _users(figures), *_latencies(figures)) for name, figures in _middles(told["rivals"])]
    return _table(heads, [*rows, *rivals], right=range(2, len(heads)))


def _errors(told: Measured) -> str:
    """What was not answered as it should be, in any run."""
    found = [
        f"{name}: {', '.join(f'{count:,} {error}' for error, count in figures['errors'].items())}"
        for name, several in told["runs"].items()
        for figures in several
        if figures["errors"]
    ]
    return f"Errors: {'; '.join(found)}." if found else "No request failed in any of these runs."


def _middles(runs: Mapping[str, Sequence[Figures]]) -> Iterator[tuple[str, Figures]]:
    """Of each, the run with the median rate."""
    for name, several in runs.items():
        in_order = sorted(several, key=lambda figures: float(figures["rate_per_s"]))
        yield name, in_order[(len(in_order) - 1) // 2]


def _load(figures: Figures) -> str:
    if figures["loop"] == "open":
        return f"{figures['connections']:,}, open loop {number(figures['offered_per_s'])}/s"
    depth_of = SCENARIOS[figures["scenario"]].depth_of
    if not figures["depth"]:
        return f"{figures['connections']:,}"
    if depth_of == Scenario.depth_of:
        return _users(figures)
    return f"{figures['connections']:,}, {figures['depth']} {depth_of}"


def _users(figures: Figures) -> str:
    return f"{figures['connections']:,} × {figures['depth']:,}"


def _costs_table(told: Measured) -> str:
    heads = ("run", "server", "PostgreSQL", "Redis", "generator", "busiest generator", "unsettled", "settled after")
    rows = [(name, *_costs(figures)) for name, figures in _middles(told["runs"])]
    return _table(heads, rows, right=range(1, len(heads)))


def _costs(figures: Figures) -> Iterator[str]:
    turns = figures["requests"]
    for process in PROCESSES:
        used_us = figures["cpu_s"][process] * 1e6
        yield f"{used_us / turns:.1f}" if turns and used_us else NOTHING
    busy = figures["generator_busy"]
    yield f"{100 * busy:.0f} %{' ⚠' if busy >= BUSY else ''}"
    settled = figures["settlement"]
    yield NOTHING if settled["backlog"] is None else number(settled["backlog"])
    yield NOTHING if settled["drain_per_s"] is None else f"{number(settled['drain_per_s'])}/s"


def _latencies(figures: Figures) -> Iterator[str]:
    yield number(figures["rate_per_s"]) if figures["rate_per_s"] else NOTHING
    for name in PERCENTILES:
        value_ms = figures["latency_ms"][name]
        yield number(value_ms) if value_ms else NOTHING


def _table(heads: Sequence[str], rows: Any, right: Sequence[int] = ()) -> str:
    """A table of Markdown; columns `right` are set to the right."""
    lines = [heads, ["---:" if place in right else "---" for place in range(len(heads))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# --- the chart ------------------------------------------------------------------------------------------------

NAMESPACE: Final = "http://www.w3.org/2000/svg"
WIDTH: Final = 760
LABEL: Final = 22  # pixels of a line of words
BAR: Final = 18
GAP: Final = 14
NUMBERS: Final = 250  # pixels to the right of the longest bar
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1a1c1f } .soft { fill: #5b626b } .name { font-weight: 600 }
.ours { fill: #0072b2 } .theirs { fill: #9aa3ad } .spread { stroke: #1a1c1f }
@media (prefers-color-scheme: dark) { text { fill: #e9ecef } .soft { fill: #a0a8b1 } .ours { fill: #4fb0ec }
  .theirs { fill: #6d7580 } .spread { stroke: #e9ecef } }
"""


class Bar(NamedTuple):
    """One rate by round."""

    kind: str  # class
    words: str
    rates: Sequence[float]


def picture(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Bars of ours and of the rivals as an SVG of its own: medians, with a line from the lowest to the highest."""
    most = max((max(*pair["ours"], *pair["theirs"]) for pair in pairs), default=1)
    drawn, y = [], 0.0
    for name, those in groupby(pairs, key=lambda pair: str(pair["run"])):
        drawn.append(element("text", name, class_="name", x=0, y=y + 15))
        y += LABEL
        for bar in _bars(list(those)):
            drawn.append(_bar(bar, y, (WIDTH - NUMBERS) / most))
            y += BAR + 2
        y += GAP
    words = "; ".join(f"{pair['run']} is × {number(pair['ratio'])} of {pair['rival']}" for pair in pairs)
    inside = [
        element("title", "Ours and the rivals, per second"),
        element("desc", words),
        element("style", Markup(STYLE)),
        *drawn,
    ]
    box = f"0 0 {WIDTH} {y:.0f}"
    return element("svg", *inside, xmlns=NAMESPACE, role="img", width=WIDTH, height=y, viewBox=box) + "\n"


def _bars(pairs: Sequence[Mapping[str, Any]]) -> Iterator[Bar]:
    """Ours, which is the same in all of these, and each rival."""
    yield Bar("ours", "hongbao", pairs[0]["ours"])
    for pair in pairs:
        yield Bar("theirs", f"{pair['rival']}: ours is × {number(pair['ratio'])}", pair["theirs"])


def _bar(bar: Bar, y: float, pixels_each: float) -> Markup:
    low, middle, high = (value * pixels_each for value in (min(bar.rates), median(bar.rates), max(bar.rates)))
    centre = y + BAR / 2
    return together(
        element("rect", class_=bar.kind, x=0, y=y, width=middle, height=BAR),
        element("line", class_="spread", x1=low, x2=high, y1=centre, y2=centre),
        element("text", number(median(bar.rates)), x=max(middle, high) + 8, y=y + 13.5),
        element("text", bar.words, class_="soft", x=max(middle, high) + 66, y=y + 13.5),
    )
