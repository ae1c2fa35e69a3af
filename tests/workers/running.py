"""A running server with several workers: what it reports, and connections to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from protocol import tokens
from server.config import load, load_keys
from server.instance import running
from server.process import OURS, ServerProcess
from tests.conftest import FAR_AWAY_S, PATIENCE_S
from tests.server.log import wait_for
from tests.server.serving import here

HELLO_BYTES = 8  # so many at least
THREADS = 4


class Workers:
    """A server with several workers. Inside `with` it runs."""

    def __init__(self, data: Path, number: int, *words: str, **environment: str) -> None:
        self.data, self.number = data, number
        patient = {"HONGBAO_LIMITS__LOGIN_TIMEOUT_S": "600"}  # connections of tests say nothing
        self._process = ServerProcess(
            data, "--workers", str(number), *words, program=OURS, environment={**patient, **environment}
        )

    def __enter__(self) -> Self:
        self._process.__enter__()
        self.url = self._process.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    @property
    def pid(self) -> int:
        """The supervisor."""
        instance = running(self.data)
        assert instance is not None
        return instance.pid

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self.url.rpartition(":")[2])

    def ask(self, *words: object) -> dict[str, Any]:
        """The answer of a command."""
        ended = here(*words, "--data", self.data, "--json")
        assert ended.code == 0, ended
        answer: dict[str, Any] = json.loads(ended.stdout)
        return answer

    def status(self) -> dict[str, Any]:
        """The state of the server as a whole."""
        return self.ask("status")

    def rows(self) -> list[dict[str, Any]]:
        """The workers, each for itself."""
        rows: list[dict[str, Any]] = self.status()["workers"]
        return rows

    def pids(self) -> list[int]:
        """The processes of the workers, by number."""
        return [row["pid"] for row in self.rows()]

    def wait_for_state(self, number: int, *states: str) -> None:
        """Until a worker is in one of these states."""
        wait_for(lambda: self.rows()[number]["state"] in states)

    def kill(self, number: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process of a worker, and wait for the effect of a kill."""
        pid = self.pids()[number]
        os.kill(pid, how)
        if how is signal.SIGKILL:
            wait_for(lambda: self.rows()[number]["pid"] != pid)

    def connect(self) -> socket.socket:
        """A connection, once the server has said hello."""
        connected = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        try:
            assert len(connected.recv(HELLO_BYTES)) > 0, "closed before the hello"
        except BaseException:
            connected.close()
            raise
        return connected

    @contextmanager
    def connections(self, count: int) -> Iterator[list[socket.socket]]:
        """So many connections."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.connect()) for _ in range(count)]

    def token(self, user_id: int) -> str:
        """A login token of a user."""
        key_id, key = list(load_keys(load(None, {}, {}), self.data, may_make=False).items())[-1]
        return str(tokens.mint(user_id, FAR_AWAY_S, key_id, key))


class Callers:
    """Threads that connect, read the hello and hang up, as fast as they can. `seen`: what became of each."""

    def __init__(self, server: Workers, tls: ssl.SSLContext | None = None) -> None:
        self._address = "127.0.0.1", server.port
        self._tls = tls
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(THREADS)]
        self.seen: Counter[str] = Counter()

    def __enter__(self) -> Callers:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for one in self._threads:
            one.join()

    def _call(self) -> None:
        while not self._is_over.is_set():
            self.seen[self._outcome()] += 1

    def _outcome(self) -> str:
        try:
            with socket.create_connection(self._address, timeout=PATIENCE_S) as connected:
                if self._tls is None:
                    return "served" if connected.recv(1) else "closed"
                with self._tls.wrap_socket(connected, server_hostname=self._address[0]) as secure:
                    return "served" if secure.recv(1) else "closed"
        except OSError as error:
            return repr(error)


def is_open(connection: socket.socket) -> bool:
    """No end of the connection has come; what came before it may be unread."""
    connection.setblocking(False)
    try:
        while data := connection.recv(65_536):
            assert data
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.setblocking(True)
        connection.settimeout(PATIENCE_S)
    return False
