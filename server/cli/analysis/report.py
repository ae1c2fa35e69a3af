"""`hongbao report`: what people did in some days, as a page in one file, CSV and Parquet."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from server.cli.shared.options import DATA, ConfigOption, DataOption, LanguageOption, PostgresOption
from server.cli.shared.resources import CommandFailed, WrongOptions, all_sets, with_records
from server.cli.shared.words import Day, FilePath, language_of_place
from server.clock import Clock
from server.config import load
from server.core.beijing_year import DAY_MS, day_begin_ms
from server.core.reconciliation.days import first_ms
from server.instance import unit_of
from server.report_page.report_page import report_page
from server.services.analysis.figures import ReportFigures
from server.services.analysis.files import write_tables
from server.services.analysis.report import make_report
from storage.postgres.analysis.narrow_copy import SentSpan
from storage.postgres.database import Database

FOLDER: Final = Path("hongbao-report")
DAYS: Final = 30  # without --from


def report(
    *,
    first: Annotated[
        Day | None, Parameter(name="--from", help="first day, such as 2027-02-01 (default: 30 days)")
    ] = None,
    last: Annotated[Day | None, Parameter(name="--to", help="last day, which is included (default: today)")] = None,
    out: Annotated[FilePath, Parameter(name="--out", help="folder to write into")] = FOLDER,
    lang: LanguageOption = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Write a report of some days: a page in one file, and its tables as CSV and Parquet.

    Packets that were sent in these days of Beijing, and all that became of them, read from one snapshot while the
    server runs. Groups of fewer than 20 people are not shown. Needs the extra `analysis` (DuckDB).

    Example: hongbao report --from 2027-02-01 --to 2027-02-17 --out new-year
    """
    span = _span(first, last)
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        async with all_sets(database, settings) as sets:
            figures = await make_report(sets, span)
        try:
            page = _write(figures, out, report_page(figures, lang or language_of_place(), unit_of(data, settings)))
        except OSError as error:
            raise CommandFailed(f"{error.filename or out}: {(error.strerror or str(error)).lower()}") from None
        print(f"page: {page}")
        for line in figures.problems:
            print(f"hongbao: {line}", file=sys.stderr)
        return 1 if figures.problems else 0

    return with_records(settings, data, work)


def _span(first: date | None, last: date | None) -> SentSpan:
    """The days as moments. Raises WrongOptions."""
    to_ms = first_ms(last + timedelta(days=1)) if last else day_begin_ms(Clock().now_ms()) + DAY_MS
    from_ms = first_ms(first) if first else to_ms - DAYS * DAY_MS
    if from_ms >= to_ms:
        raise WrongOptions("--to is before --from")
    return SentSpan(from_ms, to_ms)


def _write(figures: ReportFigures, folder: Path, html: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(html, encoding="utf-8")
    write_tables(figures, folder)
    return page
