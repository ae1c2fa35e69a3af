"""One run of chaos: stores, proxies and a server; users and a nemesis; peace; the auditor."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import asyncpg

from bench.chaos import auditor, report, supervisor
from bench.chaos.faults import Cluster
from bench.chaos.history import History
from bench.chaos.nemesis import Nemesis
from bench.chaos.proxy import Proxy
from bench.chaos.supervisor import SupervisedProcess
from bench.chaos.workload import Workload
from bench.load.generator_pool import BenchFailed
from bench.load.target import raise_file_limit
from protocol import tokens
from server.embedded.sockets import addresses, remove_sockets
from server.embedded.stores import POSTGRES, POSTGRES_SOCKET, STORES, VALKEY, VALKEY_SOCKET
from server.services.money.audit import audit
from storage.errors import StoreUnavailable
from storage.postgres.database import Database

FAR_AWAY_S: Final = 4_000_000_000
READY_WITHIN_S: Final = 60.0
ANSWERED_WITHIN_S: Final = 60.0  # of the peace, every request
SETTLED_WITHIN_S: Final = 60.0
AUDIT_TIMEOUT_S: Final = 60.0
TELL_EVERY_S: Final = 2.0
LOOK_S: Final = 0.2

CONFIG: Final = """\
[auth]
keys = {{ chaos = "{key}" }}

[limits]
requests_per_s = 1000000.0
requests_burst = 1000000.0
packet_lifetime_s = 8.0
ticket_lifetime_s = 5.0

[refunds]
interval_s = 0.5
"""


class ChaosSpec(NamedTuple):
    """What is asked of a run."""

    seconds: float
    kills: int
    seed: int
    tier: str  # postgres, redis
    claims_per_s: float
    users: int


async def run(order: ChaosSpec, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of one run on fresh stores; everything is gone afterwards. Raises BenchFailed, ClientError."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="hongbao-chaos-") as folder:
        data = Path(folder)
        async with _field(data, order.tier) as (field, url, key):
            return await _run_on(field, url, key, data, order, say)


async def _run_on(
    field: Cluster, url: str, key: bytes, data: Path, order: ChaosSpec, say: Callable[[str], None]
) -> dict[str, Any]:
    history = History()

    def mint(user_id: int) -> str:
        return str(tokens.mint(user_id, FAR_AWAY_S, "chaos", key))

    people = Workload(url, mint, order.users, order.seed, history)
    nemesis = Nemesis(field, history, order.seed, order.seconds, order.tier)
    await people.move_in()
    say(f"{order.users} users are in; {order.seconds:g} s of chaos, {order.kills} kills, seed {order.seed}")
    async with _telling(history, nemesis, people, say):
        async with asyncio.TaskGroup() as work:
            raging = work.create_task(nemesis.inject(order.kills))
            work.create_task(people.live(order.claims_per_s, raging.done))
        await nemesis.make_peace()
        nemesis.now = "peace"
        unanswered = await people.come_to_rest(ANSWERED_WITHIN_S)
        if unanswered:
            nemesis.stuck.append(f"{unanswered} users got no answer within {ANSWERED_WITHIN_S:g} s of peace")
        await people.leave()
        await _settled(field.postgres_dsn)
    nemesis.stuck += [*field.postgres.troubles, *field.valkey.troubles]
    say("the auditor reads the logs and the books")
    try:
        books = await auditor.read(field.postgres_dsn)
        audited = await _project_audit(field.postgres_dsn)
    except (OSError, asyncpg.PostgresError, StoreUnavailable) as error:
        raise BenchFailed(f"PostgreSQL did not come back: {'; '.join(nemesis.stuck) or error}") from error
    findings = await asyncio.to_thread(auditor.judge, history, books)
    about = {
        "tier": order.tier,
        "seed": order.seed,
        "seconds": order.seconds,
        "kills_asked": order.kills,
        "claims_per_s": order.claims_per_s,
        "sends_left_out": people.not_sent,
        "users": order.users,
        "server_starts": field.server.starts,
        "timeouts": people.timeouts,
        "alarms": report.alarms(data / "server" / "server.log")[: report.NAMED_MAX],
    }
    return report.figures(history, nemesis, findings, audited, about)


@asynccontextmanager
async def _telling(
    history: History, nemesis: Nemesis, people: Workload, say: Callable[[str], None]
) -> AsyncIterator[None]:
    began_s = perf_counter()

    async def tell() -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            say(report.progress(perf_counter() - began_s, history, nemesis, people.waiting))

    teller = asyncio.create_task(tell())
    try:
        yield
    finally:
        teller.cancel()


async def _settled(dsn: str) -> None:
    """Wait until all money has arrived; what has not after a while is for the auditor to name."""
    deadline_s = perf_counter() + SETTLED_WITHIN_S
    while perf_counter() < deadline_s:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            if await auditor.unsettled(dsn) == 0:
                return
        await asyncio.sleep(LOOK_S)


async def _project_audit(dsn: str) -> list[str]:
    database = Database(dsn, pool_max=2, timeout_s=AUDIT_TIMEOUT_S)
    await database.open()
    try:
        found = await audit(database)
    finally:
        await database.close()
    return [line for finding in found.findings for line in finding.discrepancies]


# --- what the fight is about ------------------------------------------------------------------------------------


@asynccontextmanager
async def _field(data: Path, tier: str) -> AsyncIterator[tuple[Cluster, str, bytes]]:
    """Fresh stores, a proxy before each, and a server behind them; with its url and the key of its tokens."""
    async with AsyncExitStack() as undo:
        os.chmod(data, 0o711)  # for the stores' user to pass
        stores = data / "stores"
        undo.callback(remove_sockets, stores)
        sockets = supervisor.prepare_stores(stores)
        valkey, postgres = (supervisor.kept_store(store, stores, sockets) for store in (VALKEY, POSTGRES))
        for kept in (valkey, postgres):
            await undo.enter_async_context(_running(kept))
        for store in STORES:
            if not await supervisor.answers(store, sockets, READY_WITHIN_S):
                raise BenchFailed(f"{store.name} does not answer")
        gates = data / "gates"
        gates.mkdir(mode=0o700)
        to_valkey = await Proxy(gates / VALKEY_SOCKET, sockets / VALKEY_SOCKET).heal()
        undo.push_async_callback(to_valkey.cut)
        to_postgres = await Proxy(gates / POSTGRES_SOCKET, sockets / POSTGRES_SOCKET).heal()
        undo.push_async_callback(to_postgres.cut)
        key, port = secrets.token_bytes(16), _free_port()
        server = _server(data / "server", port, key.hex(), addresses(gates), tier)
        await undo.enter_async_context(_running(server))
        direct = addresses(sockets)
        field = Cluster(server, valkey, postgres, to_valkey, to_postgres, *direct, stores / VALKEY.name)
        yield field, f"tcp://127.0.0.1:{port}", key


def _server(data: Path, port: int, key_hex: str, through: tuple[str, str], tier: str) -> SupervisedProcess:
    data.mkdir(mode=0o700)
    config = data / "chaos.toml"
    config.write_text(CONFIG.format(key=key_hex))
    config.chmod(0o600)
    where = ["--postgres", through[0], "--redis", through[1]]
    return supervisor.kept_server(data, "--config", str(config), "--port", str(port), "--durability", tier, *where)


@asynccontextmanager
async def _running(kept: SupervisedProcess) -> AsyncIterator[None]:
    """Kept alive inside; ended afterwards."""
    keeping = asyncio.create_task(kept.run())
    try:
        yield
    finally:
        await kept.hold()
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
