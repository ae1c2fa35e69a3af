"""`make outages` has a section for each store, and each test of an outage is in one of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/outages", "tests/redis")
SECTION = re.compile(r'^echo "([^":]+)[^"]*"; \S+ -m pytest (.*)$', re.MULTILINE)


def files(place: str) -> set[str]:
    """The files with tests at a place."""
    if place.endswith(".py"):
        return {place}
    return {str(one.relative_to(ROOT)) for one in (ROOT / place).rglob("test_*.py")}


def files_of(words: list[str]) -> set[str]:
    """The files that a command of pytest runs."""
    ignored = [word.removeprefix("--ignore=") for word in words if word.startswith("--")]
    found = [files(word) for word in words if not word.startswith("--")]
    return set().union(*found).difference(*map(files, ignored))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_each_test_of_an_outage_is_in_one_section_of_make_outages() -> None:
    done = subprocess.run(["make", "--dry-run", "outages"], cwd=ROOT, capture_output=True, text=True, check=True)
    sections = {name: files_of(words.split()) for name, words in SECTION.findall(done.stdout)}
    assert list(sections) == ["both stores", "PostgreSQL", "Redis", "several sets of PostgreSQL"]
    assert all((ROOT / one).exists() for paths in sections.values() for one in paths)
    times = Counter(one for paths in sections.values() for one in paths)
    assert {one for one, number in times.items() if number > 1} == set()
    assert {one for folder in FOLDERS for one in files(folder)} <= times.keys()
