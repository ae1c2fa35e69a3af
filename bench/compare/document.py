"""docs/benchmarks.md: what the short set measured, beside what must be reached (bench.compare.targets)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.compare.rivals_chart import picture
from bench.compare.targets import NOTHING, RATIOS, TARGETS, Figures, Found, Measured, Requirement, mark, rate_of
from bench.report.chart import number
from bench.scenarios import SCENARIOS
from bench.scenarios.scenario import Scenario

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- by hand -->"
END: Final = "<!-- end -->"
BUSY: Final = 0.9  # a generator with so little air may be what limits the rate
PROCESSES: Final = ("server", "postgres", "redis", "generator")
PERCENTILES: Final = ("p50", "p99", "p99_9", "max")


def markdown(told: Measured, by_hand: str, chart: str) -> str:
    """The whole page; `by_hand` is what stands between the marks, `chart` the name of the file beside it."""
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        _header(told),
        "## What must be reached",
        _targets(told),
        TARGETS_NOTE,
        "## Against what people would pick instead",
        f"![Ours and the rivals, per second]({chart})",
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
        "## Guard",
        GUARD,
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

GUARD: Final = """\
`make guard` (`hongbao bench guard --against REV`) shows whether a change costs speed. The server of this checkout
and that of another revision stand under the same load in turns: `opens` with 1,000 × 1 and 200 × 8 in both tiers,
`grab` and `push`. What is judged is the processor time of the server's process for each request, until everything
is settled; rates are printed only. Pairs of runs are added, at most 15, until the 95 % interval of the ratio new by
old is ±3 %. It fails if this whole interval is above 1.05 (`--limit`), or if a money verdict does not hold. One
generator, that of this checkout, drives both servers; if it does not understand the other server, each checkout's
own `hongbao bench` drives its server, and the processor time is that while the clock ran."""

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


def _target(told: Measured, target: Requirement) -> Iterator[str]:
    yield target.words
    for bound in (target.must, target.aim):
        sign = "≤ " if target.at_most else ""
        yield NOTHING if bound is None else f"{sign}{number(bound)}{target.unit}"
    found = target.found(told)
    yield "not measured" if found is None else _spread(found, target.unit)
    yield NOTHING if found is None else mark(target, found.value)
    ceiling = rate_of(target.ceiling)(told)
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
