"""The command line. Exit codes: 0 done, 1 it did not work or does not hold, 2 the command was not understood."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import structlog
from cyclopts import Parameter
from rich.console import Console

from bench.chaos.cli import chaos_cli
from bench.cli import bench_cli
from bench.load.generator_pool import BenchFailed
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios, screen
from protocol import tokens
from server import embedded, logs
from server.app import STORE_TIMEOUT_S, App
from server.cli import audit_report
from server.cli.config import (
    DATA,
    NO_FLAGS,
    ConfigOption,
    DataOption,
    Flags,
    PostgresOption,
    config_cli,
    load_to_serve,
)
from server.cli.demo import Size, run_demo
from server.cli.numbers import Count, Fen, Hours, Id, Seconds, Seed
from server.cli.operators import ops_cli
from server.cli.top import top
from server.config import Config, ConfigError, load, load_keys
from server.core import ids
from server.credentials import load_credentials
from server.embedded import EmbeddedError
from server.instance import AlreadyServed, NoAnswer, alone, running, start_one
from server.loop import run
from server.process import ServerFailed, ServerProcess
from server.reload import Reading, Reload
from server.services.money.audit import audit as run_audit
from server.systemd import Systemd
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore

UrlOption = Annotated[str | None, Parameter(name="--url", help="the server (default: the one that runs on --data)")]
Scenario = Literal["crowd", "rush", "greedy", "offline", "new_year", "office", "family", "campaign"]
LOG = structlog.get_logger()

cli = cyclopts.App(
    name="hongbao",
    help="A red-packet (红包) backend: run it, attach to it, load it, prove its books.",
    version_flags=["--version"],
    result_action="return_value",
)
cli.command(config_cli)
cli.command(bench_cli)
cli.command(chaos_cli)
cli.command(ops_cli, name="*")
cli.command(top)


class Failed(Exception):
    """A command did not work; the text is one line for the person who called it."""


# --- serve ----------------------------------------------------------------------------------------------------


@cli.command
def serve(
    *,
    data: DataOption = DATA,
    config: ConfigOption = None,
    flags: Flags = NO_FLAGS,
) -> int:
    """Run the server until it is stopped (Ctrl-C or TERM; a second one stops it at once).

    Without --postgres and --redis it starts a private PostgreSQL and Valkey under --data. HUP makes it read again
    what may change while it runs: limits, log level, keys of tokens, TLS files (see: hongbao config default).

    Example: hongbao serve --port 7788 --postgres postgresql://me@db/hongbao --redis redis://cache:6379/0
    """

    def read() -> Reading:
        settings = load_to_serve(config, flags)
        return Reading(settings, load_credentials(settings, data, may_make=False))

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again: it would end us
    settings = load_to_serve(config, flags)
    data.mkdir(parents=True, exist_ok=True)
    logs.configure(settings.log.level, settings.log.format)
    with alone(data):
        now = Reading(settings, load_credentials(settings, data))
        with _Stores(settings, data) as (postgres_dsn, redis_url):
            return run(_serve(now, read, data, postgres_dsn, redis_url))


async def _serve(now: Reading, read: Callable[[], Reading], data: Path, postgres_dsn: str, redis_url: str) -> int:
    settings, credentials = now.config, now.credentials
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    this = asyncio.current_task()
    assert this is not None

    def stop_or_stop_now() -> None:
        LOG.info("stopping", at_once=stop.is_set())
        this.cancel() if stop.is_set() else stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_stop_now)

    def ready(url: str) -> None:
        facts = (f"data {data}", f"durability {settings.stores.durability}", app.operations.web)
        print(f"hongbao serves {url}  ({', '.join(filter(None, facts))}; Ctrl-C ends it)")
        sys.stdout.flush()
        LOG.info("serving", url=url, durability=settings.stores.durability)
        notify.ready()

    app = App(settings, credentials.keys, data, postgres_dsn, redis_url, credentials.tls)
    notify, reload = Systemd(), Reload(app, read, now)

    def read_again() -> dict[str, object]:
        if app.operations.observer.state == "starting":  # there is nobody to tell yet
            return reload()._asdict()
        notify.reloading()
        outcome = reload()
        notify.ready()
        return outcome._asdict()

    loop.add_signal_handler(signal.SIGHUP, read_again)
    app.reread = read_again
    beside = [loop.create_task(work) for work in (notify.watch(), _tell_when(stop, notify.stopping))]
    try:
        await app.run(stop, ready)
    finally:
        for task in beside:
            task.cancel()
    LOG.info("stopped")
    return 0


async def _tell_when(happens: asyncio.Event, tell: Callable[[], None]) -> None:
    await happens.wait()
    tell()


# --- for the chat backend -------------------------------------------------------------------------------------


@cli.command
def token(
    user: str | None = None,
    *,
    backend: bool = False,
    hours: Hours | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
) -> int:
    """Print a login token for a user, as your chat backend would mint it.

    Example: hongbao token 1001 --hours 24

    Parameters
    ----------
    user
        the user's id in your chat app (1 to 2^53-1), or a name as in `hongbao chat --as NAME`
    backend
        a token for the chat backend itself, which may top up and withdraw
    hours
        how long it is good (default: auth.token_lifetime_s)
    """
    if backend == (user is not None):
        raise Failed("say either a user id or --backend")
    user_id = ids.BACKEND if user is None else user_id_of(user)
    settings = load(config, {})
    print(mint(settings, data, user_id, hours))
    return 0


def mint(settings: Config, data: Path, user_id: int, hours: float | None = None) -> str:
    """A token as text, with the newest key."""
    data.mkdir(parents=True, exist_ok=True)
    key_id, key = list(load_keys(settings, data).items())[-1]
    lifetime_s = settings.auth.token_lifetime_s if hours is None else hours * 3600
    return str(tokens.mint(user_id, int(time.time() + lifetime_s), key_id, key))


@cli.command
def topup(
    user: str,
    amount_fen: Fen,
    *,
    key: str | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    url: UrlOption = None,
) -> int:
    """Put money from outside into a user's wallet, as your chat backend would; prints the balance in fen.

    Example: hongbao topup 1001 10000 --key order-4711

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    amount_fen
        how much, in fen (10000 is 100.00 yuan)
    key
        idempotency key: the same key moves money once (default: a new one)
    """
    settings, user_id = load(config, {}), user_id_of(user)

    async def work(where: str) -> int:
        async with Client(where, mint(settings, data, ids.BACKEND)) as backend:
            print(await backend.top_up(user_id, amount_fen, key))
        return 0

    return run(work(url or _url_of(data)))


# --- people ---------------------------------------------------------------------------------------------------


@cli.command
def chat(
    *,
    name: Annotated[str, Parameter(name="--as")],
    group: Id = 0,
    lang: Literal["zh", "en"] | None = None,
    plain: bool | None = None,
    token: str | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    url: UrlOption = None,
) -> int:
    """Chat, send and open red packets at a terminal; /help there says how.

    In a pipe (or with --plain) a command a line goes in, an event a line comes out.

    Example: hongbao chat --as 小梅

    Parameters
    ----------
    name
        who you are: a user id, or a name, which has its own id (2^40 + the first 40 bits of its SHA-256)
    group
        the id of a group to begin in; you become a member
    lang
        zh or en (default: what $LANG says)
    plain
        lines instead of screens (default: when input or output is no terminal)
    token
        a login token (default: minted here, with the key of --data)
    """
    from client_sim.chat import run as chatting  # loads the screens, which takes a moment: not for every command

    where = url or _url_of(data)
    login = token or mint(load(config, {}), data, user_id_of(name))
    options = "" if data == DATA else f"--data {shlex.quote(str(data))}"
    return run(chatting.chat(where, login, name, group, lang, plain, topup_options=options))


@cli.command(show=False)
def screenshots(folder: Path = Path("docs")) -> int:
    """Draw the pictures of the terminal client that the docs show, from a scene on a server of its own."""
    from client_sim.chat import scene

    with tempfile.TemporaryDirectory(prefix="hb-") as name, ServerProcess(Path(name)) as server:
        settings = load(None, {})
        for path in run(scene.draw(server.url, lambda user_id: mint(settings, Path(name), user_id), folder)):
            print(path)
    return 0


# --- simulated users ------------------------------------------------------------------------------------------


@cli.command
def sim(
    scenario: Scenario,
    *,
    users: Count | None = None,
    groups: Count | None = None,
    seconds: Seconds | None = None,
    seed: Seed = 1,
    data: DataOption = DATA,
    config: ConfigOption = None,
    url: UrlOption = None,
) -> int:
    """Let simulated users loose on a running server; exit 1 if anything they were told contradicts itself, or if
    the evening has not the shape that it should have.

    Scenarios: crowd (an evening in a few groups), rush (one packet, everybody at once), greedy (who open twice and
    try what is not theirs), offline (who come and go), new_year (everybody sends at midnight), office (bosses give
    the same to everybody), family (the best luck sends the next), campaign (one gives to many, bots among them).

    Example: hongbao sim rush --users 400 --seconds 10

    Parameters
    ----------
    scenario
        which evening: crowd, rush, greedy, offline, new_year, office, family, campaign
    users
        how many people
    groups
        in how many groups
    seconds
        for how long
    seed
        the same seed gives the same people with the same habits
    """
    settings = load(config, {})

    async def work(where: str) -> int:
        crowd = scenarios.prepare(
            scenario,
            where,
            lambda user_id: mint(settings, data, user_id),
            users=users,
            groups=groups,
            seconds=seconds,
            seed=seed,
        )
        return 0 if (await screen.present(scenario, crowd)).ok else 1

    return run(work(url or _url_of(data)))


@cli.command
def demo(
    *,
    users: Count = 60,
    groups: Count = 6,
    seconds: Seconds = 20.0,
    seed: Seed = 1,
    join: bool = False,
    name: Annotated[str, Parameter(name="--as")] = "me",
    data: DataOption = DATA,
) -> int:
    """Start everything, watch a crowd chat, send, grab and open, then prove the books; exit 1 if anything is wrong.

    With --join you sit in one of its groups, with 200.00 yuan in the wallet, until you quit: on a terminal as in
    `hongbao chat`, in a pipe as in `hongbao chat --plain`.

    Example: hongbao demo --users 300 --groups 20 --seconds 30

    Parameters
    ----------
    users
        how many people
    groups
        in how many groups
    seconds
        for how long (with --join: until you quit)
    seed
        the same seed gives the same people with the same habits
    join
        take part yourself
    name
        who you are then
    """
    return run_demo(Console(), data, Size(users, groups, seconds, seed), mint, name if join else "")


# --- the books ------------------------------------------------------------------------------------------------


@cli.command
def audit(*, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None) -> int:
    """Prove from the records alone that every fen is accounted for; exit 1 and name what is not.

    Works while the server runs and while it does not.

    Example: hongbao audit --data .hongbao
    """
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        found = await run_audit(database)
        audit_report.print_audit(Console(), found)
        return 0 if found.ok else 1

    return _with_records(settings, data, work)


@cli.command
def verify(
    packet: Id,
    *,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Recompute every amount of a packet from its revealed seed; exit 1 if one differs.

    Example: hongbao verify 251234567890123456

    Parameters
    ----------
    packet
        the packet's id
    """
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        rows, claims = await PacketStore(database).load([packet])
        if packet not in rows:
            raise Failed(f"there is no packet {packet}")
        return (
            0 if audit_report.print_proof(Console(), rows[packet], claims[packet], int(time.time() * 1000)) else 1
        )

    return _with_records(settings, data, work)


