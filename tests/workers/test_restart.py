"""A rolling restart while clients connect all the time: none is refused or reset."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from pathlib import Path

import pytest

from protocol import codes
from tests.conftest import PATIENCE_S
from tests.issuer import Issuer
from tests.workers.conftest import StartWorkers
from tests.workers.running import Callers

CONNECTS_PER_S = 500


@pytest.mark.long
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


@pytest.mark.long
def test_connection_of_a_replaced_worker_gets_the_goodbye(workers: StartWorkers) -> None:
    server = workers(2)
    with server.connections(20) as connected:
        server.ask("restart")
        for one in connected:
            while one.recv(65_536):
                pass  # ends without a reset
    assert server.status()["closes"] == {"shutting_down": 20}


@pytest.mark.long
def test_restart_breaks_off_no_handshake(workers: StartWorkers, tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    certificate, key = issuer.issue()
    server = workers(2, "--tls-certificate", certificate, "--tls-key", key)
    assert server.url.startswith("tls://")
    with Callers(server, ssl.create_default_context(cafile=issuer.ca_file)) as callers:
        assert server.ask("restart")["restarted"] == 2
    assert set(callers.seen) == {"served"}, callers.seen
    assert callers.seen["served"] > 50


@pytest.mark.long
async def test_restart_refuses_no_connection_of_500_a_second(workers: StartWorkers) -> None:
    """Connections begin at planned moments, whatever became of those before."""
    server = workers(3)
    seen, begun_s = Counter[str](), list[float]()
    connecting: set[asyncio.Task[None]] = set()

    async def connect() -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                seen["served" if await reader.read(1) else "closed"] += 1
                writer.close()
        except (OSError, TimeoutError) as error:
            seen[repr(error)] += 1

    restarting = asyncio.create_task(asyncio.to_thread(server.ask, "restart"))
    since_s = time.monotonic()
    while not restarting.done() or not begun_s:
        await asyncio.sleep(since_s + len(begun_s) / CONNECTS_PER_S - time.monotonic())
        begun_s.append(time.monotonic())
        connecting.add(task := asyncio.create_task(connect()))
        task.add_done_callback(connecting.discard)
    await asyncio.gather(*connecting)
    assert (await restarting)["restarted"] == 3
    rate = len(begun_s) / (begun_s[-1] - since_s)
    print(f"{len(begun_s)} connections during the restart, {rate:.0f} a second: {dict(seen)}")
    assert seen == {"served": len(begun_s)}
    assert len(begun_s) > CONNECTS_PER_S  # the restart took more than a second
