"""What all tests share: real private stores, a database for each test, servers and clients in its loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from redis import asyncio as aioredis

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from protocol import tokens
from server import app, config, embedded, logs
from server.app import App, app_at
from server.clock import Clock
from server.compiled import finder
from server.core.ids import BACKEND
from server.loop import tame_garbage_collector
from server.ops import audit_runs
from server.services.cards import passwords
from server.worker_place import WorkerPlace
from storage.postgres import health_probe
from storage.postgres.database import Database
from tests.clusters import make_cluster, private_stores
from tests.databases import Databases
from tests.kept_sessions import KEEPER
from tests.memory import use_memory
from tests.strict_loop import Loops, remember_sessions

KEYS = {"test": b"a key that only tests know"}
API_KEYS = {"api": b"a key of the API for tests", "next": b"the key that replaces it"}
SEED_KEYS = {"test": bytes(range(32))}
FAR_AWAY_S = 4_000_000_000
PATIENCE_S = 30.0  # what has not happened by then never will, however busy the machine is
PROBE_S = 5.0  # within this a store that is there answers, however busy the machine is
STORE_TIMEOUT_S = 8.0  # within this it has done what a test asks for
DAY_MS = 86_400_000  # after it a packet has expired
LENT_STORES = "HONGBAO_TEST_STORES"  # DSN and url of stores that run already, for one run of pytest at a time
# Servers that run as processes of their own take any free ports, not the defaults: several run side by side.
ANY_PORTS = {"HONGBAO_SERVER__PORT": "0", "HONGBAO_OPS__HTTP": "127.0.0.1:0"}
LOOPS = Loops()


def pytest_configure() -> None:
    """Before the first temporary folder is made and the first process started, workers included."""
    use_memory()
    use_hypothesis()
    remember_sessions()
    asyncpg.connect = KEEPER.connect
    os.environ.update(ANY_PORTS)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in its background


def use_hypothesis() -> None:
    """The same examples in every run, and no limit of time for one: a busy machine is no failure.

    The numbers and texts of all modules that a process has loaded are no examples: they would be others in each
    worker, and to look for them takes a second.
    """
    settings.register_profile(
        "same", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("same")
    providers._get_local_constants = lambda: providers._local_constants


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On compiled modules tests that replace a part of a compiled class are skipped."""
    if finder.state() == finder.COMPILED:
        for item in items:
            if item.get_closest_marker("pure") is not None:
                item.add_marker(pytest.mark.skip("replaces a part of a compiled class: it runs on the sources"))


def pytest_collectstart() -> None:
    """What is made while tests are found lives as long as the process."""
    gc.disable()


def pytest_collection_finish() -> None:
    """As in a server, once: the tests that were found are thousands of objects."""
    gc.enable()
    tame_garbage_collector()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the loop that the server runs on."""
    return {"uvloop": LOOPS}


def pytest_sessionfinish() -> None:
    """After the last test."""
    LOOPS.close()


@pytest.fixture(autouse=True)
def patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of a server in the test's loop is not away if a busy machine gave it no turn for half a second, and a
    statement has not failed that a busy machine makes last for seconds.

    The tests of outages, and those of the probe itself, have a fixture of this name that leaves the limits alone.
    """
    monkeypatch.setattr(health_probe, "PROBE_S", PROBE_S)
    monkeypatch.setattr(app, "STORE_TIMEOUT_S", STORE_TIMEOUT_S)


@pytest.fixture(autouse=True)
def usual_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server computes below its own priority would wait for the other processes of a busy machine."""
    monkeypatch.setattr(passwords, "NICER", 0)
    monkeypatch.setattr(audit_runs, "NICE", 0)


@pytest.fixture(autouse=True)
def restored_logs() -> Iterator[None]:
    """Undo `logs.configure`, which changes the whole process; a reload of the configuration calls it, too."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    logs.set_level("info")
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers = handlers


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PostgreSQL cluster with nothing in it, to be copied; one for all workers."""
    return make_cluster(_shared_folder(tmp_path_factory))


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.StoreAddresses]:
    """A PostgreSQL and a Valkey for each worker (tests empty, freeze and cut them), with a database to copy."""
    lent = os.environ.get(LENT_STORES)
    own = (
        nullcontext(embedded.StoreAddresses(*lent.split()))
        if lent
        else private_stores(_shared_folder(tmp_path_factory))
    )
    with own as running:
        yield running


@pytest.fixture(scope="session")
def databases(stores: embedded.StoreAddresses) -> Iterator[Databases]:
    """Makes the databases of tests."""
    made = Databases(stores.postgres_dsn)
    made.idle_sessions, made.on_drop = KEEPER.pids, KEEPER.forget
    yield made
    made.close()


@pytest.fixture
async def kept_sessions(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Sessions that servers and fixtures of the test end serve the next test (see tests/kept_sessions.py).

    Marked `new_sessions` or `fresh_database`: none do.
    """
    if any(request.node.get_closest_marker(name) for name in ("new_sessions", "fresh_database")):
        yield
        return
    with KEEPER.keeping(asyncio.get_running_loop(), databases.is_lent) as shelf:
        yield
        if shelf is not None:
            await shelf.settled()


@pytest.fixture
def postgres_dsn(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database for each test, empty and migrated. Marked `fresh_database`: its files are new, too."""
    name = databases.take(fresh=request.node.get_closest_marker("fresh_database") is not None)
    yield databases.dsn_of(name)
    databases.give_back(name)


@pytest.fixture
def redis_url(stores: embedded.StoreAddresses) -> str:
    """An empty Valkey."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(stores.redis_url.removeprefix("unix://"))
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64) == b"+OK\r\n"
    return stores.redis_url


