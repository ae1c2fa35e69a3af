"""One planted fault: the text and its replacement, the promise that it breaks, and the tests that must catch it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Outdated(Exception):
    """The text that a mutation replaces does not occur exactly once any more."""


class Mutation(NamedTuple):
    """`tests`: selections of pytest, run in order; the first that fails has caught the fault."""

    name: str
    breaks: str  # I1 … I11 of docs/design.md, or a word for the promise
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path) -> str:
        """The file's text with the fault in it. Raises Outdated."""
        text = (root / self.file).read_text()
        found = text.count(self.old)
        if found != 1:
            raise Outdated(f"mutation {self.name!r} is outdated: its text occurs {found} times in {self.file}")
        mutated = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(mutated, self.file, "exec")
        return mutated
