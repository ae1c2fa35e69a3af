"""A real pgbouncer before the PostgreSQL of the tests. Debian's package is `pgbouncer`."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from server.embedded.run import account, hand_over, polls, spawn

PORT = "6432"  # only a part of the socket's name
START_S = 10.0
_FOUND = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(
    _FOUND is None and os.environ.get("HONGBAO_PGBOUNCER") != "required",
    reason="no pgbouncer here (apt-get install pgbouncer)",
)

_CONFIG = """
[databases]
* = host={target} port=5432

[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = {port}
auth_type = trust
auth_file = {folder}/users
default_pool_size = 30
server_check_delay = 0
{settings}
"""


@contextmanager
def pgbouncer(dsn: str, settings: str, user: str = "postgres") -> Iterator[str]:
    """Run one before the PostgreSQL of a DSN, with these lines of config; the DSN that leads through it."""
    assert _FOUND is not None
    (target,) = parse_qs(urlsplit(dsn).query)["host"]
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "users").write_text(f'"{user}" ""\n')
        config = folder / "pgbouncer.ini"
        config.write_text(_CONFIG.format(target=target, folder=folder, port=PORT, settings=settings))
        hand_over(folder, account())
        child = spawn([_FOUND, str(config)], folder, folder / "log", account(), signal.SIGINT)
        try:
            for _ in polls(START_S):
                assert child.process.poll() is None, child.last_log_lines()
                if (folder / f".s.PGSQL.{PORT}").exists():
                    break
            path = urlsplit(dsn).path
            yield f"postgresql://{user}@{path}?host={folder}&port={PORT}&sslmode=disable"
        finally:
            child.process.kill()
            child.process.wait()
