"""A rolling restart while clients connect all the time: none is refused or reset."""

from __future__ import annotations

import socket
import threading
from collections import Counter

from protocol import codes
from tests.conftest import PATIENCE_S
from tests.workers.conftest import StartWorkers
from tests.workers.running import Workers

THREADS = 4


class Callers:
    """Threads that connect, read the hello and hang up, as fast as they can. `seen`: what became of each."""

    def __init__(self, server: Workers) -> None:
        self._address = "127.0.0.1", server.port
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
                return "served" if connected.recv(1) else "closed"
        except OSError as error:
            return repr(error)


def test_restart_refuses_and_resets_no_connection(workers: StartWorkers) -> None:
    server = workers(3)
    before = server.pids()
    with Callers(server) as callers:
        restarted = server.ask("restart")
    assert restarted["restarted"] == 3
    assert set(callers.seen) == {"served"}, callers.seen
    assert callers.seen["served"] > 300
    assert not set(server.pids()) & set(before)
    status = server.status()
    assert [row["ends"] for row in status["workers"]] == [0, 0, 0]
    assert status["accepted"] == callers.seen["served"]  # those of the ended workers included, to the last
    assert status["closes"].keys() <= {codes.Close.SHUTTING_DOWN.name.lower()}


def test_connection_of_a_replaced_worker_gets_the_goodbye(workers: StartWorkers) -> None:
    server = workers(2)
    with server.connections(20) as connected:
        server.ask("restart")
        for one in connected:
            while one.recv(65_536):
                pass  # ends without a reset
    assert server.status()["closes"] == {"shutting_down": 20}
