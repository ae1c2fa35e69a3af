"""The page of a bench: its texts, that it is well-formed, and that no text in the figures becomes markup."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.report import chart
from bench.report.markup import Markup, element
from bench.report.page import page, write
from bench.report.words import number
from tests.points import yuan_in

ONE: dict[str, Any] = {
    "scenario": "opens",
    "loop": "open",
    "durability": "postgres",
    "connections": 1000,
    "depth": 0,
    "generators": 1,
    "seed": 7,
    "offered_per_s": 20000,
    "requests": 82000,
    "seconds": 4.0,
    "warmup_s": 0.3,
    "rate_per_s": 19876,
    "rate_of": "claims told as won",
    "latency_ms": {"p50": 0.42, "p90": 0.65, "p99": 1.21, "p99_9": 3.22, "p99_99": 11.1, "max": 32.1},
    "curve": [
        [0, 0.2],
        [50, 0.42],
        [90, 0.65],
        [99, 1.21],
        [99.9, 3.22],
        [99.99, 11.1],
        [99.999, 30.0],
        [100, 32.1],
    ],
    "series": [
        {"second": 0, "completed": 20100, "p50_ms": 0.4, "p99_ms": 1.1},
        {"second": 1, "completed": 20000, "p50_ms": 0.4, "p99_ms": 1.0},
        {"second": 3, "completed": 39900, "p50_ms": 0.4, "p99_ms": 980.0},
        {"second": 4, "completed": 2000, "p50_ms": 0.4, "p99_ms": 1.3},
    ],
    "answers": {"claimed": 40, "won": 81960},
    "errors": {"rate_limited": 3},
    "cpu_s": {"server": 3.32, "postgres": 2.0, "redis": 0.4, "generator": 1.6},
    "generator_busy": 0.4,
    "rss_mb": 85.2,
    "pushes": 12000,
    "settlement": {"settled": 80123, "backlog": 1837, "drain_per_s": 41000},
    "extra": {"per_connection_kib": 3.1, "last_won_ms": {"p50": 11.2, "p99": 29.4}},
    "money": {
        "funded_fen": 820000000,
        "claimed_fen": 819600000,
        "refunded_fen": 150000,
        "unopened_fen": 250000,
        "difference_fen": 0,
    },
    "missing": 0,
    "duplicates": 0,
    "oversold": 0,
    "valid": True,
    "about": {
        "command": "hongbao bench opens --rate 20000 --seconds 4",
        "commit": "abc1234",
        "at": "2026-11-23T07:00:00Z",
        "python": "3.11.7",
        "modules": "compiled",
        "uvloop": "0.23.0",
        "postgres": "18.6",
        "redis": "Valkey 9.1.2",
        "cpu": "Imaginary 8481C",
        "cores": 2,
        "memory_mb": 24576,
        "kernel": "Linux 6.1.0",
        "config": "[limits]\nrequests_per_s = 1000000.0\n",
        "money_unit": {"zh": "元", "en": "yuan", "symbol": "¥", "decimals": 2},
    },
}
HOSTILE = "</code></pre><script>alert('1')</script>&amp;\"><svg onload=x>"


def changed(**values: Any) -> dict[str, Any]:
    """The figures with other values; `about__cpu` is a nested one."""
    document = deepcopy(ONE)
    for key, value in values.items():
        *path, last = key.split("__")
        place = document
        for name in path:
            place = place[name]
        place[last] = value
    return document


class Strict(HTMLParser):
    """Collects tags and texts, and fails on unbalanced elements."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> tuple[str, ElementTree.Element]:
    """The texts of the page, and its visible part as XML. Both must be well-formed, and refer to no other file."""
    parser = Strict()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert parser.tags.isdisjoint({"script", "link", "img", "iframe", "a"})
    for reference in ("http", "url(", "@import", "src="):
        assert reference not in text
    root = ElementTree.fromstring(text[text.index("<main>") : text.index("</main>") + len("</main>")])
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(ids) == len(set(ids))
    for svg in charts(root):
        assert svg.attrib["aria-labelledby"].split() == [svg[0].attrib["id"], svg[1].attrib["id"]]
        assert [part.tag for part in svg[:2]] == ["title", "desc"]
        assert all(part.text for part in svg[:2])
        for path in svg.iter("path"):
            assert all(0 <= float(place) <= 1000 for place in re.findall(r"-?[\d.]+", path.attrib.get("d", "")))
    return " ".join(" ".join(parser.texts).split()), root


