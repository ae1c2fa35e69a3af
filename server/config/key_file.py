"""Files of secret keys, one `id = "hex"` a line: made once, readable by their owner alone, replaced as a whole."""

from __future__ import annotations

import os
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path

from server.config.rules import Rule
from server.config.values import ConfigError


def read(path: Path, rule: Rule) -> dict[str, str]:
    """The keys of a file, in their order. Raises ConfigError, OSError, ValueError."""
    if path.stat().st_mode & 0o077:
        raise ConfigError(
            f"{path}: other users can read it: chmod 600 it, and replace the keys if others have read them"
        )
    kept = tomllib.loads(path.read_text("utf-8"))
    if not kept or not all(isinstance(text, str) for text in kept.values()) or not rule.holds(kept):
        raise ConfigError(f"{path} must be {rule.must}")
    return kept


def make(path: Path, text: str) -> None:
    """Write a first key. The file is complete or absent, and made once even if processes start together."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    first = draft(path, text)
    with suppress(FileExistsError):
        os.link(first, path)
    os.unlink(first)


def replace(path: Path, text: str) -> None:
    """Write other keys. Raises OSError."""
    os.replace(draft(path, text), path)


def draft(path: Path, text: str) -> str:
    """A file with this text beside the path, on the disk, readable by its owner alone."""
    descriptor, written = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return written
