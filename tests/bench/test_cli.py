"""`hongbao bench` as a user calls it: figures, exit codes, messages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server.serving import here

PATIENCE_S = 300  # two servers and their generators on a busy machine

KEYS = """
    scenario loop durability connections depth generators seed offered_per_s requests seconds warmup_s rate_per_s
    rate_of latency_ms curve series answers errors cpu_s cpu_settled_s batches generator_busy
    rss_mb settlement pushes extra money missing
    duplicates oversold in_doubt valid about
"""


def bench(*words: object) -> subprocess.CompletedProcess[str]:
    """Run `hongbao bench` to its end."""
    command = [sys.executable, "-m", "server.cli", "bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def figures_of(file: Path, *words: object) -> tuple[dict[str, Any], str]:
    """The figures of a successful run, and its output."""
    shown = bench(*words, "--json", file)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "money verdict: every claim that users were told is in the books" in shown.stdout
    return json.loads(file.read_text()), shown.stdout


@pytest.mark.long
def test_closed_run_writes_its_figures(tmp_path: Path) -> None:
    words = ("opens", "--closed", "--connections", 40, "--depth", 2, "--requests", 4000, "--generators", 2)
    told, shown = figures_of(tmp_path / "opens.json", *words)
    assert list(told) == KEYS.split()
    assert (told["scenario"], told["loop"], told["durability"], told["depth"]) == ("opens", "closed", "postgres", 2)
    assert (told["connections"], told["generators"], told["requests"], told["offered_per_s"]) == (40, 2, 4000, None)
    assert (told["answers"], told["errors"], told["valid"]) == ({"won": 4000}, {}, True)
    assert (told["missing"], told["duplicates"], told["oversold"], told["in_doubt"]) == (0, 0, 0, 0)
    assert told["money"] == {
        "funded_fen": 400_000,
        "claimed_fen": 400_000,
        "refunded_fen": 0,
        "unopened_fen": 0,
        "difference_fen": 0,
    }
    latency_ms = told["latency_ms"]
    assert list(latency_ms) == ["p50", "p90", "p99", "p99_9", "p99_99", "max"]
    assert list(latency_ms.values()) == sorted(latency_ms.values())
    assert (told["curve"][0][0], told["curve"][-1][0] > 99.999, len(told["curve"])) == (0.0, True, 68)
    # the system counts in hundredths of a second
    assert all(told["cpu_s"][name] > 0 for name in ("server", "postgres", "generator"))
    assert told["rss_mb"] > 10
    # the server reads the queue first: a claim that is credited meanwhile counts in both
    settled, backlog = told["settlement"]["settled"], told["settlement"]["backlog"]
    assert max(settled, backlog) <= 4000 <= settled + backlog
    assert told["about"]["command"].startswith("hongbao bench opens --closed --connections 40")
    assert (told["about"]["postgres"][:2], told["about"]["redis"][:7]) == ("18", "Valkey ")
    assert "requests_per_s = 1000000.0" in told["about"]["config"]
    assert "requests_per_s = 1000000.0" in shown
    assert "generator 1: 20 users log in" in shown


@pytest.mark.long
def test_open_run_offers_its_rate_and_writes_a_page(tmp_path: Path) -> None:
    words = (
        "open",
        "--rate",
        200,
        "--seconds",
        1.5,
        "--warmup-s",
        0.5,
        "--connections",
        20,
        "--durability",
        "redis",
    )
    told, shown = figures_of(tmp_path / "open.json", *words, "--report", tmp_path / "page")
    assert (told["loop"], told["durability"], told["depth"], told["offered_per_s"]) == ("open", "redis", 0, 200.0)
    assert (told["requests"], told["seconds"], told["warmup_s"]) == (300, 1.5, 0.5)
    assert told["answers"] == {"won": 300}
    assert [one["second"] for one in told["series"]][:2] == [0, 1]
    assert "open loop, 200/s offered" in shown
    assert "<svg" in (tmp_path / "page" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nothing",), 2, 'Unknown command "nothing"'),
        (("opens", "--durability", "hope"), 2, "--durability"),
        (("opens", "--closed", "--rate", 5), 1, "only without --closed"),
        (("opens", "--json", "no/such/folder.json"), 1, "there is no folder for no/such/folder.json"),
        (("opens", "--url", "tcp://127.0.0.1:1", "--data", "none"), 1, "the verdict needs the records"),
    ],
)
def test_wrong_arguments_print_one_line(words: tuple[object, ...], code: int, message: str) -> None:
    found = here("bench", *words)
    assert (found.code, found.stdout) == (code, "")
    assert found.stderr.startswith("hongbao: ")
    assert message in found.stderr
    assert found.stderr.count("\n") == 1


def test_help_lists_the_scenarios() -> None:
    shown = here("bench", "--help").stdout
    for line in ("│ grab ", "│ open ", "│ opens ", "│ send "):
        assert line in shown
    assert "Example: hongbao bench opens" in shown
