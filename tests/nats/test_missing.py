"""A server whose config names NATS, and whose installation lacks its client."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.server.serving import PATIENCE_S, command


def test_missing_client_of_nats_is_said_in_one_line_before_anything_starts(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*command(without=("nats",)), "serve", "--data", str(tmp_path / "data")],
        env={**os.environ, "HONGBAO_NATS__URL": "nats://127.0.0.1:4222"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()[-1:]
    assert line == "hongbao: this command needs the module nats: pip install 'hongbao[nats]'"
