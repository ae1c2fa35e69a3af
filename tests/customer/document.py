"""docs/customer.md: every statement with the tests that show it, and the tables of chapter 5.2."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from server.core.texts import Language
from tests.customer.matrix import Cell, cells
from tests.customer.table import ROWS

PATH: Final = Path("docs/customer.md")
HEAD: Final = """\
# What the customer's documents say, and what shows it

`make seeds` runs every test that is named here and prints each statement with its result. This page is written by
`python -m tests.customer --write`, and a test fails if it is old. The statements are told in our own words. 001 is
the main document (a design study of red packets in a chat), 000 an outline of the payment side. A third one, 002,
is a damaged copy of 001 and says nothing else.

"""
TABLES: Final = """
## The pages of chapter 5.2

Printed by the functions that make the pages (`server/core/pages.py`), in Chinese, as users read them: for each
kind, viewer, share and state that can happen together. `open`, `gone`, … is the page that a tap shows; `result` is
the page that lists who opened it. A lucky packet of 10.00 yuan and an equal one of 6.00 yuan have three shares, a
personal one has 8.88 yuan. An open or expired packet has one share opened, a personal one none.

"""


def written() -> str:
    """The whole page."""
    return HEAD + _statements() + TABLES + _matrix(Language.ZH)


def _statements() -> str:
    lines = ["| where | what it says | shown by | otherwise |", "| --- | --- | --- | --- |"]
    for row in ROWS:
        tests = "<br>".join(f"`{test}`" for test in row.tests)
        lines.append(f"| {row.place} | {row.says} | {tests} | {row.but} |")
    return "\n".join(lines) + "\n"


def _matrix(language: Language) -> str:
    head = "| kind | viewer | share | state | a tap shows | result page | links | list | best |"
    lines = [head, "| " + " | ".join(["---"] * 9) + " |"]
    lines += [_line(cell) for cell in cells(language)]
    return "\n".join(lines) + "\n"


def _line(cell: Cell) -> str:
    tap = f"{cell.tap}: {cell.line}" if cell.line else cell.tap
    page = " · ".join(text for text in (cell.amount, cell.summary) if text)
    marks = ("yes" if one else "" for one in (cell.lists, cell.best))
    return f"| {' | '.join((cell.kind, cell.who, cell.share, cell.state, tap, page, cell.links, *marks))} |"
