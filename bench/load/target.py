"""What a run stands on: a server of its own on fresh stores, or one that runs already (`--url`)."""

from __future__ import annotations

import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.compare import bare
from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import GeneratorSpec, RunSpec, part_of
from bench.load.usage import Pids, pids_under
from client_sim.sdk.client import Client
from protocol import tokens
from server import config as config_module
from server import embedded
from server.instance import STATUS_SOCKET, running
from server.process import OURS, Program, ServerProcess

Say = Callable[[str], None]

# Bench users ask faster than people may and take tickets long before opening; one sender owns all groups.
LIMITS: Final[Mapping[str, float]] = {
    "requests_per_s": 1_000_000.0,
    "requests_burst": 1_000_000.0,
    "ticket_lifetime_s": 600.0,
    "groups_of_user_max": 1_000_000,
    "connections_of_address_max": 1_000_000,
}
USERS_OF_GENERATOR: Final = 250_000
USERS_OF_RUN: Final = 2_000_000  # with --url a run is called by its second; user ids last until 2112
CONNECTIONS_MAX: Final = 1_000_000
GENERATORS_MAX: Final = USERS_OF_RUN // USERS_OF_GENERATOR


@dataclass
class Target:
    """A server that can be measured, and what is known about it."""

    url: str
    durability: str
    key_id: str = ""
    key: bytes = b""
    dsn: str = ""  # of the records; "": this server keeps none
    redis_url: str = ""  # "": not known
    status: Path | None = None
    pids: Pids = field(default_factory=Pids)
    config: str = ""  # the bench's own; "": the server's
    bare_url: str = ""  # of a bare server beside this one
    ca_file: str | None = None  # of a url with tls; None: whom the system believes
    check: Callable[[], None] = lambda: None  # raises ServerFailed once the server has ended
    runs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def jobs(self, order: RunSpec) -> list[GeneratorSpec]:
        """What each generator does; no two runs on the same books share a user or a key."""
        run = next(self.runs)
        return [
            GeneratorSpec(
                order=part_of(order, number),
                number=number,
                run=str(run),
                url=self.url,
                key_id=self.key_id,
                key_hex=self.key.hex(),
                first_user=run * USERS_OF_RUN + number * USERS_OF_GENERATOR,
                server_pid=self.pids.server,
                bare_url=self.bare_url,
                ca_file=self.ca_file,
            )
            for number in range(order.generators)
        ]


def config_of(limits: Mapping[str, float], known: Container[str] | None = None) -> str:
    """The server's config for a bench, as TOML: its usual limits and these, as far as that server knows them."""
    wanted = {**LIMITS, **limits}.items()
    return "[limits]\n" + "".join(f"{name} = {value}\n" for name, value in wanted if known is None or name in known)


@contextmanager
def own(
    durability: str,
    limits: Mapping[str, float],
    say: Say,
    program: Program = OURS,
    known: Container[str] | None = None,
) -> Iterator[Target]:
    """A server as a process of its own on fresh stores; gone afterwards. Raises ServerFailed, EmbeddedError.

    `known`: names of the limits in the config of this program; None: all of ours.
    """
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="hongbao-bench-") as folder:
        data = Path(folder)
        data.chmod(0o711)  # for the stores' user to pass
        config = data / "bench.toml"
        config.write_text(config_of(limits, known))
        say(f"config of this run:\n{config.read_text().strip()}")
        words = ("--config", str(config), "--durability", durability)
        with ServerProcess(data, *words, program=program) as server:
            yield _on(data, server.url, durability, config.read_text(), server.check)


@contextmanager
def ceiling() -> Iterator[Target]:
    """The bare server alone: no stores, so nothing durable and no money. Raises ServerFailed."""
    raise_file_limit()
    with bare.serving() as server:
        yield Target(server.url, "none", pids=Pids(server.child.pid), check=server.check)


@contextmanager
def with_bare(ground: Target) -> Iterator[Target]:
    """The same with a bare server beside it. Raises ServerFailed."""
    with bare.serving() as server:
        yield replace(ground, bare_url=server.url)


def _on(data: Path, url: str, durability: str, config: str, check: Callable[[], None]) -> Target:
    """The server that runs on this data folder."""
    found, stores = running(data), embedded.running(data)
    if found is None or stores is None:
        raise BenchFailed(f"the server under {data} is gone")
    key_id, key = _newest_key(data)
    return Target(
        url=url,
        durability=durability,
        key_id=key_id,
        key=key,
        dsn=stores.postgres_dsn,
        redis_url=stores.redis_url,
        status=data / STATUS_SOCKET,
        pids=pids_under(data, found.pid),
        config=config,
        check=check,
    )


async def theirs(url: str, data: Path, postgres: str, ca_file: str | None = None) -> Target:
    """A server that runs already, with the keys of `data`; the records are the DSN, or those under `data`.

    Raises BenchFailed if the records are nowhere, ClientError if the server cannot be reached, OSError for a
    `ca_file` that cannot be used, ValueError for a malformed url.
    """
    raise_file_limit()
    found, stores = running(data), embedded.running(data)
    dsn = postgres or (stores.postgres_dsn if stores is not None else "")
    if not dsn:
        raise BenchFailed(f"the verdict needs the records: no stores run on {data}; say --postgres DSN")
    key_id, key = _newest_key(data)
    token = tokens.mint(0, int(time.time()) + 60, key_id, key)
    async with Client(url, str(token), ca_file=ca_file) as backend:
        assert backend.hello is not None
        durability = backend.hello.durability
    is_here = found is not None and found.url == url
    return Target(
        url=url,
        durability=durability,
        key_id=key_id,
        key=key,
        dsn=dsn,
        redis_url=stores.redis_url if stores is not None else "",
        status=data / STATUS_SOCKET if is_here else None,
        pids=pids_under(data, found.pid) if found is not None and is_here else Pids(),
        ca_file=ca_file,
        runs=itertools.count(int(time.time())),
    )


def _newest_key(data: Path) -> tuple[str, bytes]:
    return list(config_module.load_keys(config_module.load(None, {}), data).items())[-1]


def connections_max() -> int:
    """To one server of this machine; it has other files, and new connections overlap with old ones."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if most == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, most * 3 // 4)


def raise_file_limit() -> None:
    """A connection is an open file, in the server as in the generators, which inherit this."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
