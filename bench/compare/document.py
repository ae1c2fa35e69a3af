"""docs/benchmarks.md: the results of the suite beside the targets (bench.compare.targets)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.compare.rivals_chart import picture
from bench.compare.rivals_table import RIVALS
from bench.compare.targets import RATIOS, TARGETS, Found, Measured, Requirement, rate_of
from bench.report.words import GENERATOR_BUSY_MAX, NONE, SUMMARY_KEYS, Figures, number
from bench.scenarios import SCENARIOS
from bench.scenarios.scenario import Scenario

PAGE: Final = Path(__file__).parent.parent.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- by hand -->"
END: Final = "<!-- end -->"
NO_TARGET: Final = Requirement("", lambda _: None)
PROCESSES: Final = ("server", "postgres", "redis", "generator")

TEMPLATE: Final = """\
# Benchmarks

Written by `make bench`, which is `hongbao bench short`; only "Where the time goes" is written by hand. Server,
PostgreSQL, Valkey and the load generators share the cores of one machine. Figures of different machines cannot be
compared. Therefore the upper bound of this machine is listed beside each figure: our protocol on a bare server
without anything behind it (`echo`). Our server and the rivals were measured in turns, within minutes.

```
make bench                                                       # this page
hongbao bench compare --rounds 3 --json ratios.json              # only the ratios
hongbao bench opens --closed --connections 200 --depth 8 --durability redis    # only one row
```

A run counts only if its **money verdict** holds: every claim and send that a user was told is in the books,
nothing twice, nothing oversold, no difference in money, and the audit is clean. All runs here have passed it; a run
without stores (`echo`) has no money.

{header}

## Targets

{targets}

Median of the rounds, and in brackets the lowest and the highest of several rounds. ✓ the required figure is
reached, ✓✓ the goal is reached. Loops are closed unless the row says otherwise: connections × operations in flight
on each. The upper bound is `echo` in the same session, at the connections and depth in brackets.
`idle`, `idle-websocket`, `http-open`, `http-send` and `webhooks` run on servers of their own, with what they need
switched on: WebSocket, the HTTP API, webhooks to this machine. A delivery that does not come makes the lag
infinite.

## Comparison with rivals

![Our server and the rivals, per second]({chart})

{pairs}

Rates are medians over the rounds, the ratio is the median of the ratios of the rounds. Both sides run on the same
stores with the same durability, in turns, ours first in one round and theirs first in the next; our server and its
settlement are idle while a rival runs. Neither side has a warm-up: all operations count, but in `hot` our server
has a first packet that does not count. Our server does more for each claim: login, the framed protocol, tickets,
pushes to the group, balances, and settlement into double-entry books during the measurement. In `hot` all users tap
first, and press open at one moment when all of them have been answered: our rate is the shares of a packet by the
time from the press to the last win, in the median round; the rival's rate is all claims by the time for all of
them.

{rivals}

## Latency

In ms; of several rounds the one with the median rate. In a closed loop the latency follows from the load (users by
rate). The latency of a user at a given rate is that of the open loops, which count from the planned start of a
request, after a warm-up of one second. The rivals are in italics.

{latency}

{errors}

## Processor time and settlement

Processor time in µs for each operation, of all processors together. An operation of `open` is a grab and an open,
of `hot` everything that one user does with one packet, of `push` one delivery (its generator also reads those of
the bare server), otherwise one request. A generator that was busy for 90 % of a core or more may limit the rate
(⚠). Unsettled are the claims not yet credited when the clock stopped; settlement ran during the whole measurement,
and continued at the rate in the last column.

{costs}

## Where the time goes

