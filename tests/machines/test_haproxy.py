"""HAProxy with the config of `deploy/`, before servers that a test plays: one is frozen."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machines.running import proxied
from tests.server.log import wait_for

HELLO = b"hello"
ROUNDS = 6  # of connections one after another: leastconn gives each second one to either server


@contextmanager
def server(*, is_frozen: bool = False) -> Iterator[tuple[str, int]]:
    """Says hello to all that connect; if it is frozen, the kernel alone takes their connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:

        def greet() -> None:
            while True:
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected:
                    connected.sendall(HELLO)

        if not is_frozen:
            threading.Thread(target=greet, daemon=True).start()
        yield listening.getsockname()
        listening.shutdown(socket.SHUT_RDWR)


def answers(port: int) -> list[bool]:
    """Which of some connections, all open at the same time, are answered."""
    connected = [socket.create_connection(("127.0.0.1", port)) for _ in range(ROUNDS)]
    found = []
    for one in connected:
        with one:
            one.settimeout(1.0)
            try:
                found.append(one.recv(len(HELLO)) == HELLO)
            except TimeoutError:
                found.append(False)
    return found


def test_clients_over_websocket_are_not_led_to_a_machine_that_is_frozen(tmp_path: Path) -> None:
    """Its sockets take connections, and over WebSocket no server speaks first: the check over TCP tells."""
    with (
        server(is_frozen=True) as frozen,
        server() as well,
        server(is_frozen=True) as frozen_websocket,
        server() as well_websocket,
        proxied(tmp_path, {"7788": (frozen, well), "7791": (frozen_websocket, well_websocket)}) as fronts,
    ):
        wait_for(lambda: all(answers(fronts.clients)))
        assert answers(fronts.websocket) == [True] * ROUNDS
