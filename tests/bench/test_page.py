"""The page of a bench: what it says, that it is sound, and that nothing in a document can spoil it."""

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
from bench.report.chart import number
from bench.report.markup import Markup, element
from bench.report.page import page, write

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
        "uvloop": "0.23.0",
        "postgres": "18.6",
        "redis": "Valkey 9.1.2",
        "cpu": "Imaginary 8481C",
        "cores": 2,
        "memory_mb": 24576,
        "kernel": "Linux 6.1.0",
        "config": "[limits]\nrequests_per_s = 1000000.0\n",
    },
}
HOSTILE = "</code></pre><script>alert('1')</script>&amp;\"><svg onload=x>"


def changed(**values: Any) -> dict[str, Any]:
    """The document with other values; `about__cpu` is one inside."""
    document = deepcopy(ONE)
    for key, value in values.items():
        *path, last = key.split("__")
        place = document
        for name in path:
            place = place[name]
        place[last] = value
    return document


class Strict(HTMLParser):
    """Knows every element, and that each is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> tuple[str, ElementTree.Element]:
    """What the page says, and its visible part as XML. It must be sound either way, and ask nobody for anything."""
    parser = Strict()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert parser.tags.isdisjoint({"script", "link", "img", "iframe", "a"})
    for reach in ("http", "url(", "@import", "src="):
        assert reach not in text
    root = ElementTree.fromstring(text[text.index("<main>") : text.index("</main>") + len("</main>")])
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(ids) == len(set(ids))
    for svg in charts(root):
        assert svg.attrib["aria-labelledby"].split() == [svg[0].attrib["id"], svg[1].attrib["id"]]
        assert [part.tag for part in svg[:2]] == ["title", "desc"]
        assert all(part.text for part in svg[:2])
        for path in svg.iter("path"):
            assert all(0 <= float(place) <= 1000 for place in re.findall(r"-?[\d.]+", path.attrib.get("d", "")))
    return " ".join(" ".join(parser.words).split()), root


def charts(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [svg for svg in root.iter("svg") if svg.get("role") == "img"]


def drawn(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(svg for svg in charts(root) if svg.attrib["id"] == name)


def words_of(root: ElementTree.Element, kind: str) -> list[str]:
    return [one.text or "" for one in root.iter("text") if one.get("class") == kind]


def test_it_says_what_ran_and_what_came_of_it() -> None:
    text, root = read(page([ONE]))
    for words in (
        "opens, tier postgres, open loop",
        "82,000 requests in 4 s over 1,000 connections from 1 generator. 20,000 per second were offered",
        "hongbao bench opens --rate 20000 --seconds 4",
        "commit abc1234",
        "seed 7",
        "Imaginary 8481C, 2 cores",
        "redis Valkey 9.1.2",
        "requests_per_s = 1000000.0",
        "claims told as won 19,876 /s",
        "p99.9 3.22 ms",
        "The money verdict holds: nothing missing",
        "Half of the requests took at most 0.42 ms, 1 in 100 more than 1.21 ms",
        "the slowest took 32.1 ms",
        "offered 20,000/s",
        "won 81,960 99.9 % claimed 40 < 0.1 %",
        "rate_limited 3 100 %",
        "claimed 8,196,000.00 + refunded 1,500.00 + not opened yet 2,500.00 = together 8,200,000.00",
        "funded 8,200,000.00 difference in the books 0.00 the sum balances",
        "claims settled 80,123 waiting at the end 1,837 drained afterwards 41,000 per second",
        "server memory 85.2 MB pushes taken 12,000 per connection 3.1 KiB",
        "last won, p50 11.2 ms last won, p99 29.4 ms",
    ):
        assert words in text
    assert [svg.attrib["id"] for svg in charts(root)] == ["latency", "throughput", "slowness", "cores-0"]


def test_the_latency_curve_gives_every_nine_as_much_room() -> None:
    _, root = read(page([ONE]))
    latency = drawn(root, "latency")
    assert words_of(latency, "tick") == [
        *("0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"),
        *("0", "90", "99", "99.9", "99.99", "99.999"),
    ]
    assert words_of(latency, "mark") == ["1.21 ms", "3.22 ms", "11.1 ms"]
    (path,) = latency.iter("path")
    across = [float(point.split()[0]) for point in path.attrib["d"].removeprefix("M").split(" L")]
    assert across == [0.0, 60.2, 200.0, 400.0, 600.0, 800.0, 1000.0]  # the maximum has no place on this scale


def test_a_second_without_an_answer_is_drawn_as_none_and_a_broken_last_one_is_not() -> None:
    _, root = read(page([ONE]))
    completed, offered = drawn(root, "throughput").iter("path")
    assert completed.attrib["d"] == "M125.0 497.5 L375.0 500.0 L625.0 1000.0 L875.0 2.5"
    assert offered.attrib["d"] == "M0.0 500.0 L1000.0 500.0"
    assert "dashed" in offered.attrib["class"]
    slow = drawn(root, "slowness")
    assert [path.attrib["d"].count("L") for path in slow.iter("path")] == [1]  # then a gap, then
    assert [dot.attrib["cx"] for dot in slow.iter("circle")] == ["87.50%"]  # one second on its own


def test_processor_time_is_in_cores_of_the_machine() -> None:
    text, root = read(page([ONE]))
    bar = drawn(root, "cores-0")
    assert [part.attrib["width"] for part in bar.iter("rect")] == ["100%", "41.50%", "25.00%", "5.00%", "20.00%"]
    assert "server 0.83 PostgreSQL 0.5 Redis or Valkey 0.1 generator 0.4 1.83 of 2 cores busy" in text
    assert "The busiest generator used 40 % of a core." in text
    assert "may be what limited" in read(page([changed(generator_busy=0.97)]))[0]


def test_a_void_run_says_so_and_why() -> None:
    document = changed(valid=False, missing=2, oversold=1, money__difference_fen=-150, money__unopened_fen=249850)
    text, _ = read(page([document]))
    assert "Void: the books contradict what users were told. 2 told to users and missing in the books" in text
    assert "1 in the books and told to nobody; -1.50 yuan of difference." in text
    assert "the sum is off by 1.50" in text
    assert "balances" not in text
    assert "an audit check failed" in read(page([changed(valid=False)]))[0]


def test_several_runs_are_laid_over_each_other() -> None:
    other = changed(
        scenario="redis-lua", durability="redis", loop="closed", offered_per_s=None, depth=8, rate_per_s=9938
    )
    echo = changed(scenario="echo", durability="none", rate_of="replies", valid=True)
    text, root = read(page([ONE, other, changed(valid=False), echo]))
    for words in (
        "4 runs compared",
        "1 opens, tier postgres, open 20,000/s 19,876 × 1.00 0.42 1.21 3.22 11.1 32.1 0.83 cores 3 holds",
        "2 redis-lua, tier redis, closed 1,000 × 8 9,938 × 0.50",
        "3 opens, tier postgres, open 20,000/s, void",
        "4 echo, open 20,000/s 19,876 – 0.42",
        "1 claims told as won; 2 claims told as won; 3 claims told as won; 4 replies.",
        "A closed loop waits for the server",
        "No money verdict: this run keeps no books.",
    ):
        assert words in text
    colours = [path.attrib["class"].split()[-1] for path in drawn(root, "latency").iter("path")]
    assert colours == ["c0", "c1", "c2", "c3"]
    assert words_of(drawn(root, "latency"), "mark") == []
    assert len(charts(root)) == 3 + 4


def test_nothing_in_a_document_becomes_markup() -> None:
    document = changed(
        scenario=HOSTILE,
        rate_of=HOSTILE,
        answers={HOSTILE: 1},
        extra={HOSTILE: {HOSTILE: HOSTILE}},
        about__config=HOSTILE,
        about__cpu=HOSTILE,
        about__command=HOSTILE,
    )
    for documents in ([document], [document, ONE]):
        text, root = read(page(documents))
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
def test_what_is_not_there_is_no_trouble(nothing: dict[str, Any]) -> None:
    document = changed(**nothing)
    read(page([document]))
    read(page([document, document]))
    read(page([ONE, document]))


def test_no_latency_is_not_a_latency_of_nought() -> None:
    text, _ = read(page([changed(curve=[], latency_ms=dict.fromkeys(ONE["latency_ms"], 0))]))
    assert "p50 – p99 – p99.9 –" in text
    assert "No latencies were measured." in text


def test_the_documents_are_written_beside_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "report" / "new"
    index = write([ONE, changed(scenario="../../etc")], folder)
    assert index == folder / "index.html"
    assert index.read_text("utf-8") == page([ONE, changed(scenario="../../etc")])
    assert sorted(path.name for path in folder.iterdir()) == [
        "01-opens-postgres.json",
        "02-etc-postgres.json",
        "index.html",
    ]
    assert json.loads((folder / "01-opens-postgres.json").read_text()) == ONE


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
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
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
    assert [words for _, words in axis.ticks] == ticks


def test_an_axis_keeps_what_is_beyond_it_at_its_ends() -> None:
    axis = chart.logarithmic("ms", [1.5, 80.0])
    assert [round(axis.share(value), 3) for value in (0.5, 1, 10, 100, 1000)] == [0, 0, 0.5, 1, 1]


def test_only_markup_is_taken_as_it_is() -> None:
    assert element("b", "a < b", Markup("<i></i>"), class_='"x"', x1=0.5, id="") == (
        '<b class="&quot;x&quot;" x1="0.5">a &lt; b<i></i></b>'
    )