{begin}{by_hand}{end}
"""

GUARD: Final = """\
`make guard` (`hongbao bench guard --against REV`) shows whether a change costs speed. The servers of this
checkout and of another revision get the same load in turns: `opens` with 1,000 × 1 and 200 × 8 with both
durabilities, `grab` and `push`. The measure is the processor time of the server process per request, until
everything is settled; rates are only printed. Pairs of runs are added, at most 15, until the 95 % interval of
the ratio new by old is ±3 %. The guard fails if this whole interval is above 1.05 (`--limit`), or if a money
verdict does not hold. The generator of this checkout drives both servers; if it does not understand the other
server, each checkout's own `hongbao bench` drives its server."""


def markdown(measured: Measured, by_hand: str, chart: str) -> str:
    """The whole page; `by_hand` is the text between the marks, `chart` the name of the file beside it."""
    return TEMPLATE.format(
        header=_header(measured),
        targets=_table(
            ("scenario", "required", "goal", "measured", "result", "echo upper bound"),
            (_target(measured, one) for one in TARGETS),
            right=(1, 2, 3, 5),
        ),
        chart=chart,
        pairs=_table(
            ("ours", "rival", "ours, per second", "theirs, per second", "ratio", "required", "goal", "result"),
            map(_pair, measured["pairs"]),
            right=range(2, 7),
        ),
        rivals=_table(("rival", "description", "missing features", '"won" is answered when'), RIVALS),
        latency=_latency_table(measured),
        errors=_errors(measured),
        costs=_costs_table(measured),
        begin=BEGIN,
        by_hand=by_hand,
        end=END,
    )


def section_by_hand(page: Path) -> str:
    """The text between the marks of a file, which may not exist yet.

    Raises OSError, and ValueError if the marks are not one pair in order.
    """
    text = page.read_text("utf-8") if page.exists() else ""
    if BEGIN not in text and END not in text:
        return "\n"
    inside = text.partition(BEGIN)[2].partition(END)[0]
    if text.count(BEGIN) != 1 or text.count(END) != 1 or BEGIN + inside + END not in text:
        raise ValueError(f"the section by hand must stand between one {BEGIN} and one {END}: fix the page first")
    return inside


def write(measured: Measured, page: Path) -> None:
    """Write the page and its chart beside it; the section by hand stays. Raises OSError, ValueError."""
    chart = page.with_suffix(".svg")
    text = markdown(measured, section_by_hand(page), chart.name)
    chart.write_text(picture(measured["pairs"]), "utf-8")
    page.write_text(text, "utf-8")


def _header(measured: Measured) -> str:
    about = measured["about"]
    memory = f"{about['memory_mb'] / 1000:.1f} GB"
    versions = (
        f"Python {about['python']}, uvloop {about['uvloop']}, PostgreSQL {about['postgres']}, {about['redis']}"
    )
    facts = {
        "commit": f"`{about['commit'] or 'unknown'}`",
        "when": about["at"],
        "machine": f"{about['cpu']}, {about['cores']} cores, {memory}, kernel {about['kernel']}",
        "versions": versions,
        "modules": about["modules"],
        "command": f"`{about['command']}`",
        "size": f"{measured['rounds']} rounds of the comparison, seed {measured['seed']}, {measured['seconds']} s",
    }
    config = f"```toml\n{about['config'].strip()}\n```"
    details = f"<details><summary>Config of the servers</summary>\n\n{config}\n\n</details>"
    return f"{_table(('', ''), facts.items())}\n\n{details}"


def _target(measured: Measured, target: Requirement) -> Iterator[str]:
    yield target.text
    yield from _bounds(target)
    found = target.find(measured)
    yield "not measured" if found is None else _spread(found, target.unit)
    yield NONE if found is None else target.mark(found.value)
    upper = rate_of(target.upper_bound)(measured)
    yield NONE if upper is None else f"{number(upper.value)}/s ({target.upper_bound.removeprefix('echo, ')})"


def _bounds(target: Requirement) -> Iterator[str]:
    sign = "≤ " if target.at_most else ""
    for bound in (target.required, target.goal):
        yield NONE if bound is None else f"{sign}{number(bound)}{target.unit}"


