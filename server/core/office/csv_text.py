"""Lists as CSV that spreadsheets read as text: no cell is taken for a formula. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

# What a spreadsheet begins a formula with, also in full width, and what some strip before they look.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Where a spreadsheet that parts cells at semicolons or tabs (Excel in much of Europe) begins one inside of ours.
_INNER: Final = re.compile(r"(?<!\A)([;\t|\r\n][\s\ufeff\u200b\"']*)(?=[=+\-@＝＋－＠])")
BYTE_ORDER_MARK: Final = "\ufeff"  # without it Excel reads Chinese names in the encoding of its machine


def cell(value: object) -> str:
    """A value as a cell: a number as it is, a text that would be taken for a formula behind an apostrophe."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = _INNER.sub(r"\1'", "" if value is None else str(value))
    # some programs skip spaces and signs that are not shown before they look
    return f"'{text}" if text.lstrip(" \u00a0\u3000\ufeff\u200b").startswith(FORMULA) else text


def as_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A whole file, with a line for the names of the columns."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
    writer.writerow([cell(one) for one in head])
    for row in rows:
        writer.writerow([cell(one) for one in row])
    return BYTE_ORDER_MARK + out.getvalue()
