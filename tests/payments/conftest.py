"""A host wallet that keeps its own books (the example of the docs), with a fault planted into any of its calls."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, TypeAlias

import asyncpg
import pytest
from aiohttp import web

from client_sim.sdk.client import Client
from server.services.money.audit import Report, audit
from storage.postgres.database import Database
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server, StartServer

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
EXAMPLE = Path(__file__).parents[2] / "docs" / "example_host_wallet.py"
KEY = bytes(range(32))
SENDER, BEN, CARL = 1, 2, 3
HAVE_FEN = 50_000  # of each user at the host
TOTAL_FEN = 3 * HAVE_FEN
Serve: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.Response]]
Fault: TypeAlias = Callable[[web.BaseRequest, Serve], Awaitable[web.StreamResponse]]


def example() -> ModuleType:
    """The module of the docs, on its own: each test has its keys."""
    spec = importlib.util.spec_from_file_location("example_host_wallet", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.KEYS = {"k1": KEY}  # type: ignore[attr-defined]
    return module


class HostWallet:
    """The example's wallet on a free port. `faults`: by verb, what happens in place of the next calls."""

    def __init__(self) -> None:
        self.module = example()
        self.books = self.module.Books(":memory:")
        self._wallet = self.module.HostWallet(self.books)
        self.faults: dict[str, list[Fault]] = {"charge": [], "payout": [], "query": []}
        self.at_random: Random | None = None  # three of ten calls fail
        self.calls: list[tuple[str, str]] = []  # verb and number
        self._server = web.Server(self._serve, access_log=None)
        self._listening: asyncio.Server | None = None
        self.url = ""
        for user_id in (SENDER, BEN, CARL):
            self.books.db.execute("INSERT INTO wallets VALUES (?, ?)", (str(user_id), HAVE_FEN))

    async def start(self) -> None:
        self._listening = await asyncio.get_running_loop().create_server(self._server, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}/wallet"

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._server.shutdown(0.1)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        verb = request.path.rpartition("/")[2]
        number = request.headers["Idempotency-Key"]
        self.calls.append((verb, number))
        faults = self.faults[verb]
        if self.at_random is not None and self.at_random.random() < 0.3:
            fault = self.at_random.choice([lost_before, lost_after_commit, error_after_commit])
            return await fault(request, self._wallet.handle)
        if faults:
            return await faults.pop(0)(request, self._wallet.handle)
        response: web.StreamResponse = await self._wallet.handle(request)
        return response

    def fen(self, user_id: int) -> int:
        """What a user has at the host."""
        row = self.books.db.execute("SELECT fen FROM wallets WHERE user_id = ?", (str(user_id),)).fetchone()
        return int(row[0]) if row else 0

    @property
    def total_fen(self) -> int:
        """What all users have at the host."""
        return int(self.books.db.execute("SELECT sum(fen) FROM wallets").fetchone()[0])

    def orders(self, kind: str) -> list[tuple[str, int, str]]:
        """The orders that the host has done: number, fen, result."""
        return list(
            self.books.db.execute("SELECT number, fen, result FROM orders WHERE kind = ? ORDER BY number", (kind,))
        )


