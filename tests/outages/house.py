"""A server and its stores as processes of their own, which are started again whenever they end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.chaos.supervisor import SupervisedProcess, answers, kept_server, kept_store, prepare_stores
from protocol import tokens
from server.embedded.sockets import addresses
from server.embedded.stores import POSTGRES, STORES, VALKEY
from server.instance import running
from tests.clusters import copy_cluster, data_folder
from tests.conftest import FAR_AWAY_S, KEYS
from tests.services.conftest import until

READY_WITHIN_S = 60.0


class House(NamedTuple):
    """A server and its stores, each a process of its own."""

    data: Path
    dsn: str
    url: str
    parts: dict[str, SupervisedProcess]


def token(user_id: int) -> str:
    return str(tokens.mint(user_id, FAR_AWAY_S, "test", KEYS["test"]))


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for one server to listen on, also when it is started again; nothing else is given it meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the server sets it too: then both may bind it
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@asynccontextmanager
async def house(cluster: Path, tier: str = "postgres", **disks: Path) -> AsyncIterator[House]:
    """Everything runs, and whatever ends is started again, as by a service manager.

    `disks`: where the data of a store lies, by its name, if not with all the rest.
    """
    with data_folder() as data, reserved_port() as port:
        copy_cluster(cluster, disks.get(POSTGRES.name, data))
        sockets = prepare_stores(data)
        dsn, redis_url = addresses(sockets)
        config = data / "config.toml"
        config.write_text(f'[auth]\nkeys = {{ test = "{KEYS["test"].hex()}" }}\n')
        words = ("--port", str(port), "--postgres", dsn, "--redis", redis_url, "--durability", tier)
        parts = {store.name: kept_store(store, disks.get(store.name, data), sockets) for store in STORES}
        parts["server"] = kept_server(data, "--config", str(config), *words)
        async with AsyncExitStack() as stack:
            for part, kept in parts.items():
                if part == "server":
                    assert await answers(POSTGRES, sockets, READY_WITHIN_S)
                    assert await answers(VALKEY, sockets, READY_WITHIN_S)
                keeper = asyncio.create_task(kept.run())
                stack.push_async_callback(end, kept, keeper)
            await serving(data)
            yield House(data, dsn, f"tcp://127.0.0.1:{port}", parts)


async def end(kept: SupervisedProcess, keeper: asyncio.Task[None]) -> None:
    await kept.hold()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


async def serving(data: Path) -> None:
    async def holds() -> bool:
        return running(data) is not None

    await until(holds, READY_WITHIN_S)
