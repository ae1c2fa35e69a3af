"""A rolling restart while clients connect all the time: none is refused or reset."""

from __future__ import annotations

import ssl
from pathlib import Path

from protocol import codes
from tests.issuer import Issuer
from tests.workers.conftest import StartWorkers
from tests.workers.running import Callers


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


def test_restart_breaks_off_no_handshake(workers: StartWorkers, tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    certificate, key = issuer.issue()
    server = workers(2, "--tls-certificate", certificate, "--tls-key", key)
    assert server.url.startswith("tls://")
    with Callers(server, ssl.create_default_context(cafile=issuer.ca_file)) as callers:
        assert server.ask("restart")["restarted"] == 2
    assert set(callers.seen) == {"served"}, callers.seen
    assert callers.seen["served"] > 50
