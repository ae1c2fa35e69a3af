"""`hongbao bench report`: its records keep the rules of the books, its figures say what is bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from bench.analysis.large_records import fill
from bench.analysis.report_cost import CLAIMS_OF_BOUND, Cost, Measured, figures_of, lines_of, report_once
from bench.load.generator_pool import BenchFailed
from tests.bench.test_cli import bench

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
UNSOUND = """
SELECT p.packet_id FROM packets p LEFT JOIN claims c USING (packet_id) GROUP BY p.packet_id
HAVING p.version <> count(c.*) OR p.claimed_fen <> coalesce(sum(c.amount_fen), 0)
    OR p.claimed_fen + p.refunded_fen <> p.total_fen OR count(DISTINCT c.user_id) <> count(c.*)
    OR min(c.index) > 0 OR max(c.index) >= p.shares OR min(c.amount_fen) < 1 OR min(c.at_ms) < p.created_at_ms
"""


def measured(claims: int, seconds: float, memory_mib: float, beside_ms: float) -> Measured:
    return Measured(
        claims, Cost(seconds, memory_mib), [10.0, 10.0, 10.0], [beside_ms] * 3, [15.0, 14.0, 16.0], True
    )


async def test_large_records_keep_the_rules_of_the_books(postgres_dsn: str, sql: Sql) -> None:
    said: list[str] = []
    await fill(postgres_dsn, 5_000, 800, said.append)
    claims = await sql.fetchval("SELECT count(*) FROM claims")
    assert 4_500 < claims < 5_500
    assert await sql.fetch(UNSOUND) == []
    assert said[-1] == "505 of 505 packets"


async def test_report_once_tells_seconds_and_the_peak_of_its_memory(postgres_dsn: str, tmp_path: Path) -> None:
    await fill(postgres_dsn, 1_000, 400, lambda line: None)
    cost = await report_once(postgres_dsn, tmp_path)
    assert cost.seconds > 0
    assert 20 < cost.memory_mib < 1_000
    assert (tmp_path / "report.html").is_file()


async def test_report_once_of_a_database_without_records_fails(stores: object, tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="hongbao report: "):
        await report_once("postgresql://nowhere.invalid/none?host=/nowhere", tmp_path)


def test_figures_of_ten_million_claims_are_within_their_bounds_or_not() -> None:
    assert figures_of(measured(CLAIMS_OF_BOUND, 60, 1_024, 11))["within"] == dict.fromkeys(
        ("seconds", "memory_mib", "p99_ratio"), True
    )
    assert figures_of(measured(CLAIMS_OF_BOUND, 60.1, 1_025, 11.1))["within"] == dict.fromkeys(
        ("seconds", "memory_mib", "p99_ratio"), False
    )


def test_figures_of_small_records_say_nothing_about_the_bounds() -> None:
    figures = figures_of(measured(1_000_000, 6, 200, 20))
    assert set(figures["within"].values()) == {None}
    lines = lines_of(figures)
    assert lines[0] == "report  1,000,000 claims in 6.0 s, bound for 10 million claims: ≤ 60 s"
    assert "2.00" in lines[2]
    assert lines[3] == "loop    p99 15.00 ms beside a program that only computes, on one core: 1.50"


@pytest.mark.long
def test_bench_report_tells_the_p99_of_opens_without_a_report_and_beside_one(tmp_path: Path) -> None:
    """Both are measured here, not judged: the machine may be busy."""
    file = tmp_path / "report.json"
    shown = bench(*("report", "--claims", 20_000, "--rate", 100, "--seconds", 2, "--rounds", 2, "--json", file))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    figures = json.loads(file.read_text())
    without, beside, loop = figures["p99_ms"]
    assert (len(without), len(beside), len(loop)) == (2, 2, 2)
    assert min(without + beside + loop) > 0
    assert figures["valid"]
    assert "ms beside a report, " in shown.stdout
    assert "money verdict: holds" in shown.stdout