def _pair(pair: Mapping[str, Any]) -> Iterator[str]:
    yield pair["run"]
    yield pair["rival"]
    yield number(median(pair["ours"]))
    yield number(median(pair["theirs"]))
    yield _spread(Found(pair["ratio"], pair["low"], pair["high"]), "")
    target = RATIOS.get(pair["name"], NO_TARGET)
    yield from _bounds(target)
    yield target.mark(pair["ratio"])


def _spread(found: Found, unit: str) -> str:
    several = f" ({number(found.low)}–{number(found.high)})" if found.low < found.high else ""
    return f"**{number(found.value)}{unit}**{several}"


def _errors(measured: Measured) -> str:
    found = [
        f"{name}: {', '.join(f'{count:,} {error}' for error, count in figures['errors'].items())}"
        for name, several in measured["runs"].items()
        for figures in several
        if figures["errors"]
    ]
    return f"Errors: {'; '.join(found)}." if found else "No request failed in any of these runs."


def _middle_runs(runs: Mapping[str, Sequence[Figures]]) -> Iterator[tuple[str, Figures]]:
    """Of each name, the run with the median rate."""
    for name, several in runs.items():
        in_order = sorted(several, key=lambda figures: float(figures["rate_per_s"]))
        yield name, in_order[(len(in_order) - 1) // 2]


def _latency_table(measured: Measured) -> str:
    heads = ("run", "load", "per second", "p50", "p99", "p99.9", "max")
    rows = [(name, _load(figures), *_latencies(figures)) for name, figures in _middle_runs(measured["runs"])]
    rivals = _middle_runs(measured["rivals"])
    rows += [(f"_{name}_", _users(figures), *_latencies(figures)) for name, figures in rivals]
    return _table(heads, rows, right=range(2, len(heads)))


def _latencies(figures: Figures) -> Iterator[str]:
    yield number(figures["rate_per_s"]) if figures["rate_per_s"] else NONE
    for key in SUMMARY_KEYS:
        value_ms = figures["latency_ms"][key]
        yield number(value_ms) if value_ms else NONE


def _load(figures: Figures) -> str:
    if figures["loop"] == "open":
        return f"{figures['connections']:,}, open loop {number(figures['offered_per_s'])}/s"
    if not figures["depth"]:
        return f"{figures['connections']:,}"
    depth_of = SCENARIOS[figures["scenario"]].depth_of
    is_usual = depth_of == Scenario.depth_of
    return _users(figures) if is_usual else f"{figures['connections']:,}, {figures['depth']} {depth_of}"


def _users(figures: Figures) -> str:
    return f"{figures['connections']:,} × {figures['depth']:,}"


def _costs_table(measured: Measured) -> str:
    heads = ("run", "server", "PostgreSQL", "Redis", "generator", "busiest generator", "unsettled", "settled after")
    rows = [(name, *_costs(figures)) for name, figures in _middle_runs(measured["runs"])]
    return _table(heads, rows, right=range(1, len(heads)))


def _costs(figures: Figures) -> Iterator[str]:
    operations = figures["requests"]
    for process in PROCESSES:
        used_us = figures["cpu_s"][process] * 1e6
        yield f"{used_us / operations:.1f}" if operations and used_us else NONE
    busy = figures["generator_busy"]
    yield f"{100 * busy:.0f} %{' ⚠' if busy >= GENERATOR_BUSY_MAX else ''}"
    settled = figures["settlement"]
    yield NONE if settled["backlog"] is None else number(settled["backlog"])
    yield NONE if settled["drain_per_s"] is None else f"{number(settled['drain_per_s'])}/s"


def _table(heads: Sequence[str], rows: Any, right: Sequence[int] = ()) -> str:
    """A Markdown table; the columns `right` are aligned to the right."""
    lines = [heads, ["---:" if place in right else "---" for place in range(len(heads))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
