"""The server under load: one of our own on fresh stores, the bare one, or one that runs already (`--url`)."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bench.compare.rivals import echo
from bench.compare.rivals import redis_service as redis_service_program
from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import GeneratorSpec, RunSpec, part_of
from bench.load.setup import Say
from bench.load.usage import Pids, find_pids
from client_sim.sdk.client import Client
from protocol import tokens
from protocol.money_unit import YUAN, MoneyUnit
from server import config as config_module
from server import embedded
from server.compiled import finder
from server.embedded.run import die_with
from server.instance import STATUS_SOCKET, running
from server.process import OURS, Program, ServerFailed, ServerProcess

# Simulated users send faster than people may and take tickets long before opening; one sender owns all groups.
LIMITS: Final[Mapping[str, float]] = {
    "requests_per_s": 1_000_000.0,
    "requests_burst": 1_000_000.0,
    "ticket_lifetime_s": 600.0,
    "groups_of_user_max": 1_000_000,
    "connections_of_address_max": 1_000_000,
}
USERS_OF_GENERATOR: Final = 250_000
USERS_OF_RUN: Final = 2_000_000  # with --url the number of a run is its second; user ids last until 2112
CONNECTIONS_MAX: Final = 1_000_000
GENERATORS_MAX: Final = USERS_OF_RUN // USERS_OF_GENERATOR
BARE_STOP_S: Final = 5.0


@dataclass
class Target:
    """A server that can be measured, and what is known about it."""

    url: str
    durability: str
    key_id: str = ""
    key: bytes = b""
    seed_keys: Mapping[str, bytes] = field(default_factory=dict)
    dsn: str = ""  # of the records; "": this server keeps none
    redis_url: str = ""  # "": not known
    status: Path | None = None
    pids: Pids = field(default_factory=Pids)
    money: MoneyUnit = YUAN  # of our own servers; another one says
    config: str = ""  # the bench's own; "": the server's
    bare_url: str = ""  # of a bare server beside this one
    websocket_url: str = ""
    http_url: str = ""  # of the HTTP API; "": there is none
    http_key_id: str = ""
    http_key: bytes = b""
    ca_file: str | None = None  # for a url with TLS: CA file to trust, instead of the system's
    check: Callable[[], None] = lambda: None  # raises ServerFailed if the server has ended
    run_numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def generator_specs(self, run_spec: RunSpec) -> list[GeneratorSpec]:
        """The part of each generator; no two runs on the same books share a user or a key."""
        run = next(self.run_numbers)
        return [
            GeneratorSpec(
                run_spec=part_of(run_spec, number),
                number=number,
                run_name=str(run),
                url=self.url,
                key_id=self.key_id,
                key_hex=self.key.hex(),
                first_user=run * USERS_OF_RUN + number * USERS_OF_GENERATOR,
                server_pid=self.pids.server,
                dsn=self.dsn,
                bare_url=self.bare_url,
                websocket_url=self.websocket_url,
                http_url=self.http_url,
                http_key_id=self.http_key_id,
                http_key_hex=self.http_key.hex(),
                ca_file=self.ca_file,
            )
            for number in range(run_spec.generators)
        ]


def config_of(limits: Mapping[str, float], known: Container[str] | None = None) -> str:
    """The server's config for a bench, as TOML: its usual limits and these, as far as that server knows them."""
    wanted = {**LIMITS, **limits}.items()
    return "[limits]\n" + "".join(f"{name} = {value}\n" for name, value in wanted if known is None or name in known)


@contextmanager
def own_server(
    durability: str,
    limits: Mapping[str, float],
    say: Say,
    program: Program = OURS,
    known: Container[str] | None = None,
    sections: str = "",
) -> Iterator[Target]:
    """A server process on fresh stores, removed afterwards. Raises ServerFailed, EmbeddedError.

    `known`: names of the limits in the config of this program; None: all of this checkout. `sections`: others of
    its config, as TOML.
    """
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="hongbao-bench-") as folder:
        data = Path(folder)
        data.chmod(0o711)  # the stores' user has to pass
        config = data / "bench.toml"
        config.write_text(config_of(limits, known) + sections)
        say(f"config of this run:\n{config.read_text().strip()}")
        words = ("--config", str(config), "--durability", durability)
        with ServerProcess(data, *words, program=program) as server:
            found, stores = running(data), embedded.running(data)
            if found is None or stores is None:
                raise BenchFailed(f"the server under {data} has ended")
            yield Target(
                server.url,
                durability,
                *_newest_key(data),
                seed_keys=config_module.found_seed_keys(config_module.Config(), data),
                dsn=stores.postgres_dsn,
                redis_url=stores.redis_url,
                status=data / STATUS_SOCKET,
                pids=find_pids(data, found.pid),
                config=config.read_text(),
                check=server.check,
                websocket_url=found.websocket,
                **_http_api(found.http_api, data),
            )