async def lost_after_commit(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
    """The host does what is asked, and its reply is lost."""
    await serve(request)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def lost_before(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
    """The call is lost on the way."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def error_after_commit(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
    """The host does what is asked, and answers 500."""
    await serve(request)
    return web.Response(status=500)


def changed(change: Callable[[bytes], bytes], *, signed: bool = True) -> Fault:
    """The host does what is asked, and another body leaves: signed, or with the signature of the right one."""

    async def fault(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        response = await serve(request)
        body = change(bytes(response.body))  # type: ignore[arg-type]
        headers = {name: response.headers[name] for name in response.headers if name.startswith("Hongbao-")}
        if signed:
            number, lines = request.headers["Idempotency-Key"], (headers["Hongbao-Timestamp"],)
            headers["Hongbao-Signature"] = example().mac(
                "hongbao-reply-1", "k1", *lines, headers["Hongbao-Nonce"], request.path, number, body
            )
        return web.Response(body=body, headers=headers)

    return fault


def hanging(released: asyncio.Event, *, commits: bool) -> Fault:
    """The host answers only when it is released."""

    async def fault(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        response = await serve(request) if commits else web.Response(status=503)
        with suppress(TimeoutError):
            await asyncio.wait_for(released.wait(), PATIENCE_S)
        return response

    return fault


@pytest.fixture
async def host() -> AsyncIterator[HostWallet]:
    """A host wallet in which three users have 500.00 yuan each."""
    wallet = HostWallet()
    await wallet.start()
    yield wallet
    await wallet.stop()


StartWithHost: TypeAlias = Callable[..., Awaitable[Server]]


@pytest.fixture
def start_with_host(start_server: StartServer, host: HostWallet) -> StartWithHost:
    """Starts servers that have the host wallet."""

    async def start(**overrides: Any) -> Server:
        return await start_server(
            **{
                "host_wallet__url": host.url,
                "host_wallet__keys": {"k1": KEY.hex()},
                "host_wallet__timeout_s": 5.0,  # a busy machine is no silent host
                "host_wallet__allow_private": ("127.0.0.0/8",),
                **overrides,
            }
        )

    return start


class Room:
    """A group of the three users on a server with a host wallet."""

    def __init__(self, server: Server, host: HostWallet, group: int, clients: list[Client], sql: Sql) -> None:
        self.server, self.host, self.group = server, host, group
        self.sender, self.ben, self.carl = clients
        self.sql = sql

    async def send(self, key: str, amount_fen: int = 300, shares: int = 3) -> int:
        """The sender sends a lucky packet; its id."""
        return (await self.sender.send_packet("lucky", self.group, amount_fen, shares, key=key)).packet_id

    async def payment(self, key: str = "k") -> asyncpg.Record:
        """The charge of a key."""
        row = await self.sql.fetchrow("SELECT * FROM payments WHERE key = $1", key)
        assert row is not None
        return row

    async def until_ended(self, key: str = "k") -> asyncpg.Record:
        """The charge of a key, once it has ended; it is asked again without the waits between two attempts."""
        async with asyncio.timeout(PATIENCE_S):
            while (row := await self.payment(key))["state"] not in ("succeeded", "failed"):
                await self.hurry()
                await asyncio.sleep(0.02)
        return row

    async def hurry(self) -> None:
        """All open payments are due now."""
        await self.sql.execute("UPDATE payments SET next_try_ms = 0 WHERE state = 'unknown'")
        payments = self.server.app.services.payments.attempts
        assert payments is not None
        payments.look()

    async def until_quiet(self) -> None:
        """All payments have ended, and no wallet of hongbao holds anything."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.sql.fetchval(
                """SELECT EXISTS (SELECT FROM payments WHERE state NOT IN ('succeeded', 'failed'))
                       OR EXISTS (SELECT FROM wallets WHERE balance_fen > 0)
                       OR EXISTS (SELECT FROM settlement_queue)"""
            ):
                await self.hurry()
                await asyncio.sleep(0.02)


MakeRoom: TypeAlias = Callable[[Server], Awaitable[Room]]


@pytest.fixture
def make_room(connect: Connect, host: HostWallet, sql: Sql) -> MakeRoom:
    """Makes the room of a server."""

    async def make(server: Server) -> Room:
        clients = [await connect(server, user_id) for user_id in (SENDER, BEN, CARL)]
        group = await clients[0].create_group("room")
        invite = await clients[0].invite(group)
        for client in clients[1:]:
            await client.join_group(group, invite)
        return Room(server, host, group, clients, sql)

    return make


@pytest.fixture
async def room(start_with_host: StartWithHost, make_room: MakeRoom) -> Room:
    """A room on one server with a host wallet."""
    return await make_room(await start_with_host())


AgreeBooks: TypeAlias = Callable[[], Awaitable[None]]


@pytest.fixture
def books_agree(database: Database, host: HostWallet, sql: Sql) -> AgreeBooks:
    """Both books are right and agree to the fen: what left one is in the other, number by number."""

    async def check() -> None:
        await check_both_books(await audit(database, SEED_KEYS), host, sql)

    return check


async def check_both_books(found: Report, host: HostWallet, sql: Sql) -> None:
    """An audit has found nothing, and the payments of a database are those of the host."""
    assert [line for finding in found.findings for line in finding.discrepancies] == []
    sums = found.sums
    outside_fen = sums.put_in_fen - sums.taken_out_fen
    assert host.total_fen + outside_fen == TOTAL_FEN
    for kind in ("charge", "payout"):
        ours = await sql.fetch(
            "SELECT number::text, amount_fen, state FROM payments "
            "WHERE kind = $1 AND state IN ('succeeded', 'failed')",
            kind,
        )
        theirs = {number: (fen, result) for number, fen, result in host.orders(kind)}
        assert {row[0]: (row[1], row[2]) for row in ours} == theirs


def service_of(server: Server) -> Any:
    payments = server.app.services.payments.attempts
    assert payments is not None
    return payments


async def eventually(holds: Any) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  the host sets no event
            await asyncio.sleep(0.01)
    return True
