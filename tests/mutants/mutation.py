"""One planted fault: which text becomes which, the promise it breaks, and the tests that must notice."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Rotted(Exception):
    """The text that a mutation replaces is not there exactly once any more."""


class Mutation(NamedTuple):
    """`tests`: selections of pytest, tried in order; the first that fails has caught it."""

    name: str
    breaks: str  # I1 … I11 of docs/design.md, or the promise in a word
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path) -> str:
        """The file's text with the fault in it. Raises Rotted."""
        text = (root / self.file).read_text()
        found = text.count(self.old)
        if found != 1:
            raise Rotted(f"mutation {self.name!r} has rotted: its text occurs {found} times in {self.file}")
        mutated = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(mutated, self.file, "exec")
        return mutated
