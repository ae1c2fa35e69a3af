"""Standard output or error that is closed or full at the start: the server serves, and ends with code 0."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from server.instance import running
from tests.server.log import wait_for
from tests.server.serving import PATIENCE_S, here


@pytest.mark.parametrize(
    "redirection",
    [
        "<&- >&- 2>&-",
        ">/dev/full",
        *(pytest.param(one, marks=pytest.mark.long) for one in (">&-", "2>&-", ">&- 2>&-", "2>/dev/full")),
    ],
)
def test_server_serves_with_a_closed_or_full_standard_stream(
    tmp_path: Path, postgres_dsn: str, redis_url: str, redirection: str
) -> None:
    words = f"serve --data {tmp_path} --port 0 --postgres '{postgres_dsn}' --redis '{redis_url}' {redirection}"
    server = subprocess.Popen(
        ["sh", "-c", f"exec {sys.executable} -m server.cli {words}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: running(tmp_path) is not None or server.poll() is not None)
        assert server.poll() is None
        assert here("status", "--data", tmp_path).code == 0
        server.terminate()
        assert server.wait(PATIENCE_S) == 0
    finally:
        server.kill()
        server.wait()
