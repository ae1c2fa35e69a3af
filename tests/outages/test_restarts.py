"""A planned restart, and restarts of everything in any order: clients come back by themselves, no fen is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.chaos.keeper import Kept, answers, kept_server, kept_store, prepare_stores
from client_sim.client import Client
from client_sim.errors import ClientError
from protocol import messages, tokens
from server.app import running
from server.embedded.sockets import addresses
from server.embedded.stores import POSTGRES, STORES, VALKEY
from server.services.audit import audit
from storage.postgres.database import Database
from tests.conftest import FAR_AWAY_S, KEYS, Connect, StartServer
from tests.services.conftest import MakeParty, until

BooksBalance = Callable[[], Awaitable[None]]
GUESTS = 8
READY_WITHIN_S = 60.0


class House(NamedTuple):
    """A server and its stores, each a process of its own."""

    data: Path
    dsn: str
    url: str
    parts: dict[str, Kept]


def token(user_id: int) -> str:
    return str(tokens.mint(user_id, FAR_AWAY_S, "test", KEYS["test"]))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Everything runs, and whatever ends is started again, as by a service manager."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        data, port = Path(name), free_port()
        os.chmod(name, 0o711)  # for the stores to pass
        sockets = prepare_stores(data)
        dsn, redis_url = addresses(sockets)
        config = data / "config.toml"
        config.write_text(f'[auth]\nkeys = {{ test = "{KEYS["test"].hex()}" }}\n')
        words = ("--port", str(port), "--postgres", dsn, "--redis", redis_url, "--config", str(config))
        parts = {store.name: kept_store(store, data, sockets) for store in STORES}
        parts["server"] = kept_server(data, *words)
        async with AsyncExitStack() as stack:
            for part, kept in parts.items():
                if part == "server":
                    assert await answers(POSTGRES, sockets, READY_WITHIN_S)
                    assert await answers(VALKEY, sockets, READY_WITHIN_S)
                keeper = asyncio.create_task(kept.run())
                stack.push_async_callback(end, kept, keeper)
            await serving(data)
            yield House(data, dsn, f"tcp://127.0.0.1:{port}", parts)


async def end(kept: Kept, keeper: asyncio.Task[None]) -> None:
    await kept.hold()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


async def serving(data: Path) -> None:
    async def holds() -> bool:
        return running(data) is not None

    await until(holds, READY_WITHIN_S)


def wait_s(error: ClientError) -> float:
    """How long to wait before asking again; an error that is not temporary is the test's."""
    if not error.temporary:
        raise error
    return 0.05 + error.retry_after_ms / 1000


class Crowd:
    """Clients of the SDK who send and open all the time, and remember what they were told."""

    def __init__(self, clients: list[Client], group: int, chance: random.Random) -> None:
        self.clients = clients
        self.group = group
        self.chance = chance
        self.sent: dict[int, int] = {}  # packet -> fen
        self.won: dict[tuple[int, int], int] = {}  # (packet, user) -> fen
        self.told_otherwise: list[str] = []

    async def sends(self, number: int) -> None:
        key = f"send {number}"
        while True:
            try:
                sent = await self.clients[0].send_packet("lucky", self.group, 100, GUESTS, key=key)
            except ClientError as error:
                await asyncio.sleep(wait_s(error))
                continue
            self.sent[sent.packet_id] = 100
            await asyncio.gather(*(self.opens(one, sent.packet_id) for one in self.clients))
            return

    async def opens(self, client: Client, packet_id: int) -> None:
        while True:
            try:
                opened = await client.open(packet_id)
            except ClientError as error:
                await asyncio.sleep(wait_s(error))
                continue
            assert opened.answer in ("won", "claimed"), opened
            place = (packet_id, client.user_id)
            if self.won.setdefault(place, opened.amount_fen) != opened.amount_fen:
                self.told_otherwise.append(f"{place}")
            return

    async def until_stopped(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await self.sends(number)
            await asyncio.sleep(self.chance.uniform(0.0, 0.02))


@asynccontextmanager
async def crowd(url: str, seed: int) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url, token(1 + n), timeout_s=60)) for n in range(GUESTS)]
        async with Client(url, token(0)) as backend:
            await backend.top_up(1, 10_000_000, key="all")
        group = await clients[0].create_group("crowd")
        for one in clients[1:]:
            await one.join_group(group)
        yield Crowd(clients, group, random.Random(seed))


