"""A server and its stores as supervised processes: a process that ends is started again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.chaos.supervisor import (
    READY_TIMEOUT_S,
    SupervisedProcess,
    free_port,
    supervised_server,
    supervised_stores,
)
from protocol import tokens
from server.embedded.sockets import addresses
from server.instance import running
from tests.conftest import FAR_AWAY_S, KEYS
from tests.services.conftest import until


class ProcessCluster(NamedTuple):
    """A server and its stores, each a process of its own."""

    data: Path
    dsn: str
    url: str
    processes: dict[str, SupervisedProcess]


def token(user_id: int) -> str:
    return str(tokens.mint(user_id, FAR_AWAY_S, "test", KEYS["test"]))


@asynccontextmanager
async def start_cluster(durability: str = "postgres", **disks: Path) -> AsyncIterator[ProcessCluster]:
    """`disks`: the parent folder of a store's data, by the name of the store, if it is not the common one."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        data, port = Path(name), free_port()
        os.chmod(name, 0o711)  # the stores' user has to pass
        async with supervised_stores(data, disks) as (stores, sockets):
            dsn, redis_url = addresses(sockets)
            config = data / "config.toml"
            config.write_text(f'[auth]\nkeys = {{ test = "{KEYS["test"].hex()}" }}\n')
            words = ("--port", str(port), "--postgres", dsn, "--redis", redis_url, "--durability", durability)
            server = supervised_server(data, "--config", str(config), *words)
            async with server.supervised():
                await until_serving(data)
                yield ProcessCluster(data, dsn, f"tcp://127.0.0.1:{port}", {**stores, "server": server})


async def until_serving(data: Path) -> None:
    async def holds() -> bool:
        return running(data) is not None

    await until(holds, READY_TIMEOUT_S)
