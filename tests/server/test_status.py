"""The status socket when the server ends."""

from __future__ import annotations

import socket
from pathlib import Path

from server.process import LOG, ServerProcess
from server.running import STATUS_SOCKET


def test_who_asks_for_the_status_when_the_server_ends_leaves_no_traceback(data: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        with ServerProcess(data):
            asking.connect(str(data / STATUS_SOCKET))
            asking.sendall(b"status\n")
            assert asking.recv(10)
        assert "Traceback" not in (data / LOG).read_text()
