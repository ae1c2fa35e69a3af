"""One or several runs as one HTML page that needs nothing else: no network, no script, no file beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import chart
from bench.chart import Line, Mark, Part, number
from bench.markup import Inside, Markup, element, together
from bench.style import STYLE
from server.report import yuan

COLOURS: Final = 8  # then they come round again
PERCENTILES: Final = {  # name in the document -> as people write it, its percent
    "p50": ("p50", 50.0),
    "p90": ("p90", 90.0),
    "p99": ("p99", 99.0),
    "p99_9": ("p99.9", 99.9),
    "p99_99": ("p99.99", 99.99),
}
TOLD: Final = ("p99", "p99_9", "p99_99")  # written into the chart of a single run
PROCESSES: Final = {  # name in the document -> as people write it, its colour
    "server": ("server", "c6"),
    "postgres": ("PostgreSQL", "c5"),
    "redis": ("Redis or Valkey", "c4"),
    "generator": ("generator", "c7"),
}
UNITS: Final = {  # end of a name -> its unit; the longest that fits
    "_ms": "ms",
    "_s": "s",
    "_per_s": "per second",
    "_kib": "KiB",
    "_mb": "MB",
    "_fen": "yuan",
}
FILLED: Final = 0.95  # so much of a second has to be there for its count to be one per second
BUSY: Final = 0.9  # a generator with so little air may be what limits the rate
FAULTS: Final = (
    ("missing", "told to users and missing in the books"),
    ("duplicates", "told twice"),
    ("oversold", "in the books and told to nobody"),
)
RARE: Final = {"pushes": "pushes taken", "in_doubt": "claims in doubt"}  # shown if there are any
NOTHING: Final = "–"


class Run(NamedTuple):
    """A document with what tells it apart on the page."""

    place: int  # from 0
    told: Mapping[str, Any]

    @property
    def colour(self) -> str:
        """The class of its lines."""
        return f"c{self.place % COLOURS}"

    @property
    def name(self) -> str:
        """A few words for legends."""
        void = "" if self.told["valid"] else ", void"
        return f"{self.place + 1} {self.told['scenario']}, {_tier(self.told)}{_load(self.told)}{void}"

    @property
    def latencies_ms(self) -> list[tuple[float, float]]:
        """The latency curve as far as it can be drawn on a logarithmic scale."""
        last = chart.PERCENTS[-1]
        return [(percent, value) for percent, value in self.told["curve"] if percent <= last and value > 0]


def page(documents: Sequence[dict[str, Any]]) -> str:
    """The page, for one run or to compare several; for at least one."""
    runs = [Run(place, told) for place, told in enumerate(documents)]
    title = f"{_title(runs[0].told)} – hongbao bench" if len(runs) == 1 else f"{len(runs)} runs – hongbao bench"
    content = _one(runs[0]) if len(runs) == 1 else _several(runs)
    head = together(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    whole = element("html", element("head", head), element("body", element("main", *content)), lang="en")
    return f"<!doctype html>\n{whole}\n"


def write(documents: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Write the page and each document beside it; the path of the page. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, document in enumerate(documents, 1):
        words = re.sub(r"[^a-z0-9]+", "-", f"{document['scenario']} {document['durability']}".lower()).strip("-")
        (folder / f"{place:02d}-{words}.json").write_text(json.dumps(document, indent=2) + "\n")
    index = folder / "index.html"
    index.write_text(page(documents), "utf-8")
    return index


# --- the two kinds of page ------------------------------------------------------------------------------------


def _one(run: Run) -> Iterator[Markup]:
    lede = element("p", _sentence(run.told), class_="lede")
    yield element("header", element("h1", _title(run.told)), lede, _ground(run.told))
    yield _key_figures(run.told)
    yield _verdict(run.told)
    yield from _charts([run])
    yield _section("What was answered, and the money", _tables(run))


def _several(runs: Sequence[Run]) -> Iterator[Markup]:
    yield element("header", element("h1", f"{len(runs)} runs compared"), _comparison(runs))
    yield from _charts(runs)
    for run in runs:
        name = element("h2", _swatch(run.colour), run.name)
        lede = element("p", _sentence(run.told), class_="lede")
        yield element("section", name, lede, _ground(run.told), _verdict(run.told), _tables(run))


def _section(title: str, *inside: Inside) -> Markup:
    return element("section", element("h2", title), *inside)


# --- words ----------------------------------------------------------------------------------------------------


def _load(told: Mapping[str, Any]) -> str:
    if told["loop"] == "open":
        return f"open {number(told['offered_per_s'] or 0)}/s"
    return f"closed {told['connections']:,} × {told['depth']}"


def _title(told: Mapping[str, Any]) -> str:
    return f"{told['scenario']}, {_tier(told)}{told['loop']} loop"


def _tier(told: Mapping[str, Any]) -> str:
    return f"tier {told['durability']}, " if _has_books(told) else ""


def _has_books(told: Mapping[str, Any]) -> bool:
    """False for the bare echo, which records nothing."""
    return bool(told["durability"] != "none")


def _sentence(told: Mapping[str, Any]) -> str:
    """What ran."""
    generators = f"{told['generators']} generator{'s' if told['generators'] != 1 else ''}"
    ran = f"{told['requests']:,} requests in {number(told['seconds'])} s"
    if told["loop"] == "open":
        offered = f"{number(told['offered_per_s'] or 0)} per second were offered by a seeded plan"
        return (
            f"{ran} over {told['connections']:,} connections from {generators}. {offered}; "
            "latency counts from when a request was meant to start, so late work is in it."
        )
    return (
        f"{ran} over {told['connections']:,} connections from {generators}, {told['depth']} under way on each. "
        "A closed loop waits for the server: its latencies do not show what a queue would add."
    )


def _ms(value_ms: float) -> str:
    """A latency; that of nobody is 0."""
    return f"{number(value_ms)} ms" if value_ms else NOTHING


def _reading(told: Mapping[str, Any]) -> str:
    """The latencies in words."""
    ms = told["latency_ms"]
    if not told["curve"]:
        return "No latencies were measured."
    return (
        f"Half of the requests took at most {_ms(ms['p50'])}, 1 in 100 more than {_ms(ms['p99'])}, "
        f"1 in 1,000 more than {_ms(ms['p99_9'])}; the slowest took {_ms(ms['max'])}."
    )


def _faults(told: Mapping[str, Any]) -> list[str]:
    """What contradicts, in words."""
    found = [f"{told[name]:,} {words}" for name, words in FAULTS if told[name]]
    difference_fen = told["money"]["difference_fen"]
    return [*found, f"{yuan(difference_fen)} yuan of difference"] if difference_fen else found


def _verdict(told: Mapping[str, Any]) -> Markup:
    if not _has_books(told):
        return element("p", "No money verdict: this run keeps no books.", class_="note")
    if told["valid"]:
        words = "nothing missing, nothing twice, nothing oversold, not a fen of difference."
        return _notice("good", "The money verdict holds: ", words)
    words = "; ".join(_faults(told)) or "an audit check failed"
    return _notice("bad", "Void: the books contradict what users were told. ", f"{words}.")


def _notice(kind: str, strong: str, words: str) -> Markup:
    sign = "✓" if kind == "good" else "✗"
    mark = element("span", sign, class_="sign", aria_hidden="true")
    return element("p", mark, element("span", element("strong", strong), words), class_=f"notice {kind}")


# --- figures --------------------------------------------------------------------------------------------------


def _key_figures(told: Mapping[str, Any]) -> Markup:
    ms = told["latency_ms"]
    figures = [
        (told["rate_of"], f"{told['rate_per_s']:,.0f}", "/s"),
        *((PERCENTILES[name][0], *_ms(ms[name]).split()) for name in ("p50", "p99", "p99_9")),
    ]
    tiles = (
        element("div", element("dt", words), element("dd", value, *(element("small", f" {one}") for one in unit)))
        for words, value, *unit in figures
    )
    return element("dl", *tiles, class_="key")


def _comparison(runs: Sequence[Run]) -> Markup:
    percentiles = ("p50", "p99", "p99_9", "p99_99", "max")
    heads = ["run", "per second", "to run 1", *(_name_of(name) for name in percentiles), "server CPU", "errors"]
    rows = []
    for run in runs:
        told, first = run.told, runs[0].told
        same = told["rate_of"] == first["rate_of"] and first["rate_per_s"]
        cells = [
            f"{told['rate_per_s']:,.0f}",
            f"× {told['rate_per_s'] / first['rate_per_s']:.2f}" if same else NOTHING,
            *(_ms(told["latency_ms"][name]).removesuffix(" ms") for name in percentiles),
            f"{number(_cores(told, 'server'))} cores",
            f"{sum(told['errors'].values()):,}",
        ]
        kind, word = ("good", "holds") if told["valid"] else ("bad", "void")
        if not _has_books(told):
            kind, word = "", NOTHING
        name = element("th", _swatch(run.colour), run.name, scope="row")
        rows.append(element("tr", name, *(element("td", cell) for cell in cells), element("td", word, class_=kind)))
    head = element("tr", *(element("th", words, scope="col") for words in (*heads, "money")))
    table = element("table", element("thead", head), element("tbody", *rows), class_="wide")
    note = element("p", f"Latencies in ms. What is counted per second: {_rates_of(runs)}.", class_="note")
    label = "All runs side by side"
    return together(element("div", table, class_="scroll", role="region", aria_label=label, tabindex="0"), note)


def _rates_of(runs: Sequence[Run]) -> str:
    """What the rates count: for all runs together, or one by one."""
    rates = [str(run.told["rate_of"]) for run in runs]
    return rates[0] if len(set(rates)) == 1 else "; ".join(f"{place} {rate}" for place, rate in enumerate(rates, 1))


def _name_of(percentile: str) -> str:
    return PERCENTILES[percentile][0] if percentile in PERCENTILES else percentile


def _swatch(colour: str, kind: str = "solid") -> Markup:
    return element("span", class_=f"swatch {kind} {colour}", aria_hidden="true")


# --- charts ---------------------------------------------------------------------------------------------------


def _charts(runs: Sequence[Run]) -> Iterator[Markup]:
    yield _section("Latency", _latency(runs))
    yield _section("Over time", element("div", _throughput(runs), _slowness(runs), class_="pair"), _on_time(runs))
    yield _section("Processor time", _processors(runs))


def _latency(runs: Sequence[Run]) -> Markup:
    measured = [run for run in runs if run.latencies_ms]
    if not measured:
        return element("p", "No latencies were measured.", class_="note")
    curves = [Line(run.name, run.colour, run.latencies_ms) for run in measured]
    y = chart.logarithmic("ms", [value for run in measured for _, value in run.latencies_ms])
    x = chart.percentiles("percentile of requests")
    marks = [mark for run in measured for mark in _marks(run, with_words=len(runs) == 1)]
    words = " ".join(_reading(run.told) if len(runs) == 1 else f"{run.name}: {_reading(run.told)}" for run in runs)
    drawn = chart.lines("latency", "Latency by percentile", words, x, y, curves, marks)
    below = element("p", words, class_="note") if len(runs) == 1 else _legend(runs)
    return element("figure", drawn, element("figcaption", below))


def _marks(run: Run, with_words: bool) -> Iterator[Mark]:
    for key, (name, percent) in PERCENTILES.items():
        value_ms = run.told["latency_ms"][key]
        if value_ms > 0:
            words = _ms(value_ms) if with_words and key in TOLD else ""
            yield Mark(percent, value_ms, run.colour, words, f"{name} of {run.name}: {_ms(value_ms)}")


def _whole_seconds(told: Mapping[str, Any]) -> list[tuple[int, int, float | None]]:
    """(second, completed, p99 in ms), with 0 in a second without any; not the last one if the run ended in it."""
    found = {part["second"]: (part["completed"], part["p99_ms"]) for part in told["series"]}
    if not found:
        return []
    last = max(found)
    if len(found) > 1 and last + FILLED > told["seconds"]:
        last -= 1
    return [(second, *found.get(second, (0, None))) for second in range(min(found), last + 1)]


def _throughput(runs: Sequence[Run]) -> Markup:
    curves = []
    for run in runs:
        seconds = _whole_seconds(run.told)
        curves.append(Line("completed", run.colour, [(second + 0.5, count) for second, count, _ in seconds]))
        if run.told["offered_per_s"] and seconds:
            offered = run.told["offered_per_s"]
            ends: list[chart.Point] = [(0.0, offered), (seconds[-1][0] + 1.0, offered)]
            curves.append(Line("offered", run.colour, ends, dashed=True))
    most = max((value for curve in curves for _, value in curve.points if value is not None), default=0.0)
    name, y = "requests completed per second", chart.linear("per second", most)
    return _timeline("throughput", "Throughput", name, runs, y, curves)


def _slowness(runs: Sequence[Run]) -> Markup:
    curves = [
        Line("p99", run.colour, [(second + 0.5, ms or None) for second, _, ms in _whole_seconds(run.told)])
        for run in runs
    ]
    values = [value for curve in curves for _, value in curve.points if value is not None]
    return _timeline(
        "slowness", "p99 by second", "p99 of each second", runs, chart.logarithmic("ms", values), curves
    )


def _timeline(
    name: str, title: str, what: str, runs: Sequence[Run], y: chart.Axis, curves: Sequence[Line]
) -> Markup:
    last = max((seconds[-1][0] + 1 for run in runs if (seconds := _whole_seconds(run.told))), default=0)
    if not last:
        return element("p", f"{title}: no second was recorded.", class_="note")
    described = "; ".join(_range(curve) for curve in curves)
    drawn = chart.lines(name, title, f"{what}: {described}", chart.span("seconds", last), y, curves)
    return element("figure", element("h3", title), drawn)


def _range(curve: Line) -> str:
    """A line in words."""
    values = [value for _, value in curve.points if value is not None]
    return f"{curve.name} {number(min(values))} to {number(max(values))}" if values else f"{curve.name} unknown"


def _on_time(runs: Sequence[Run]) -> Markup:
    """The legend of both timelines, and what one has to know to read them."""
    entries = _entries(runs) if len(runs) > 1 else [element("li", _swatch(runs[0].colour), "completed")]
    offered = {run.told["offered_per_s"]: run.colour for run in runs if run.told["offered_per_s"]}
    for per_s, colour in offered.items():
        entries.append(element("li", _swatch(colour, "dashed"), f"offered {number(per_s)}/s"))
    words = "A last second that the run did not fill is left out."
    if warmup_s := max(run.told["warmup_s"] for run in runs):
        words += f" The first {number(warmup_s)} s are warm-up, which the rate and the latencies leave out."
    return together(element("ul", *entries, class_="legend"), element("p", words, class_="note"))


def _entries(runs: Sequence[Run]) -> list[Markup]:
    return [element("li", _swatch(run.colour), run.name) for run in runs]


def _legend(runs: Sequence[Run]) -> Markup:
    return element("ul", *_entries(runs), class_="legend")


def _cores(told: Mapping[str, Any], process: str) -> float:
    """How many cores a process kept busy."""
    return round((told["cpu_s"].get(process) or 0) / told["seconds"], 2) if told["seconds"] else 0.0


def _processors(runs: Sequence[Run]) -> Markup:
    """How many cores each process kept busy, on one scale for all runs."""
    busy = [sum(_cores(run.told, process) for process in PROCESSES) for run in runs]
    axis = chart.span("cores", max(*busy, *(run.told["about"]["cores"] for run in runs)))
    figures = (_cores_of(run, axis, with_name=len(runs) > 1) for run in runs)
    return element("div", *figures, class_="pair" if len(runs) > 1 else "single")


def _cores_of(run: Run, axis: chart.Axis, with_name: bool) -> Markup:
    parts = [Part(name, colour, _cores(run.told, key)) for key, (name, colour) in PROCESSES.items()]
    words = f"{number(sum(part.value for part in parts))} of {run.told['about']['cores']} cores busy"
    said = "; ".join(f"{part.name} {number(part.value)}" for part in parts)
    drawn = chart.bar(f"cores-{run.place}", f"Processor time, {run.name}", f"{words}: {said}", axis, parts)
    entries = (element("li", _swatch(part.colour), f"{part.name} {number(part.value)}") for part in parts)
    legend = element("ul", *entries, element("li", words), class_="legend")
    title = [element("h3", _swatch(run.colour), run.name)] if with_name else []
    return element("figure", *title, drawn, element("figcaption", legend, _generator(run.told)))


def _generator(told: Mapping[str, Any]) -> Markup:
    """Was it the generator that set the pace?"""
    busy = told["generator_busy"]
    words = f"The busiest generator used {100 * busy:.0f} % of a core."
    if busy < BUSY:
        return element("p", words, class_="note")
    return _notice("bad", "The generator may be what limited this run. ", words)


# --- tables ---------------------------------------------------------------------------------------------------


def _tables(run: Run) -> Markup:
    told = run.told
    answers = _table("Answers", _counts(told["answers"]))
    errors = _table("Errors", _counts(told["errors"]))
    money = [_money(told["money"])] if _has_books(told) else []
    return element("div", *money, answers, errors, _settled(told), class_="tables")


def _table(caption: str, rows: Sequence[tuple[str, ...]], last: str = "") -> Markup:
    """Words to the left, figures to the right; `last` is the class of the last row."""
    kinds = [*[""] * (len(rows) - 1), last]
    made = [
        element("tr", element("th", words, scope="row"), *(element("td", cell) for cell in cells), class_=kind)
        for (words, *cells), kind in zip(rows, kinds, strict=False)
    ]
    none = [element("tr", element("td", "none", class_="none"))]
    return element("table", element("caption", caption), element("tbody", *(made or none)))


def _counts(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    whole = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return [(name, f"{count:,}", _share(count, whole)) for name, count in ordered]


def _share(count: int, whole: int) -> str:
    percent = 100 * count / whole if whole else 0.0
    return "100 %" if count == whole else "< 0.1 %" if percent < 0.1 else f"{min(percent, 99.9):.1f} %"


def _money(money: Mapping[str, int]) -> Markup:
    """Shown to balance: what was funded is what was claimed, went back, or is still there."""
    gone_fen = money["claimed_fen"] + money["refunded_fen"] + money["unopened_fen"]
    left_fen = money["funded_fen"] - gone_fen
    balances = left_fen == 0 and money["difference_fen"] == 0
    rows = [
        ("claimed", yuan(money["claimed_fen"])),
        ("+ refunded", yuan(money["refunded_fen"])),
        ("+ not opened yet", yuan(money["unopened_fen"])),
        ("= together", yuan(gone_fen)),
        ("funded", yuan(money["funded_fen"])),
        ("difference in the books", yuan(money["difference_fen"])),
        ("the sum", "balances" if balances else f"is off by {yuan(left_fen or money['difference_fen'])}"),
    ]
    return _table("Money, in yuan", rows, "good" if balances else "bad")


def _settled(told: Mapping[str, Any]) -> Markup:
    settlement = told["settlement"]
    rows = [
        ("claims settled", _quantity("", settlement.get("settled"))),
        ("waiting at the end", _quantity("", settlement.get("backlog"))),
        ("drained afterwards", _quantity("_per_s", settlement.get("drain_per_s"))),
        ("server memory", _quantity("_mb", told["rss_mb"])),
        *((words, _quantity("", told[key])) for key, words in RARE.items() if told.get(key)),
        *(row for name, value in told["extra"].items() for row in _more(name, value)),
    ]
    return _table("Settlement, and more", rows)


def _more(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A row for a figure of the scenario's own; for percentiles a row each."""
    words = name.removesuffix(_unit(name)).replace("_", " ")  # per_connection_kib -> per connection
    if isinstance(value, Mapping):
        yield from ((f"{words}, {_name_of(part)}", _quantity(name, one)) for part, one in value.items())
    else:
        yield words, _quantity(name, value)


