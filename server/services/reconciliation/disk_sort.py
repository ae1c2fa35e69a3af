"""Sorts more lines than memory holds: sorted runs in files of a temporary folder, merged as they are read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

RUN_BYTES: Final = 16 << 20  # that are sorted in memory at once


class SortedLines:
    """Lines of bytes, each with its line feed; in order, as often as one iterates. Its files go with `close`."""

    def __init__(self, run_bytes: int = RUN_BYTES) -> None:
        self._run_bytes = run_bytes
        self._lines: list[bytes] = []
        self._bytes = 0
        self._folder: TemporaryDirectory[str] | None = None
        self._runs: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, line: bytes) -> None:
        """One more. Raises OSError if the disk is full."""
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= self._run_bytes:
            self._spill()

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="hongbao-sort-")
        self._lines.sort()
        path = Path(self._folder.name) / str(len(self._runs))
        with path.open("wb") as file:
            file.writelines(self._lines)
        self._runs.append(path)
        self._lines, self._bytes = [], 0

    def __iter__(self) -> Iterator[bytes]:
        self._lines.sort()
        with ExitStack() as files:
            runs = [files.enter_context(path.open("rb")) for path in self._runs]
            yield from heapq.merge(*runs, self._lines)

    def close(self) -> None:
        """Remove its files."""
        self._lines, self._runs = [], []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
