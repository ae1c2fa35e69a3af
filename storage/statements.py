"""Named statements: the .sql files beside a module hold blocks that begin with `-- name: something`."""

from __future__ import annotations

from pathlib import Path


def load(module_file: str, *others: str) -> dict[str, str]:
    """The statements of the .sql file named like a module (pass its `__file__`), and of `others` beside it."""
    module = Path(module_file)
    statements: dict[str, str] = {}
    for file in (module.stem, *others):
        name = ""
        for line in module.with_name(f"{file}.sql").read_text(encoding="utf-8").splitlines():
            if line.startswith("-- name:"):
                name = line.removeprefix("-- name:").strip()
                statements[name] = ""
            elif name:
                statements[name] += line + "\n"
    return statements
