"""The status socket when the server ends."""

from __future__ import annotations

import socket
from pathlib import Path

from server.instance import STATUS_SOCKET
from server.process import LOG, ServerProcess


def test_status_request_while_the_server_ends_leaves_no_traceback(data: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        with ServerProcess(data):
            asking.connect(str(data / STATUS_SOCKET))
            asking.sendall(b"status\n")
            assert asking.recv(10)
        assert "Traceback" not in (data / LOG).read_text()
