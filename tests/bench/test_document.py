"""The page of the suite: targets, results, and the section by hand, which is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.compare import document, matchups, suite, targets
from bench.compare.document import section_by_hand
from bench.compare.rivals_chart import picture
from bench.compare.targets import TARGETS, Requirement
from tests.ops.dashboard.browser import browser, installed_or_skip, open_page

BOUNDS = {  # required and goal, by the text of the row
    "`opens`, durability `postgres`, 1,000 × 1": (20_000, 40_000),
    "`opens`, durability `postgres`, 200 × 8": (38_000, 80_000),
    "`opens`, durability `redis`, 1,000 × 1": (36_000, 50_000),
    "`opens`, durability `redis`, 200 × 8": (53_000, 80_000),
    "`opens`, durability `redis`, against redis-service, the lower of both settings": (3.6, 5.0),
    "`opens`, durability `redis`, against redis-service-lean, the lower of both": (0.55, 0.8),
    "`opens`, durability `redis`, against redis-lua, the lower of both settings": (0.7, 1.0),
    "`opens`, durability `postgres`, against sql-lock, many packets": (10, 15),
    "`hot` against sql-lock, one hot packet": (22, 30),
    "`grab` against echo, 200 connections × 1": (0.8, 0.9),
    "`grab` over WebSocket against TCP, 200 connections × 1": (0.5, 0.8),
    "`hot`, 500 users: last `won`, p99 of all rounds": (80, 30),
    "`hot`, 5,000 users: last `won`, p99 of all rounds": (None, None),
    "`grab`, 200 × 1": (None, None),
    "`send`, durability `postgres`, 200 × 8": (6_000, 15_000),
    "`login`, a storm of 10,000": (8_000, 15_000),
    "`push` to 2,000 members online, against a bare write loop": (0.8, 0.95),
    "`idle`: server memory of a logged-in connection": (6, 3),
    "`idle-websocket`: the same over WebSocket": (8, 4),
    "`open`, durability `postgres`, open loop at half the maximum: p99": (15, 5),
    "`http-open`: a grab and an open over HTTP": (2_000, None),
    "`http-send`: sends over HTTP": (1_000, None),
    "`webhooks`, 1,000 deliveries/s while 2 of 6 endpoints hang: p99 of the lag": (2_000, None),
}


def figures(scenario: str, rate_per_s: int, **changes: Any) -> dict[str, Any]:
    """The figures of a run that the page needs."""
    measured = {
        "scenario": scenario,
        "loop": "closed",
        "connections": 1_000,
        "depth": 1,
        "offered_per_s": None,
        "requests": 10_000,
        "rate_per_s": rate_per_s,
        "latency_ms": {"p50": 12.3, "p99": 23.4, "p99_9": 34.6, "max": 45.7},
        "cpu_s": {"server": 0.25, "postgres": 0.125, "redis": 0.0, "generator": 0.06},
        "generator_busy": 0.5,
        "settlement": {"settled": 9_000, "backlog": 1_000, "drain_per_s": 20_000},
        "errors": {},
        "extra": {},
    }
    return measured | changes


def rival(rate_per_s: int) -> dict[str, Any]:
    """The figures of a rival."""
    latency_ms = {"p50": 30.0, "p99": 40.0, "p99_9": 50.0, "max": 60.0}
    return {"connections": 1_000, "depth": 1, "rate_per_s": rate_per_s, "latency_ms": latency_ms}


PAIR = {
    "name": "opens_redis_tier_vs_redis_lua",
    "setting": "1,000 × 1",
    "run": "opens, durability redis, 1,000 × 1",
    "rival": "redis-lua",
    "ours": [30_000, 52_000, 36_000],
    "theirs": [24_000, 20_000, 22_500],
    "ratio": 1.6,
    "low": 1.25,
    "high": 2.6,
}
LEAN = PAIR | {"name": "opens_redis_tier_vs_redis_lua_lean", "rival": "redis-lua, lean script"}
MEASURED: dict[str, Any] = {
    "ratios": {"opens_redis_tier_vs_redis_lua": 1.6},
    "spread": {"opens_redis_tier_vs_redis_lua": {"low": 1.25, "high": 2.6}},
    "pairs": [PAIR, LEAN],
    "rounds": 3,
    "seed": 1,
    "seconds": 180,
    "about": {
        "command": "hongbao bench short",
        "commit": "abc1234",
        "at": "2026-11-23T07:00:00Z",
        "python": "3.11.7",
        "modules": "compiled",
        "uvloop": "0.23.0",
        "postgres": "18.6",
        "redis": "Valkey 9.1.2",
        "cpu": "Imaginary 8481C",
        "cores": 2,
        "memory_mb": 24_576,
        "kernel": "6.1",
        "config": "[limits]\nrequests_per_s = 1000000.0\n",
    },
    "runs": {
        "opens, durability redis, 1,000 × 1": [figures("opens", rate) for rate in (30_000, 52_000, 36_000)],
        "opens, durability postgres, 200 × 8": [figures("opens", 37_999, generator_busy=0.97)],
        "login": [figures("login", 15_000, depth=256, errors={"unanswered": 2})],
        "idle": [figures("idle", 0, depth=0, requests=0, extra={"server_kib_each": 6.01})],
        "hot, 500 users": [figures("hot", 9_000, extra={"last_won_ms": {"p99": ms}}) for ms in (25.0, 31.0, 28.0)],
        "echo, 1,000 × 1": [figures("echo", 60_000)],
        "http-open": [figures("http-open", 2_996, connections=100)],
        "http-send": [figures("http-send", 999, connections=100)],
        "webhooks": [figures("webhooks", 250, extra={"lag_p99_ms": 880.4, "deliveries_missing": 0})],
        "open, half the maximum": [figures("open", 9_990, loop="open", offered_per_s=10_000.0)],
    },
    "rivals": {"redis-lua, 1,000 × 1": [rival(rate) for rate in (24_000, 20_000, 22_500)]},
}


def rows(page: str) -> dict[str, list[str]]:
    """The rows of all tables by their first cell; of equal ones the last."""
    lines = (line for line in page.splitlines() if line.startswith("| "))
    return {cells[0]: cells[1:] for line in lines if (cells := line.strip("| ").split(" | "))}


@pytest.fixture(scope="module")
def page() -> str:
    """The page of these figures."""
    return document.markdown(MEASURED, "\nkept\n", "benchmarks.svg")


def test_targets_have_the_agreed_bounds() -> None:
    assert {target.text: (target.required, target.goal) for target in TARGETS} == BOUNDS
    assert "opens_redis_tier_vs_redis_lua_lean" not in targets.RATIOS


@pytest.mark.parametrize(
    ("value", "more", "less"),
    [
        (9.9, "✗ missed", "✓✓ goal"),
        (10.0, "✓", "✓✓ goal"),
        (19.9, "✓", "✓"),
        (20.0, "✓✓ goal", "✓"),
        (20.1, "✓✓ goal", "✗ missed"),
    ],
)
def test_mark_shows_whether_required_or_goal_is_reached(value: float, more: str, less: str) -> None:
    assert Requirement("", lambda _: None, 10.0, 20.0).mark(value) == more
    assert Requirement("", lambda _: None, 20.0, 10.0, at_most=True).mark(value) == less


def test_table_of_targets_has_bounds_results_and_marks(page: str) -> None:
    found = rows(page)
    wide = found["`opens`, durability `redis`, 1,000 × 1"]
    assert wide == ["36,000/s", "50,000/s", "**36,000/s** (30,000–52,000)", "✓", "60,000/s (1,000 × 1)"]
    missed = found["`opens`, durability `postgres`, 200 × 8"]
    assert missed == ["38,000/s", "80,000/s", "**37,999/s**", "✗ missed", "–"]
    assert found["`login`, a storm of 10,000"][2:4] == ["**15,000/s**", "✓✓ goal"]
    assert found["`idle`: server memory of a logged-in connection"][:4] == [
        "≤ 6 KiB",
        "≤ 3 KiB",
        "**6.01 KiB**",
        "✗ missed",
    ]
    slowest = found["`hot`, 500 users: last `won`, p99 of all rounds"]
    assert slowest[:4] == ["≤ 80 ms", "≤ 30 ms", "**31 ms** (25–31)", "✓"]
    ratio = found["`opens`, durability `redis`, against redis-lua, the lower of both settings"]
    assert ratio[:4] == ["0.7", "1", "**1.6** (1.25–2.6)", "✓✓ goal"]
    assert found["`http-open`: a grab and an open over HTTP"] == ["2,000/s", "–", "**2,996/s**", "✓", "–"]
    assert found["`http-send`: sends over HTTP"][3] == "✗ missed"
    lag = "`webhooks`, 1,000 deliveries/s while 2 of 6 endpoints hang: p99 of the lag"
    assert found[lag] == ["≤ 2,000 ms", "–", "**880 ms**", "✓", "–"]
    lost = figures("webhooks", 250, extra={"lag_p99_ms": 880.4, "deliveries_missing": 1})
    page = document.markdown(MEASURED | {"runs": {"webhooks": [lost]}}, "", "")
    assert rows(page)[lag][2:4] == ["**inf ms**", "✗ missed"]
    assert found["`send`, durability `postgres`, 200 × 8"][2:] == ["not measured", "–", "–"]


def test_table_of_pairs_has_both_sides(page: str) -> None:
    first, second = (
        line for line in page.splitlines() if line.startswith("| opens, durability redis, 1,000 × 1 | redis")
    )
    assert first == (
        "| opens, durability redis, 1,000 × 1 | redis-lua "
        "| 36,000 | 22,500 | **1.6** (1.25–2.6) | 0.7 | 1 | ✓✓ goal |"
    )
    assert second.endswith("| redis-lua, lean script | 36,000 | 22,500 | **1.6** (1.25–2.6) | – | – | – |")


def test_latencies_and_costs_are_those_of_the_run_with_the_median_rate(page: str) -> None:
    latencies, costs = page.split("## Latency")[1].split("## Processor time and settlement")
    assert rows(latencies)["opens, durability redis, 1,000 × 1"] == [
        *("1,000 × 1", "36,000"),
        *("12.3", "23.4", "34.6", "45.7"),
    ]
    assert rows(latencies)["_redis-lua, 1,000 × 1_"][:2] == ["1,000 × 1", "22,500"]
    assert rows(latencies)["open, half the maximum"][0] == "1,000, open loop 10,000/s"
    assert rows(latencies)["login"][0] == "1,000, 256 in progress at once"
    assert rows(latencies)["idle"][:2] == ["1,000", "–"]
    assert rows(costs)["opens, durability redis, 1,000 × 1"] == [
        *("25.0", "12.5", "–", "6.0"),
        *("50 %", "1,000", "20,000/s"),
    ]
    assert rows(costs)["opens, durability postgres, 200 × 8"][4] == "97 % ⚠"


def test_errors_are_listed(page: str) -> None:
    assert "Errors: login: 2 unanswered." in page
    clean = document.markdown(MEASURED | {"runs": {}}, "", "")
    assert "No request failed in any of these runs." in clean


def test_page_names_commit_machine_and_config(page: str) -> None:
    assert rows(page)["commit"] == ["`abc1234`"]
    assert rows(page)["machine"] == ["Imaginary 8481C, 2 cores, 24.6 GB, kernel 6.1"]
    assert "```toml\n[limits]\nrequests_per_s = 1000000.0\n```" in page
    assert "![Our server and the rivals, per second](benchmarks.svg)" in page


def test_section_by_hand_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text("no marks")
    assert section_by_hand(file) == "\n"
    file.unlink()
    document.write(MEASURED, file)
    assert file.read_text().endswith("## Where the time goes\n\n<!-- by hand -->\n<!-- end -->\n")
    words = "\n\nIn `write(2)`: 40 %.\n\n| a | table |\n\n"
    file.write_text(f"an old page\n<!-- by hand -->{words}<!-- end -->\nold\n")
    document.write(MEASURED, file)
    assert file.read_text().endswith(f"## Where the time goes\n\n<!-- by hand -->{words}<!-- end -->\n")
    assert "an old page" not in file.read_text()


@pytest.mark.parametrize(
    "page",
    ["<!-- by hand -->", "<!-- end -->", "<!-- end --><!-- by hand -->", 2 * "<!-- by hand --><!-- end -->"],
)
def test_page_with_damaged_marks_is_not_overwritten(tmp_path: Path, page: str) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(page)
    with pytest.raises(ValueError, match="the section by hand must stand between one <!-- by hand --> and one"):
        document.write(MEASURED, file)
    assert file.read_text() == page


def test_chart_has_a_bar_for_ours_and_for_each_rival() -> None:
    svg = ElementTree.fromstring(picture([PAIR, LEAN]))
    bars = [(bar.get("class"), bar.get("width")) for bar in svg.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars == [("ours", "288.35"), ("theirs", "180.22"), ("theirs", "180.22")]  # 416.5 pixels are 52,000
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:3] == ["opens, durability redis, 1,000 × 1", "36,000", "hongbao"]
    assert texts[3:5] == ["22,500", "redis-lua: ours is × 1.6"]


def test_every_target_is_measured_by_the_suite() -> None:
    names = {one.name for one in matchups.MATCHUPS} | suite.RUNS.keys() | suite.ALONE.keys()
    names |= {f"{rival.name}, {one.setting}" for one in matchups.MATCHUPS for rival in one.rivals}
    measured = {
        "runs": {name: [figures("any", 1, extra=Everything())] for name in names | {suite.OPEN_HALF}},
        "ratios": dict.fromkeys(targets.RATIOS, 1.0),
        "spread": {name: {"low": 1.0, "high": 1.0} for name in targets.RATIOS},
    }
    assert [target.text for target in TARGETS if target.find(measured) is None] == []
    assert {target.upper_bound for target in TARGETS if target.upper_bound} <= names


class Everything(dict[str, Any]):
    """A figure for every key."""

    def __missing__(self, key: str) -> Any:
        return {"p99": 1.0} if key == "last_won_ms" else 1.0


async def test_chart_in_a_browser_shows_every_text_whole() -> None:
    long = [LEAN | {"ours": [107_675, 107_675], "theirs": [107_000, 150_000], "ratio": 0.565}]
    async with browser(installed_or_skip()) as running:
        page = await open_page(running, 1280, 900)
        await page.set_content(picture(long))
        beyond = """() => {
            const end = document.querySelector("svg").getBoundingClientRect().right;
            return [...document.querySelectorAll("text")].map((one) => one.getBoundingClientRect().right - end);
        }"""
        assert max(await page.evaluate(beyond)) <= 0
