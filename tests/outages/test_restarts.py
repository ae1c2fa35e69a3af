"""A planned restart, and restarts of all processes in any order: clients reconnect, no money is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from itertools import permutations

import pytest

from bench.chaos.freezing import frozen
from client_sim.sdk.client import Client
from protocol import messages
from server.app import DRAIN_S
from tests.conftest import Connect, StartServer
from tests.outages.cluster import READY_TIMEOUT_S, start_cluster, token, until_serving
from tests.outages.crowd import check_books, start_crowd
from tests.services.conftest import MakeParty, until

BooksBalance = Callable[[], Awaitable[None]]


@pytest.mark.long
async def test_restarts_in_any_order_lose_no_claim() -> None:
    """All six orders, each while the process before is still starting; a crowd is active meanwhile."""
    seed = 7
    print(f"seed {seed}")
    async with start_cluster() as cluster, start_crowd(cluster.url, seed) as crowd:
        stop = asyncio.Event()
        playing = asyncio.create_task(crowd.until_stopped(stop))
        for order in permutations(cluster.processes):
            for name in order:
                await cluster.processes[name].hold()
                cluster.processes[name].release()
                await asyncio.sleep(crowd.chance.uniform(0.0, 0.2))
            await until_serving(cluster.data)
            before = len(crowd.won)

            async def goes_on(before: int = before) -> bool:
                return len(crowd.won) > before

            await until(goes_on, READY_TIMEOUT_S)
        stop.set()
        async with asyncio.timeout(READY_TIMEOUT_S):
            await playing
        assert all(one.starts >= 7 for one in cluster.processes.values())
        await check_books(cluster.dsn, cluster.data, crowd)


@pytest.mark.long
async def test_rolling_restart_loses_no_claim() -> None:
    """Two planned restarts under load: every client reconnects, the server ends with 0."""
    seed = 8
    print(f"seed {seed}")
    async with start_cluster() as cluster, start_crowd(cluster.url, seed) as crowd:
        stop = asyncio.Event()
        playing = [asyncio.create_task(crowd.until_stopped(stop))]
        for restarts in (1, 2):
            await asyncio.sleep(0.3)
            server = cluster.processes["server"]
            ended = server.process
            await server.hold()
            assert ended is not None
            assert ended.wait() == 0
            server.release()

            async def all_back(restarts: int = restarts) -> bool:
                return all(one.is_connected and one.reconnects >= restarts for one in crowd.clients)

            await until(all_back, READY_TIMEOUT_S)
        stop.set()
        await asyncio.gather(*playing)
        await check_books(cluster.dsn, cluster.data, crowd)


async def test_goodbye_gives_each_client_a_different_delay(start_server: StartServer, connect: Connect) -> None:
    server = await start_server()
    clients = [await connect(server, user_id) for user_id in range(1, 21)]
    wires = [one._connection._transport for one in clients]
    await server.stop()

    async def all_told() -> bool:
        return all(one is not None and one._connection.goodbye is not None for one in wires)

    await until(all_told)
    goodbyes = [one._connection.goodbye for one in wires if one is not None]
    delays_ms = [one.reconnect_after_ms for one in goodbyes if one is not None]
    assert all(one is not None and one.reconnect and one.name == "shutting_down" for one in goodbyes)
    assert all(0 <= delay_ms <= 2_000 for delay_ms in delays_ms)
    assert len(set(delays_ms)) > 5
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_requests_while_draining_are_not_begun(
    start_server: StartServer, party: MakeParty, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 2)
    packet_id = await room.lucky(100, 2)
    room.server.app.dispatch.draining = True
    asked = asyncio.ensure_future(room.guests[0]._ask(messages.Grab(0, packet_id), messages.Grabbed))
    await asyncio.sleep(0.05)
    assert not asked.done()
    room.server.app.dispatch.draining = False
    asked.cancel()
    await books_balance()


async def test_second_sigterm_stops_at_once() -> None:
    """The first one drains: it waits for a claim that cannot be recorded, because PostgreSQL is frozen."""
    async with start_cluster() as cluster:
        server, postgres = cluster.processes["server"], cluster.processes["postgres"]
        async with Client(cluster.url, token(1)) as client:
            async with Client(cluster.url, token(0)) as backend:
                await backend.top_up(1, 1_000)
            await client.balance()
            assert postgres.pid is not None
            with frozen(postgres.pid):
                asked = asyncio.ensure_future(client.send_packet("personal", 2, 100))
                await client._ask(messages.Ping(0), messages.Pong)  # the server has read both
                ended = server.process
                assert ended is not None
                server._wanted.clear()
                loop = asyncio.get_running_loop()
                began_s = loop.time()
                ended.send_signal(signal.SIGTERM)
                await until(lambda: is_refused(cluster.url))  # it drains
                assert ended.poll() is None
                ended.send_signal(signal.SIGTERM)
                while ended.poll() is None:  # noqa: ASYNC110  the end of a process sets no event
                    await asyncio.sleep(0.02)
                assert loop.time() - began_s < DRAIN_S / 2
            asked.cancel()


async def is_refused(url: str) -> bool:
    """No connection is accepted any more."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


def test_start_without_postgres_ends_with_one_line() -> None:
    """A service manager starts it again; a person sees the reason."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        dsn = f"postgresql://hongbao@/hongbao?host={name}"
        words = ("serve", "--data", name, "--port", "0", "--postgres", dsn, "--redis", f"unix://{name}/none")
        ended = subprocess.run(
            [sys.executable, "-m", "server.cli", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert "PostgreSQL" in ended.stderr
