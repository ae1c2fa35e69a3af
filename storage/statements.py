"""Named statements: a .sql file beside a module holds blocks that begin with `-- name: something`."""

from __future__ import annotations

from pathlib import Path


def load(module_file: str) -> dict[str, str]:
    """The statements of the .sql file that bears the name of a module (pass its `__file__`)."""
    statements: dict[str, str] = {}
    name = ""
    for line in Path(module_file).with_suffix(".sql").read_text(encoding="utf-8").splitlines():
        if line.startswith("-- name:"):
            name = line.removeprefix("-- name:").strip()
            statements[name] = ""
        elif name:
            statements[name] += line + "\n"
    return statements
