"""What `make` tells its user."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_make_env_tells_how_long_it_takes_and_what_comes_next() -> None:
    # without the flags of the `make test` around it
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "env"],
        cwd=ROOT,
        env=alone,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "(one to four minutes, once)" in told
    assert told.splitlines()[-1] == 'echo "done; next: . .venv/bin/activate, then: hongbao demo, or: hongbao serve"'
