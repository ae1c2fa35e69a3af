"""The tables of a report as files for other programs: CSV and Parquet, one for each table."""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

from server.core.office.csv_text import cell as as_cell
from server.services.analysis.figures import Cell, ReportFigures
from storage.analysis.workspace import Workspace


def write_tables(figures: ReportFigures, folder: Path) -> list[Path]:
    """Write `csv/NAME.csv` and `parquet/NAME.parquet` into a folder; which files. Raises OSError. Blocks."""
    for name in ("csv", "parquet"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    written = []
    with TemporaryDirectory(prefix="hongbao-report-") as room:
        workspace = Workspace(Path(room))
        try:
            for name, table in figures.tables.items():
                if not table.columns:
                    continue
                rows = folder / "csv" / f"{name}.csv"
                with rows.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow([column for column, _ in table.columns])
                    writer.writerows([[_harmless(cell) for cell in row] for row in table.rows])
                columns = folder / "parquet" / f"{name}.parquet"
                workspace.write_parquet(columns, table.columns, table.rows)
                written += [rows, columns]
        finally:
            workspace.close()
    return written


def _harmless(cell: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula: a greeting may begin with an equals sign."""
    return as_cell(cell) if isinstance(cell, str) else cell
