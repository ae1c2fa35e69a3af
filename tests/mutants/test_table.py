"""Every planted fault can still be planted, and its tests exist. `make mutants` checks that they catch it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.cases import each
from tests.mutants.mutation import Mutation
from tests.mutants.run import ROOT
from tests.mutants.table import MUTATIONS


@each("mutation", MUTATIONS)
def test_fault_applies_and_its_tests_exist(mutation: Mutation) -> None:
    mutation.applied(ROOT)
    assert mutation.old != mutation.new
    for selection in mutation.tests:
        file, _, name = selection.partition("::")
        assert re.search(
            rf"^(async )?def {re.escape(name.partition('[')[0])}\(", (ROOT / file).read_text(), re.MULTILINE
        )


def test_fault_in_a_function_of_the_database_is_in_its_last_definition() -> None:
    """A later migration may replace a function: a fault in the definition before it has no effect."""
    migrations = ROOT / "storage/postgres/migrations"
    for one in MUTATIONS:
        file = ROOT / one.file
        if file.parent == migrations:
            before, _, _ = file.read_text().partition(one.old)
            for name in re.findall(r"FUNCTION (\w+)\(", before)[-1:]:
                replaced = re.compile(rf"(REPLACE|DROP) FUNCTION {name}\(")
                later = [path.name for path in sorted(migrations.glob("*.sql")) if path.name > file.name]
                assert [path for path in later if replaced.search((migrations / path).read_text())] == [], one.name


def test_faults_use_no_name_that_is_gone(tmp_path: Path) -> None:
    """Such a fault breaks the code instead of a promise: whatever its tests say, it was never tried."""
    for number, one in enumerate(MUTATIONS):
        if one.file.endswith(".py"):
            (tmp_path / f"{number}.py").write_text(one.applied(ROOT))
    ruff = Path(sys.executable).parent / "ruff"
    words = [ruff, "check", "--isolated", "--select", "F821", "--output-format", "concise", tmp_path]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    gone = re.findall(r"(\d+)\.py:\d+:\d+: (.*)", found.stdout)
    assert [(MUTATIONS[int(number)].name, words) for number, words in gone] == []


def test_faults_are_all_different() -> None:
    assert len(MUTATIONS) >= 20
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS)
    assert len({(one.file, one.old, one.new) for one in MUTATIONS}) == len(MUTATIONS)
