"""One run as an HTML page that needs no network, no script and no other file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.report.files import write_json
from bench.report.markup import Markup, element, together
from bench.report.page_charts import charts, note, notice, section
from bench.report.words import NONE, Figures, durability, has_books, ms, number, percentile_name, summary
from protocol.money_unit import MoneyUnit

STYLE: Final = Path(__file__).with_name("page.css")
HEAD: Final = Markup(
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)
CONTRADICTIONS: Final = {
    "missing": "told to users and missing in the books",
    "duplicates": "told twice",
    "oversold": "in the books and told to no user",
}
UNITS: Final = {  # end of a name -> its unit; the longest match counts
    "_ms": "ms",
    "_s": "s",
    "_per_s": "per second",
    "_kib": "KiB",
    "_mb": "MB",
}
RARE: Final = {"pushes": "pushes received", "in_doubt": "claims in doubt"}  # shown if above 0


def page(figures: Figures) -> str:
    title = f"{figures['scenario']}, {durability(figures)}{figures['loop']} loop"
    style = element("style", Markup(STYLE.read_text("utf-8")))
    head = element("head", HEAD, element("title", f"{title} – hongbao bench"), style)
    content = [
        element(
            "header", element("h1", title), element("p", summary(figures), class_="lede"), _environment(figures)
        ),
        _key_figures(figures),
        _verdict(figures),
        *charts(figures),
        section("Answers and money", _tables(figures)),
    ]
    html = element("html", head, element("body", element("main", *content)), lang="en")
    return f"<!doctype html>\n{html}\n"


def write(figures: Figures, folder: Path) -> Path:
    """Write the page and the figures beside it; returns the path of the page. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", f"01 {figures['scenario']} {figures['durability']}".lower()).strip("-")
    write_json(figures, folder / f"{name}.json")
    index = folder / "index.html"
    index.write_text(page(figures), "utf-8")
    return index


def _verdict(figures: Figures) -> Markup:
    if not has_books(figures):
        return note("No money verdict: this server keeps no books.")
    if figures["valid"]:
        text = "nothing missing, nothing twice, nothing oversold, no difference in money."
        return notice("good", "The money verdict holds: ", text)
    found = [f"{figures[name]:,} {text}" for name, text in CONTRADICTIONS.items() if figures[name]]
    if difference_fen := figures["money"]["difference_fen"]:
        found.append(f"{_unit(figures).full('en', difference_fen)} of difference")
    reasons = "; ".join(found) or "an audit check failed"
    return notice("bad", "Invalid: the books contradict what users were told. ", f"{reasons}.")


def _key_figures(figures: Figures) -> Markup:
    latencies = ((percentile_name(key), *ms(figures["latency_ms"][key]).split()) for key in ("p50", "p99", "p99_9"))
    tiles = [(figures["rate_of"], f"{figures['rate_per_s']:,.0f}", "/s"), *latencies]
    drawn = (
        element("div", element("dt", name), element("dd", value, *(element("small", f" {one}") for one in unit)))
        for name, value, *unit in tiles
    )
    return element("dl", *drawn, class_="key")


def _tables(figures: Figures) -> Markup:
    answers, errors = (_table(name, _counts(figures[name.lower()])) for name in ("Answers", "Errors"))
    money = [_money(figures["money"], _unit(figures))] if has_books(figures) else []
    return element("div", *money, answers, errors, _other_figures(figures), class_="tables")


def _table(caption: str, rows: Sequence[tuple[str, ...]], last: str = "") -> Markup:
    """Texts to the left, numbers to the right; `last` is the class of the last row."""
    kinds = [*[""] * (len(rows) - 1), last]
    made = [
        element("tr", element("th", text, scope="row"), *(element("td", cell) for cell in cells), class_=kind)
        for (text, *cells), kind in zip(rows, kinds, strict=False)
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


def _money(money: Mapping[str, int], unit: MoneyUnit) -> Markup:
    """Shown as a sum: the funded amount is claimed, refunded or still unopened."""
    total_fen = money["claimed_fen"] + money["refunded_fen"] + money["unopened_fen"]
    left_fen = money["funded_fen"] - total_fen
    balances = left_fen == 0 and money["difference_fen"] == 0
    rows = [
        ("claimed", unit.number(money["claimed_fen"])),
        ("+ refunded", unit.number(money["refunded_fen"])),
        ("+ not opened yet", unit.number(money["unopened_fen"])),
        ("= total", unit.number(total_fen)),
        ("funded", unit.number(money["funded_fen"])),
        ("difference in the books", unit.number(money["difference_fen"])),
        ("result", "balances" if balances else f"differs by {unit.number(left_fen or money['difference_fen'])}"),
    ]
    return _table(f"Money, in {unit.en}", rows, "good" if balances else "bad")


def _other_figures(figures: Figures) -> Markup:
    settlement = figures["settlement"]
    rows = [
        ("claims settled", quantity("", settlement.get("settled"))),
        ("backlog at the end", quantity("", settlement.get("backlog"))),
        ("drained afterwards", quantity("_per_s", settlement.get("drain_per_s"))),
        ("server memory", quantity("_mb", figures["rss_mb"])),
        *((text, quantity("", figures[key])) for key, text in RARE.items() if figures.get(key)),
    ]
    for name, value in figures["extra"].items():
        text = name.removesuffix(_unit_suffix(name)).replace("_", " ")  # per_connection_kib -> per connection
        if isinstance(value, Mapping):
            rows += [(f"{text}, {percentile_name(key)}", quantity(name, one)) for key, one in value.items()]
        else:
            rows.append((text, quantity(name, value)))
    return _table("Settlement and other figures", rows)


def _unit_suffix(name: str) -> str:
    return max((suffix for suffix in UNITS if name.endswith(suffix)), key=len, default="")


def quantity(name: str, value: object) -> str:
    """A value with the unit at the end of its name."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NONE if value is None else str(value)
    return f"{number(value)} {UNITS.get(_unit_suffix(name), '')}".strip()


def _unit(figures: Figures) -> MoneyUnit:
    """The unit of the server that was measured."""
    return MoneyUnit(**figures["about"]["money_unit"])


def _environment(figures: Figures) -> Markup:
    about: Mapping[str, Any] = figures["about"]
    rows = [
        ("commit", about["commit"] or NONE),
        ("when", about["at"]),
        ("seed", str(figures["seed"])),
        ("warm-up", f"{number(figures['warmup_s'])} s"),
        ("processor", f"{about['cpu']}, {about['cores']} cores"),
        ("memory", quantity("_mb", about["memory_mb"])),
        ("kernel", about["kernel"]),
        *((name, about[name] or NONE) for name in ("python", "modules", "uvloop", "postgres", "redis")),
    ]
    facts = (element("div", element("dt", text), element("dd", str(fact))) for text, fact in rows)
    config = element("pre", element("code", about["config"] or "all defaults"))
    return together(
        element("pre", element("code", about["command"]), class_="command"),
        element("dl", *facts, class_="facts"),
        element("details", element("summary", "Config of the server"), config),
    )
