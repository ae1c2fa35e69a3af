"""The table of compiled modules and the sources that count for a build."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.compiled.sources import ABOVE, PACKAGES, ROOT, digest_of, source_files
from server.compiled.table import MODULES


def file_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def imports_of(file: Path) -> Iterator[str]:
    """The modules of the three packages that a file names in its imports, also in functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in PACKAGES:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def test_modules_of_the_table_are_sources_that_count() -> None:
    counted = set(source_files())
    assert [module for module in MODULES if file_of(module) not in counted] == []
    assert list(MODULES) == sorted(set(MODULES))


def test_compiled_modules_have_no_structs() -> None:
    """In a compiled module a struct of msgspec has no equality, and the audit would call every packet unfair."""
    found = [
        f"{module}: {node.name}"
        for module in MODULES
        for node in ast.walk(ast.parse(file_of(module).read_text()))
        if isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases)
    ]
    assert found == []


def test_no_compiled_module_reaches_sources_that_do_not_count() -> None:
    """Constants and types of what it imports are built in, so all of that must be in the digest."""
    counted, seen, waiting = set(source_files()), set[Path](), [file_of(module) for module in MODULES]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for module in imports_of(file):
            waiting += [one for one in (file_of(module), file_of(f"{module}.__init__")) if one.is_file()]
    assert len(seen) > len(MODULES)
    assert sorted(seen - counted) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_digest_is_that_of_all_texts_and_names_that_count(tree: Path) -> None:
    before = digest_of(tree)
    assert before == digest_of()
    file = tree / "server" / "core" / "limits.py"  # not compiled, but its constants may be built in
    text = file.read_text()
    file.write_text(f"{text}# one more line\n")
    assert digest_of(tree) != before
    file.write_text(text)
    assert digest_of(tree) == before
    file.rename(file.with_name("limits_2.py"))
    assert digest_of(tree) != before


@pytest.mark.parametrize("folder", ABOVE)
def test_sources_above_do_not_count(tree: Path, folder: str) -> None:
    before = digest_of(tree)
    (tree / "server" / folder / "__init__.py").write_text('"""Another text."""\n')
    assert digest_of(tree) == before
