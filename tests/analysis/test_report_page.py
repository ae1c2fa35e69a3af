"""`hongbao report`: the page needs nothing from outside, hostile names are text, files say what the page says."""

from __future__ import annotations

import asyncio
import csv
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from playwright.async_api import Browser, ViewportSize

from bench.analysis.large_records import FIRST_MS, fill
from protocol.money_unit import YUAN
from server.cli.shared.extras import EXTRAS
from server.report_page.report_page import report_page
from server.services.analysis.figures import ReportFigures
from server.services.analysis.files import write_tables
from server.services.analysis.report import make_report
from storage.postgres.analysis.narrow_copy import SentSpan
from storage.postgres.database import Database
from tests.databases import Databases
from tests.server.serving import command, here
from tests.web.conftest import chromium

__all__ = ["chromium"]  # a fixture
HOSTILE = '"><script>document.title="taken"</script><img src=x onerror="document.title=1">\u202eevil'
FORMULA = '=HYPERLINK("http://x.example","tap")'
CAMPAIGN = """
INSERT INTO campaigns (campaign_id, sponsor_id, key, name, greeting, cover, group_id, highlighted, shares,
    budget_fen, share_fen_min, share_fen_max, per_user_limit, deck, seed_index, client_seed, commitment,
    created_at_ms, starts_at_ms, ends_at_ms, published_left, published_at_ms)
VALUES (1::bigint << 62, 7, 'k', $1, '', '', 0, false, 9, 9000, 1, 1000, 1, '', 0, '', sha256(''), 0, 0, 1, 9, 0)
"""
SPAN = SentSpan(FIRST_MS, FIRST_MS + 20 * 86_400_000)


class Made(NamedTuple):
    """A report, and the records that it was made of."""

    figures: ReportFigures
    dsn: str


@pytest.fixture(scope="module")
def made(databases: Databases) -> Iterator[Made]:
    """A report of 12,000 claims; greetings, a campaign and a sponsor have hostile names. No test changes it."""
    dsn = databases.dsn_of(name := databases.take())
    yield Made(asyncio.run(figures_of(dsn)), dsn)
    databases.give_back(name)


async def figures_of(dsn: str) -> ReportFigures:
    """Fill the records, and make the report."""
    await fill(dsn, 12_000, 3_000, lambda line: None)
    database = Database(dsn, pool_max=4, timeout_s=10)
    await database.open()
    try:
        async with database.reading() as sql:
            await sql.execute("UPDATE packets SET greeting = $1 WHERE packet_id % 5 = 0", HOSTILE)
            await sql.execute("UPDATE packets SET greeting = $1 WHERE packet_id % 5 = 1", FORMULA)
            await sql.execute("INSERT INTO sponsors VALUES (7, $1, 0)", HOSTILE)
            await sql.execute(CAMPAIGN, HOSTILE)
            await sql.execute(
                "INSERT INTO leases SELECT packet_id, 1::bigint << 62, 0, 9, 1 FROM packets WHERE packet_id % 5 = 2"
            )
            await sql.execute("INSERT INTO campaign_hours VALUES (1::bigint << 62, $1, 5000, 40, 2)", FIRST_MS)
        return await make_report([database], SPAN)
    finally:
        await database.close()


@pytest.fixture
def figures(made: Made) -> ReportFigures:
    """The report."""
    return made.figures


def page_of(figures: ReportFigures, language: str) -> str:
    return report_page(figures, language, YUAN)


async def test_page_asks_for_nothing_and_has_no_script(figures: ReportFigures) -> None:
    for language in ("en", "zh"):
        page = page_of(figures, language)
        assert re.findall(r"<(?:script|link|img|iframe|object)\b", page) == []
        assert re.findall(r"<[^>]*\s(?:src|href|style|on\w+)=|url\(|@import", page) == []
        assert "default-src 'none'" in page


async def test_page_shows_hostile_names_as_text(figures: ReportFigures) -> None:
    page = page_of(figures, "en")
    assert page.count("&lt;script&gt;document") >= 2
    assert "<script" not in page
    assert "\u202e" not in page


class Seen(NamedTuple):
    """What a browser made of a page."""

    title: str
    requests: list[str]
    errors: list[str]
    wide: bool  # wider than the window
    text: str


async def seen_by(chromium: Browser, file: Path, width: int, dark: bool) -> Seen:
    size: ViewportSize = {"width": width, "height": 800}
    page = await chromium.new_page(viewport=size, color_scheme="dark" if dark else "light")
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    await page.goto(file.as_uri())
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    seen = Seen(await page.title(), requests, errors, wide, await page.inner_text("body"))
    await page.close()
    return seen


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
async def test_page_in_a_browser_is_quiet_and_fits(
    figures: ReportFigures, chromium: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page_of(figures, "en"), encoding="utf-8")
    seen = await seen_by(chromium, file, width, dark)
    assert seen.title.startswith("Red packets")
    assert (seen.requests, seen.errors, seen.wide) == ([file.as_uri()], [], False)
    assert "<script>" in seen.text  # shown, not run


async def test_tables_are_written_as_csv_and_parquet_with_the_same_rows(
    figures: ReportFigures, tmp_path: Path
) -> None:
    write_tables(figures, tmp_path)
    for name, table in figures.tables.items():
        with (tmp_path / "csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        columns = duckdb.sql(f"SELECT * FROM '{tmp_path}/parquet/{name}.parquet'")
        assert head == columns.columns == [column for column, _ in table.columns]
        assert len(rows) == len(table.rows)
        assert columns.fetchall() == [tuple(row) for row in table.rows]


async def test_csv_has_no_cell_that_a_spreadsheet_would_run(figures: ReportFigures, tmp_path: Path) -> None:
    write_tables(figures, tmp_path)
    text = (tmp_path / "csv" / "greetings.csv").read_text("utf-8")
    assert "HYPERLINK" in text
    assert "\"'=HYPERLINK" in text
    assert not re.search(r'^"?=', text, re.MULTILINE)


async def test_command_writes_a_folder_while_a_server_may_run(made: Made, tmp_path: Path) -> None:
    words = [*command(), "report", "--postgres", made.dsn, "--from", "2026-02-01", "--to", "2026-02-20"]
    run = [*words, "--out", str(tmp_path / "out"), "--lang", "zh"]
    process = await asyncio.create_subprocess_exec(*run, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, stderr.decode()) == (0, "")
    assert stdout.decode() == f"page: {tmp_path / 'out' / 'report.html'}\n"
    assert (tmp_path / "out" / "report.html").read_text("utf-8").startswith('<!doctype html>\n<html lang="zh-CN">')
    assert (tmp_path / "out" / "parquet" / "totals.parquet").is_file()


def test_command_without_duckdb_says_what_to_install(tmp_path: Path) -> None:
    run = [*command(without=("duckdb",)), "report", "--data", str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "hongbao: this command needs the module duckdb: pip install 'hongbao[analysis]'\n"
    assert EXTRAS["duckdb"] == "analysis"


def test_command_refuses_days_that_end_before_they_begin(tmp_path: Path) -> None:
    refused = here("report", "--from", "2026-02-02", "--to", "2026-02-01", "--data", tmp_path)
    assert (refused.code, refused.stderr) == (2, "hongbao: --to is before --from\n")
