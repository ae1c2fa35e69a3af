"""The table of the customer's statements names tests that exist, and the docs show it as it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from server.core.texts import Language
from tests.customer import document
from tests.customer.matrix import cells
from tests.customer.table import ROWS

PARTS = {"001 1.", "001 2.", "001 3.", "001 4.", "001 5.", "000 1", "000 2", "000 3", "000 4"}


@pytest.mark.parametrize("node", sorted({node for row in ROWS for node in row.nodes}))
def test_named_test_exists(node: str) -> None:
    path, _, name = node.partition("::")
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    names = {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in names


def test_every_chapter_has_statements_and_every_statement_a_test() -> None:
    assert all(any(row.place.startswith(part) for row in ROWS) for part in PARTS)
    assert [row.place for row in ROWS if not row.tests] == []


def test_page_of_the_docs_is_that_of_the_table() -> None:
    assert document.PATH.read_text(encoding="utf-8") == document.written(), "run: python -m tests.customer --write"


def test_matrix_has_each_combination_that_can_happen() -> None:
    found = [(one.kind, one.who, one.share, one.state) for one in cells(Language.ZH)]
    assert len(found) == len(set(found)) == 30
    assert all(one.tap == "result" for one in cells(Language.ZH) if one.share == "has a share")