def _unit(name: str) -> str:
    """The end of a name that says its unit, or nothing."""
    return max((suffix for suffix in UNITS if name.endswith(suffix)), key=len, default="")


def _quantity(name: str, value: object) -> str:
    """A value with the unit that its name tells."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NOTHING if value is None else str(value)
    unit = UNITS.get(_unit(name), "")
    return f"{yuan(round(value)) if unit == 'yuan' else number(value)} {unit}".strip()


# --- what it stood on -----------------------------------------------------------------------------------------


def _ground(told: Mapping[str, Any]) -> Markup:
    about = told["about"]
    rows = [
        ("commit", about["commit"] or NOTHING),
        ("when", about["at"]),
        ("seed", str(told["seed"])),
        ("warm-up", f"{number(told['warmup_s'])} s"),
        ("processor", f"{about['cpu']}, {about['cores']} cores"),
        ("memory", _quantity("_mb", about["memory_mb"])),
        ("kernel", about["kernel"]),
        *((name, about[name] or NOTHING) for name in ("python", "uvloop", "postgres", "redis")),
    ]
    facts = (element("div", element("dt", words), element("dd", str(fact))) for words, fact in rows)
    config = element("pre", element("code", about["config"] or "all defaults"))
    return together(
        element("pre", element("code", about["command"]), class_="command"),
        element("dl", *facts, class_="facts"),
        element("details", element("summary", "Config of the server"), config),
    )
