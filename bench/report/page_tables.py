"""The tables of a page: money, answers, errors, settlement, and on what it all was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bench.report.chart import number
from bench.report.markup import Markup, element, together
from bench.report.page_words import NOTHING, Run, has_books, name_of
from server.core.texts import yuan

UNITS: Final = {  # end of a name -> its unit; the longest that fits
    "_ms": "ms",
    "_s": "s",
    "_per_s": "per second",
    "_kib": "KiB",
    "_mb": "MB",
    "_fen": "yuan",
}
RARE: Final = {"pushes": "pushes taken", "in_doubt": "claims in doubt"}  # shown if there are any


def tables(run: Run) -> Markup:
    """What was answered, and the money."""
    told = run.told
    answers = _table("Answers", _counts(told["answers"]))
    errors = _table("Errors", _counts(told["errors"]))
    money = [_money(told["money"])] if has_books(told) else []
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
        ("claims settled", quantity("", settlement.get("settled"))),
        ("waiting at the end", quantity("", settlement.get("backlog"))),
        ("drained afterwards", quantity("_per_s", settlement.get("drain_per_s"))),
        ("server memory", quantity("_mb", told["rss_mb"])),
        *((words, quantity("", told[key])) for key, words in RARE.items() if told.get(key)),
        *(row for name, value in told["extra"].items() for row in _more(name, value)),
    ]
    return _table("Settlement, and more", rows)


def _more(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A row for a figure of the scenario's own; for percentiles a row each."""
    words = name.removesuffix(_unit(name)).replace("_", " ")  # per_connection_kib -> per connection
    if isinstance(value, Mapping):
        yield from ((f"{words}, {name_of(part)}", quantity(name, one)) for part, one in value.items())
    else:
        yield words, quantity(name, value)


def _unit(name: str) -> str:
    """The end of a name that says its unit, or nothing."""
    return max((suffix for suffix in UNITS if name.endswith(suffix)), key=len, default="")


def quantity(name: str, value: object) -> str:
    """A value with the unit that its name tells."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NOTHING if value is None else str(value)
    unit = UNITS.get(_unit(name), "")
    return f"{yuan(round(value)) if unit == 'yuan' else number(value)} {unit}".strip()


def ground(told: Mapping[str, Any]) -> Markup:
    """What it stood on."""
    about = told["about"]
    rows = [
        ("commit", about["commit"] or NOTHING),
        ("when", about["at"]),
        ("seed", str(told["seed"])),
        ("warm-up", f"{number(told['warmup_s'])} s"),
        ("processor", f"{about['cpu']}, {about['cores']} cores"),
        ("memory", quantity("_mb", about["memory_mb"])),
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