async def running_server(url: str, data: Path, postgres: str, ca_file: str | None = None) -> Target:
    """A server that runs already, with the keys of `data`; the records are at the DSN or under `data`.

    Raises BenchFailed without records, ClientError if the server cannot be reached, OSError for a `ca_file` that
    cannot be used, ValueError for a malformed url.
    """
    raise_file_limit()
    found, stores = running(data), embedded.running(data)
    dsn = postgres or (stores.postgres_dsn if stores is not None else "")
    if not dsn:
        raise BenchFailed(f"the verdict needs the records: no stores run on {data}; add --postgres DSN")
    key_id, key = _newest_key(data)
    token = tokens.mint(0, int(time.time()) + 60, key_id, key)
    async with Client(url, str(token), ca_file=ca_file) as backend:
        assert backend.hello is not None
        durability, money = backend.hello.durability, backend.money
    is_here = found is not None and url in (found.url, found.websocket)
    return Target(
        url,
        durability,
        key_id,
        key,
        seed_keys=config_module.found_seed_keys(config_module.load(None, {}), data),
        dsn=dsn,
        redis_url=stores.redis_url if stores is not None else "",
        status=data / STATUS_SOCKET if is_here else None,
        pids=find_pids(data, found.pid) if found is not None and is_here else Pids(),
        money=money,
        ca_file=ca_file,
        **_http_api(found.http_api if found is not None and is_here else "", data),
        run_numbers=itertools.count(int(time.time())),
    )


def _newest_key(data: Path) -> tuple[str, bytes]:
    return list(config_module.load_keys(config_module.load(None, {}), data, may_make=False).items())[-1]


def _http_api(url: str, data: Path) -> dict[str, Any]:
    """The url of a server's HTTP API and a key for it, as a Target has them; nothing if there is none."""
    keys = config_module.load_api_keys(config_module.load(None, {}), data) if url else {}
    if not keys:
        return {}
    key_id, key = list(keys.items())[-1]
    return {"http_url": url, "http_key_id": key_id, "http_key": key}


def bare_server() -> AbstractContextManager[Target]:
    """A process of bench.compare.rivals.echo: no stores, so nothing durable and no money. Raises ServerFailed."""
    return rival_server(echo.__name__)


def redis_service(behind: Target, client: redis_service_program.Client) -> AbstractContextManager[Target]:
    """A service in front of the Redis of our server. Raises ServerFailed."""
    words = ("--url", behind.redis_url, "--client", client)
    return rival_server(redis_service_program.__name__, *words, durability="redis", redis=behind.pids.redis)


@contextmanager
def rival_server(module: str, *words: str, durability: str = "none", redis: int = 0) -> Iterator[Target]:
    """A process of a rival that speaks our protocol, as its sources are: nothing of it is compiled.

    `redis`: the process id of the Redis behind it. Raises ServerFailed.
    """
    raise_file_limit()
    child = subprocess.Popen(
        [sys.executable, "-m", module, "--port", "0", *words],
        env={**os.environ, finder.VARIABLE: finder.OFF},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in the terminal must not reach it; this process ends it
        preexec_fn=die_with(os.getpid(), signal.SIGTERM),
    )

    def check() -> None:
        if child.poll() is not None:
            raise ServerFailed(f"the rival's server ended by itself (exit code {child.returncode})")

    try:
        assert child.stdout is not None
        url = child.stdout.readline().decode().strip()
        if not url:
            raise ServerFailed(f"the rival's server did not start (exit code {child.wait()})")
        yield Target(url, durability, pids=Pids(child.pid, redis=redis), check=check)
    finally:
        child.terminate()
        try:
            child.communicate(timeout=BARE_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


@contextmanager
def with_bare_server(target: Target) -> Iterator[Target]:
    """The same target with a bare server beside it. Raises ServerFailed."""
    with bare_server() as bare:
        yield replace(target, bare_url=bare.url)


def connections_max() -> int:
    """To one server of this machine; processes have other files too, and new connections overlap with old ones."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if most == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, most * 3 // 4)


def raise_file_limit() -> None:
    """A connection is an open file, in the server and in the generators, which inherit this limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
