"""What `make` tells its user."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_make_env_tells_how_long_it_takes_and_what_comes_next() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "env"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "(one to four minutes, once)" in told
    assert told.splitlines()[-1] == 'echo "done; next: . .venv/bin/activate, then: hongbao demo, or: hongbao serve"'
