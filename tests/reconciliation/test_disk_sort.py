"""Sorting on the disk: lines come in order, as often as they are read, and their files go."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest

from server.services.reconciliation.disk_sort import SortedLines


@pytest.mark.parametrize("run_bytes", [1, 100, 5_000, 1 << 20])
def test_lines_come_in_order_however_many_runs_they_are(run_bytes: int) -> None:
    lines = [f"{Random(n).randrange(500)} {n}\n".encode() for n in range(1_000)]
    with SortedLines(run_bytes) as ordered:
        for line in lines:
            ordered.add(line)
        assert list(ordered) == sorted(lines)
        assert list(zip(ordered, ordered, strict=True)) == [(line, line) for line in sorted(lines)]


def test_lines_beyond_the_bound_are_on_the_disk_and_their_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with SortedLines(1_000) as ordered:
        for n in range(1_000):
            ordered.add(b"%09d\n" % n)
            assert sum(map(len, ordered._lines)) < 1_000
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) == 10_000
    assert list(tmp_path.iterdir()) == []


def test_no_line_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with SortedLines() as ordered:
        assert list(ordered) == []
        assert list(tmp_path.iterdir()) == []