def charts(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [svg for svg in root.iter("svg") if svg.get("role") == "img"]


def drawn(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(svg for svg in charts(root) if svg.attrib["id"] == name)


def texts_of(root: ElementTree.Element, kind: str) -> list[str]:
    return [one.text or "" for one in root.iter("text") if one.get("class") == kind]


def test_page_has_the_run_and_its_results() -> None:
    text, root = read(page(ONE))
    for part in (
        "opens, durability postgres, open loop",
        "82,000 requests in 4 s over 1,000 connections from 1 generator. 20,000 requests per second were planned",
        "hongbao bench opens --rate 20000 --seconds 4",
        "commit abc1234",
        "seed 7",
        "Imaginary 8481C, 2 cores",
        "redis Valkey 9.1.2",
        "requests_per_s = 1000000.0",
        "claims told as won 19,876 /s",
        "p99.9 3.22 ms",
        "The money verdict holds: nothing missing",
        "Latency: p50 0.42 ms, p99 1.21 ms, p99.9 3.22 ms, max 32.1 ms.",
        "offered 20,000/s",
        "won 81,960 99.9 % claimed 40 < 0.1 %",
        "rate_limited 3 100 %",
        "claimed 8,196,000.00 + refunded 1,500.00 + not opened yet 2,500.00 = total 8,200,000.00",
        "funded 8,200,000.00 difference in the books 0.00 result balances",
        "claims settled 80,123 backlog at the end 1,837 drained afterwards 41,000 per second",
        "server memory 85.2 MB pushes received 12,000 per connection 3.1 KiB",
        "last won, p50 11.2 ms last won, p99 29.4 ms",
    ):
        assert part in text
    assert [svg.attrib["id"] for svg in charts(root)] == ["latency", "throughput", "slowness", "cores"]


def test_latency_curve_gives_every_nine_the_same_width() -> None:
    _, root = read(page(ONE))
    latency = drawn(root, "latency")
    assert texts_of(latency, "tick") == [
        *("0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"),
        *("0", "90", "99", "99.9", "99.99", "99.999"),
    ]
    assert texts_of(latency, "mark") == ["1.21 ms", "3.22 ms", "11.1 ms"]
    (path,) = latency.iter("path")
    across = [float(point.split()[0]) for point in path.attrib["d"].removeprefix("M").split(" L")]
    assert across == [0.0, 60.2, 200.0, 400.0, 600.0, 800.0, 1000.0]  # the maximum is not on this scale


def test_timeline_draws_empty_seconds_and_omits_an_incomplete_last_one() -> None:
    _, root = read(page(ONE))
    completed, offered = drawn(root, "throughput").iter("path")
    assert completed.attrib["d"] == "M125.0 497.5 L375.0 500.0 L625.0 1000.0 L875.0 2.5"
    assert offered.attrib["d"] == "M0.0 500.0 L1000.0 500.0"
    assert "dashed" in offered.attrib["class"]
    slow = drawn(root, "slowness")
    assert [path.attrib["d"].count("L") for path in slow.iter("path")] == [1]  # then a gap, then
    assert [dot.attrib["cx"] for dot in slow.iter("circle")] == ["87.50%"]  # one second on its own


def test_processor_time_is_in_cores_of_the_machine() -> None:
    text, root = read(page(ONE))
    bar = drawn(root, "cores")
    assert [part.attrib["width"] for part in bar.iter("rect")] == ["100%", "41.50%", "25.00%", "5.00%", "20.00%"]
    assert "server 0.83 PostgreSQL 0.5 Redis or Valkey 0.1 generator 0.4 1.83 of 2 cores busy" in text
    assert "The busiest generator used 40 % of a core." in text
    assert "may limit the rate" in read(page(changed(generator_busy=0.97)))[0]


def test_invalid_run_is_marked_with_its_reasons() -> None:
    document = changed(valid=False, missing=2, oversold=1, money__difference_fen=-150, money__unopened_fen=249850)
    text, _ = read(page(document))
    assert "Invalid: the books contradict what users were told. 2 told to users and missing in the books" in text
    assert "1 in the books and told to no user; -1.50 yuan of difference." in text
    assert "result differs by 1.50" in text
    assert "balances" not in text
    assert "an audit check failed" in read(page(changed(valid=False)))[0]


def test_run_on_a_server_of_points_is_told_in_points() -> None:
    points = {"zh": "积分", "en": "points", "symbol": "", "decimals": 0}
    text, _ = read(page(changed(about__money_unit=points, valid=False, money__difference_fen=-150)))
    assert "Money, in points claimed 819,600,000 + refunded 150,000" in text
    assert "-150 points of difference." in text
    assert yuan_in(text) == []


def test_run_without_books_has_no_money_verdict() -> None:
    text, _ = read(page(changed(scenario="echo", durability="none", loop="closed", offered_per_s=None)))
    assert "echo, closed loop" in text
    assert "A closed loop waits for the server" in text
    assert "No money verdict: this server keeps no books." in text
    assert "Money, in yuan" not in text


def test_no_text_in_the_figures_becomes_markup() -> None:
    document = changed(
        scenario=HOSTILE,
        rate_of=HOSTILE,
        answers={HOSTILE: 1},
        extra={HOSTILE: {HOSTILE: HOSTILE}},
        about__config=HOSTILE,
        about__cpu=HOSTILE,
        about__command=HOSTILE,
    )
    text, root = read(page(document))
    assert text.count(HOSTILE) >= 7
    assert any(one.text == HOSTILE for one in root.iter("code"))


@pytest.mark.parametrize(
    "nothing",
    [
        {"curve": [], "latency_ms": dict.fromkeys(ONE["latency_ms"], 0)},
        {"curve": [[0, 0.0], [50, 0.0]]},
        {"curve": [[50, 0.3]], "seconds": 0, "requests": 0, "rate_per_s": 0},
        {"series": []},
        {"series": ONE["series"][:1]},
        {"series": [{"second": 0, "completed": 0, "p50_ms": None, "p99_ms": None}], "offered_per_s": None},
        {"answers": {}, "errors": {}, "extra": {}, "settlement": {}, "cpu_s": {}, "rss_mb": None},
    ],
)
def test_page_with_missing_figures_is_well_formed(nothing: dict[str, Any]) -> None:
    read(page(changed(**nothing)))


def test_missing_latency_is_not_shown_as_zero() -> None:
    text, _ = read(page(changed(curve=[], latency_ms=dict.fromkeys(ONE["latency_ms"], 0))))
    assert "p50 – p99 – p99.9 –" in text
    assert "No latencies were measured." in text


def test_figures_are_written_beside_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "report" / "new"
    index = write(ONE, folder)
    assert index == folder / "index.html"
    assert index.read_text("utf-8") == page(ONE)
    assert json.loads((folder / "01-opens-postgres.json").read_text()) == ONE
    write(changed(scenario="../../etc"), folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "01-etc-postgres.json",
        "01-opens-postgres.json",
        "index.html",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.04219, "0.0422"),
        (0.5, "0.5"),
        (9.999, "10"),
        (12.34, "12.3"),
        (100, "100"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (chart.linear("", 0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (chart.linear("", 7), ["0", "2", "4", "6", "8"]),
        (chart.linear("", 20_000), ["0", "5,000", "10,000", "15,000", "20,000"]),
        (chart.linear("", 41_000), ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]),
        (chart.span("", 31), ["0", "10", "20", "30"]),
        (chart.logarithmic("", []), ["1", "2", "5", "10"]),
        (chart.logarithmic("", [3.0]), ["2", "5"]),
        (chart.logarithmic("", [0.004, 900.0]), ["0.001", "0.01", "0.1", "1", "10", "100", "1,000"]),
    ],
)
def test_ticks_are_round_numbers_around_the_values(axis: chart.Axis, ticks: list[str]) -> None:
    assert [text for _, text in axis.ticks] == ticks


def test_axis_draws_values_beyond_it_at_its_ends() -> None:
    axis = chart.logarithmic("ms", [1.5, 80.0])
    assert [round(axis.share(value), 3) for value in (0.5, 1, 10, 100, 1000)] == [0, 0, 0.5, 1, 1]


def test_element_escapes_all_text_but_markup() -> None:
    assert element("b", "a < b", Markup("<i></i>"), class_='"x"', x1=0.5, id="") == (
        '<b class="&quot;x&quot;" x1="0.5">a &lt; b<i></i></b>'
    )
