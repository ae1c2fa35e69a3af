"""One or several runs as one HTML page that needs nothing else: no network, no script, no file beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.report.chart import number
from bench.report.markup import Markup, element, together
from bench.report.page_charts import charts
from bench.report.page_style import STYLE
from bench.report.page_tables import ground, tables
from bench.report.page_words import (
    NOTHING,
    PERCENTILES,
    Run,
    cores,
    has_books,
    ms,
    name_of,
    notice,
    section,
    sentence,
    swatch,
    title,
)
from server.core.texts import yuan

FAULTS: Final = (
    ("missing", "told to users and missing in the books"),
    ("duplicates", "told twice"),
    ("oversold", "in the books and told to nobody"),
)


def page(documents: Sequence[dict[str, Any]]) -> str:
    """The page, for one run or to compare several; for at least one."""
    runs = [Run(place, told) for place, told in enumerate(documents)]
    heading = f"{title(runs[0].told)} – hongbao bench" if len(runs) == 1 else f"{len(runs)} runs – hongbao bench"
    content = _one(runs[0]) if len(runs) == 1 else _several(runs)
    head = together(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", heading),
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


def _one(run: Run) -> Iterator[Markup]:
    lede = element("p", sentence(run.told), class_="lede")
    yield element("header", element("h1", title(run.told)), lede, ground(run.told))
    yield _key_figures(run.told)
    yield _verdict(run.told)
    yield from charts([run])
    yield section("What was answered, and the money", tables(run))


def _several(runs: Sequence[Run]) -> Iterator[Markup]:
    yield element("header", element("h1", f"{len(runs)} runs compared"), _comparison(runs))
    yield from charts(runs)
    for run in runs:
        name = element("h2", swatch(run.colour), run.name)
        lede = element("p", sentence(run.told), class_="lede")
        yield element("section", name, lede, ground(run.told), _verdict(run.told), tables(run))


def _faults(told: Mapping[str, Any]) -> list[str]:
    """What contradicts, in words."""
    found = [f"{told[name]:,} {words}" for name, words in FAULTS if told[name]]
    difference_fen = told["money"]["difference_fen"]
    return [*found, f"{yuan(difference_fen)} yuan of difference"] if difference_fen else found


def _verdict(told: Mapping[str, Any]) -> Markup:
    if not has_books(told):
        return element("p", "No money verdict: this run keeps no books.", class_="note")
    if told["valid"]:
        words = "nothing missing, nothing twice, nothing oversold, not a fen of difference."
        return notice("good", "The money verdict holds: ", words)
    words = "; ".join(_faults(told)) or "an audit check failed"
    return notice("bad", "Void: the books contradict what users were told. ", f"{words}.")


def _key_figures(told: Mapping[str, Any]) -> Markup:
    latency_ms = told["latency_ms"]
    figures = [
        (told["rate_of"], f"{told['rate_per_s']:,.0f}", "/s"),
        *((PERCENTILES[name][0], *ms(latency_ms[name]).split()) for name in ("p50", "p99", "p99_9")),
    ]
    tiles = (
        element("div", element("dt", words), element("dd", value, *(element("small", f" {one}") for one in unit)))
        for words, value, *unit in figures
    )
    return element("dl", *tiles, class_="key")


def _comparison(runs: Sequence[Run]) -> Markup:
    percentiles = ("p50", "p99", "p99_9", "p99_99", "max")
    heads = ["run", "per second", "to run 1", *(name_of(name) for name in percentiles), "server CPU", "errors"]
    rows = []
    for run in runs:
        told, first = run.told, runs[0].told
        same = told["rate_of"] == first["rate_of"] and first["rate_per_s"]
        cells = [
            f"{told['rate_per_s']:,.0f}",
            f"× {told['rate_per_s'] / first['rate_per_s']:.2f}" if same else NOTHING,
            *(ms(told["latency_ms"][name]).removesuffix(" ms") for name in percentiles),
            f"{number(cores(told, 'server'))} cores",
            f"{sum(told['errors'].values()):,}",
        ]
        kind, word = ("good", "holds") if told["valid"] else ("bad", "void")
        if not has_books(told):
            kind, word = "", NOTHING
        name = element("th", swatch(run.colour), run.name, scope="row")
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
