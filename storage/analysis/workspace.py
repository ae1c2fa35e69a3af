"""A DuckDB in a folder of its own: columns come in from CSV, questions are answered, tables go out.

Its memory is bounded: what needs more goes to the folder. Every call blocks; callers with a loop use a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from storage import statements

_SQL = statements.load(__file__, "questions")
MEMORY_MB: Final = 400
_ROWS_AT_ONCE: Final = 200
TYPES: Final = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bool: "BOOLEAN"}


class Workspace:
    """The columns of one report."""

    def __init__(self, folder: Path, memory_mb: int = MEMORY_MB) -> None:
        self._connection = duckdb.connect(str(folder / "columns.duckdb"))
        self._connection.execute(f"SET memory_limit = '{memory_mb}MB'")
        self._connection.execute(f"SET temp_directory = '{_quoted(folder / 'spilled')}'")
        self._connection.execute("SET preserve_insertion_order = false")
        self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute(_SQL["tables"])

    def load(self, table: str, file: Path) -> None:
        """Add the rows of a CSV file, as COPY of PostgreSQL writes it."""
        self._connection.execute(
            f"COPY {table} FROM '{_quoted(file)}' (FORMAT csv, HEADER false, AUTO_DETECT false, DELIMITER ',', "
            "QUOTE '\"', ESCAPE '\"', NULLSTR '', ALLOW_QUOTED_NULLS false)"
        )

    def count_people(self) -> None:
        """Make the table of people, once all columns are loaded."""
        self._connection.execute(_SQL["make_people"])

    def ask(self, question: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of the answer to a question of questions.sql."""
        return self._connection.execute(_SQL[question], parameters or None).fetchall()

    def write_parquet(
        self, file: Path, columns: Sequence[tuple[str, type]], rows: Sequence[Sequence[object]]
    ) -> None:
        """Write a small table as Parquet. Raises OSError, duckdb.Error."""
        fields = ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in columns)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE written ({fields})")
        marks = f"({', '.join('?' for _ in columns)})"
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[first : first + _ROWS_AT_ONCE]
            cells = [cell for row in part for cell in row]
            self._connection.execute(f"INSERT INTO written VALUES {', '.join([marks] * len(part))}", cells)
        self._connection.execute(f"COPY written TO '{_quoted(file)}' (FORMAT parquet)")

    def close(self) -> None:
        """End the database; the folder may go then."""
        self._connection.close()


def _quoted(path: Path) -> str:
    """A path inside a literal of SQL."""
    return str(path).replace("'", "''")