async def check_books(dsn: str, people: Crowd) -> None:
    """What people were told stands in the books, and the books agree with themselves."""
    database = Database(dsn, pool_max=1, timeout_s=10)
    await database.open()
    try:
        async with database.reading() as connection:
            rows = await connection.fetch("SELECT packet_id, user_id, amount_fen FROM claims")
            sent = {row["packet_id"] for row in await connection.fetch("SELECT packet_id FROM packets")}
        found = await audit(database)
    finally:
        await database.close()
    assert people.told_otherwise == []
    assert {(row["packet_id"], row["user_id"]): row["amount_fen"] for row in rows} == people.won
    assert sent == people.sent.keys()
    assert [line for finding in found.findings for line in finding.discrepancies] == []


async def test_everything_restarts_in_any_order() -> None:
    """All six orders, the next one while the last is still on its way up; a crowd plays meanwhile."""
    seed = 7
    print(f"seed {seed}")
    async with house() as here, crowd(here.url, seed) as people:
        stop = asyncio.Event()
        playing = asyncio.create_task(people.until_stopped(stop))
        for order in permutations(here.parts):
            for name in order:
                await here.parts[name].hold()
                here.parts[name].release()
                await asyncio.sleep(people.chance.uniform(0.0, 0.2))
            await serving(here.data)
            before = len(people.won)

            async def goes_on(before: int = before) -> bool:
                return len(people.won) > before

            await until(goes_on, READY_WITHIN_S)
        stop.set()
        async with asyncio.timeout(READY_WITHIN_S):
            await playing
        assert all(kept.starts >= 7 for kept in here.parts.values())
        await check_books(here.dsn, people)


async def test_a_rolling_restart_loses_no_claim() -> None:
    """Two planned restarts in the middle of play: everybody comes back by themselves, the server ends with 0."""
    seed = 8
    print(f"seed {seed}")
    async with house() as here, crowd(here.url, seed) as people:
        stop = asyncio.Event()
        playing = [asyncio.create_task(people.until_stopped(stop))]
        for restarts in (1, 2):
            await asyncio.sleep(0.3)
            server = here.parts["server"]
            ended = server.process
            await server.hold()
            assert ended is not None
            assert ended.wait() == 0
            server.release()

            async def all_back(restarts: int = restarts) -> bool:
                return all(one.is_connected and one.reconnects >= restarts for one in people.clients)

            await until(all_back, READY_WITHIN_S)
        stop.set()
        await asyncio.gather(*playing)
        await check_books(here.dsn, people)


async def test_the_goodbye_advises_each_client_another_time(start_server: StartServer, connect: Connect) -> None:
    server = await start_server()
    clients = [await connect(server, user_id) for user_id in range(1, 21)]
    wires = [one._wire for one in clients]
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


async def test_what_is_asked_while_draining_is_not_begun(
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


async def test_a_second_term_stops_at_once() -> None:
    """The first drains: it waits for a claim that cannot be recorded, for PostgreSQL is frozen."""
    async with house() as here:
        server, postgres = here.parts["server"], here.parts["postgres"]
        async with Client(here.url, token(1)) as client:
            async with Client(here.url, token(0)) as backend:
                await backend.top_up(1, 1_000)
            await client.balance()
            postgres.signal(signal.SIGSTOP)
            for child in _children(postgres.pid):
                os.kill(child, signal.SIGSTOP)
            asked = asyncio.ensure_future(client.send_packet("personal", 2, 100))
            await asyncio.sleep(0.1)
            ended = server.process
            assert ended is not None
            server._wanted.clear()
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            ended.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            assert ended.poll() is None
            ended.send_signal(signal.SIGTERM)
            while ended.poll() is None:  # noqa: ASYNC110  the end of a process sets no event
                await asyncio.sleep(0.02)
            assert loop.time() - began_s < 10
            for child in _children(postgres.pid):
                os.kill(child, signal.SIGCONT)
            postgres.signal(signal.SIGCONT)
            asked.cancel()


def _children(pid: int | None) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in words]


def test_a_server_started_while_postgres_is_away_ends_with_one_line() -> None:
    """A service manager starts it again; who starts it by hand sees why."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        dsn = f"postgresql://hongbao@/hongbao?host={name}"
        words = ("serve", "--data", name, "--port", "0", "--postgres", dsn, "--redis", f"unix://{name}/none")
        ended = subprocess.run(
            [sys.executable, "-m", "server.cli", *words], capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert "PostgreSQL" in ended.stderr
