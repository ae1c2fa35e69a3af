"""Files that commands write: the figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def check_folder(file: Path | None) -> None:
    """Raise ValueError if the folder of a file does not exist: better before the run than after it."""
    if file is not None and not file.parent.is_dir():
        raise ValueError(f"there is no folder for {file}")


def write_json(figures: Mapping[str, Any], file: Path | None) -> None:
    """Write the file, if one was asked for. Raises OSError."""
    if file is not None:
        file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", "utf-8")