@pytest.fixture
async def sql(postgres_dsn: str, kept_sessions: None) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The test's own view of the records."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def database(postgres_dsn: str, kept_sessions: None) -> AsyncIterator[Database]:
    """The records as the program reaches them, without a server."""
    opened = Database(postgres_dsn, pool_max=4, timeout_s=10)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[aioredis.Redis]:
    """The test's own view of the mirror."""
    async with aioredis.Redis.from_url(redis_url) as client:
        yield client


class Server:
    """A server in the test's loop."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.url = ""
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.loops_may_fail = False  # a test sets it that provokes this

    async def start(self) -> Self:
        """Returns when it serves."""
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self.app.run(self._stop, ready.set_result))
        await asyncio.wait([ready, self._task], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            ended, self._task = self._task, None
            ended.result()
        self.url = ready.result()
        return self

    async def stop(self) -> None:
        """Drain and end, as TERM does."""
        self._stop.set()
        if self._task is not None and not self._task.cancelled():
            await self._task
        assert self.loops_may_fail or not any(self.app.supervisor.failures.values()), self.app.supervisor.failures

    async def kill(self) -> None:
        """End in the middle of whatever is under way; memory is lost, as after kill -9."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def is_over(self) -> bool:
        """It was stopped or killed."""
        return self._task is None or self._task.done()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return int(self.url.rpartition(":")[2])


class TurnedClock(Clock):
    """The clock of the servers of a test: the real one, set ahead, or stopped at a time."""

    def __init__(self) -> None:
        self.local_ahead_ms_set = 0  # the clock of the machine, which no rule may use
        super().__init__()
        self.ahead_ms = 0
        self.stopped_ms: int | None = None

    def local_ms(self) -> float:
        """The clock of the machine."""
        return super().local_ms() + self.local_ahead_ms_set

    def now_ms(self) -> int:
        """Milliseconds since 1970 (UTC)."""
        return (super().now_ms() if self.stopped_ms is None else self.stopped_ms) + self.ahead_ms

    def restart(self) -> None:
        """A new process: no time is carried on."""
        Clock.__init__(self)


StartServer = Callable[..., Awaitable[Server]]
Connect = Callable[..., Awaitable[Client]]
Turn = Callable[[int], None]


@pytest.fixture
def server_clock() -> TurnedClock:
    """One clock for all servers of the test."""
    return TurnedClock()


@pytest.fixture
async def start_server(
    postgres_dsn: str, redis_url: str, tmp_path: Path, server_clock: TurnedClock, kept_sessions: None
) -> AsyncIterator[StartServer]:
    """Starts servers; keywords are config values with `__` for the dot, such as limits__shares_max=3."""
    servers: list[Server] = []

    async def start(
        *,
        tls: ssl.SSLContext | None = None,
        no_api_keys: bool = False,
        peers_folder: Path | None = None,
        place: WorkerPlace | None = None,
        **overrides: Any,
    ) -> Server:
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        settings = config.load(
            None,
            {
                "server.port": 0,
                "ops.http": "",
                "limits.requests_per_s": 1e6,
                "limits.requests_burst": 1e6,
                **dotted,
            },
            environment={},
        )
        data = tmp_path / f"server{len(servers)}"
        data.mkdir()
        server = Server(
            app_at(
                dotted.get("stores.postgres", postgres_dsn),
                dotted.get("stores.redis", redis_url),
                settings,
                keys=KEYS,
                seed_keys=SEED_KEYS,
                api_keys={} if no_api_keys else API_KEYS,
                data=data,
                tls=tls,
                clock=server_clock,
                peers_folder=peers_folder,
                place=place,
            )
        )
        servers.append(server)
        return await server.start()

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """One server with default limits, but no bound on requests per second."""
    return await start_server()


def token(user_id: int) -> str:
    """A token for a user; 0 is the chat backend."""
    return str(tokens.mint(user_id, FAR_AWAY_S, "test", KEYS["test"]))


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects SDK clients: `await connect(server, user_id)`."""
    async with AsyncExitStack() as stack:

        async def one(server: Server, user_id: int, **options: Any) -> Client:
            return await stack.enter_async_context(Client(server.url, token(user_id), **options))

        yield one


@pytest.fixture
def turn_clock(server_clock: TurnedClock) -> Turn:
    """Sets the clock of the servers ahead by so many milliseconds."""
    return lambda ms: setattr(server_clock, "ahead_ms", ms)


@pytest.fixture
async def backend(server: Server, connect: Connect) -> Client:
    """The chat backend, which tops up."""
    return await connect(server, BACKEND)


@pytest.fixture
async def redis_proxy(redis_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before Valkey, and the url that leads through it."""
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        socket = Path(folder) / "valkey.sock"
        proxy = await Proxy(socket, Path(redis_url.removeprefix("unix://"))).heal()
        yield proxy, f"unix://{socket}"
        await proxy.cut()


@pytest.fixture
async def postgres_proxy(postgres_dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before PostgreSQL, and the DSN that leads through it."""
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        (host,) = parse_qs(urlsplit(postgres_dsn).query)["host"]
        socket = Path(folder) / ".s.PGSQL.5432"
        proxy = await Proxy(socket, Path(host) / socket.name).heal()
        yield proxy, postgres_dsn.replace(host, folder)
        await proxy.cut()