# --- how commands run -----------------------------------------------------------------------------------------


class _Stores:
    """The stores of a config: your own, or private ones under the data folder for as long as they are needed."""

    def __init__(self, settings: Config, data: Path) -> None:
        self._settings = settings
        self._data = data
        self._embedded: embedded.StoreAddresses | None = None

    def __enter__(self) -> tuple[str, str]:
        stores = self._settings.stores
        if stores.postgres:
            return stores.postgres, stores.redis
        self._embedded = embedded.start(self._data)
        return self._embedded.postgres_dsn, self._embedded.redis_url

    def __exit__(self, *_: object) -> None:
        if self._embedded is not None:
            self._embedded.stop()


def _with_records(settings: Config, data: Path, work: Callable[[Database], Coroutine[Any, Any, int]]) -> int:
    """Run something on the records, whether a server runs on them or not."""
    if not settings.stores.postgres and not (data / "postgres").exists():
        raise Failed(f"nothing is recorded under {data}; say where with --data, or --postgres DSN")

    async def on(dsn: str) -> int:
        async with opened(dsn) as database:
            return await work(database)

    with _Stores(settings, data) as (postgres_dsn, _):
        return run(on(postgres_dsn))


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    """The records, for a command."""
    database = Database(dsn, pool_max=2, timeout_s=STORE_TIMEOUT_S)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _url_of(data: Path) -> str:
    found = running(data)
    if found is None:
        raise Failed(f"no server runs on {data}; {start_one(data)}")
    return found.url


def one_line(error: BaseException) -> str:
    """An error, or the first of a group of them, without line breaks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split()) or type(error).__name__


EXPECTED = (
    Failed,
    AlreadyServed,
    NoAnswer,
    BenchFailed,
    ServerFailed,
    ClientError,
    ValueError,
    ConfigError,
    EmbeddedError,
    StoreUnavailable,
    StoreRefused,
    OSError,
)


def main(words: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    try:
        code = cli(words, exit_on_error=False, print_error=False)
        sys.exit(code if isinstance(code, int) else 0)
    except cyclopts.CycloptsError as error:
        print(f"hongbao: {one_line(error)} (see --help)", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except asyncio.CancelledError:
        sys.exit(1)
    except EXPECTED as error:
        print(f"hongbao: {one_line(error)}", file=sys.stderr)
        sys.exit(1)
    except BaseExceptionGroup as group:
        if group.subgroup(EXPECTED) is None:
            raise
        print(f"hongbao: {one_line(group)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
