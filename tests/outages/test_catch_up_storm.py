"""A server comes back to hundreds of clients that all missed posts: all log in and catch up at once."""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bench.chaos.supervisor import free_port, supervised_server
from client_sim.sdk.client import Client
from protocol.messages import TextPosted
from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from tests.outages.cluster import READY_TIMEOUT_S, ProcessCluster, start_cluster, token, until_serving
from tests.services.conftest import until

CLIENTS, GROUPS, POSTS = 300, 3, 10
CONNECT_AT_ONCE = 100
# So little that each client has to wait and to ask again: it asks for the posts of each group.
LIMITS = "\n[limits]\nrequests_per_s = 0.4\nrequests_burst = 1.0\n"


@asynccontextmanager
async def second_server(cluster: ProcessCluster) -> AsyncIterator[str]:
    """Another server on the same stores; its address."""
    data, port = cluster.data / "second", free_port()
    data.mkdir()
    shutil.copy(cluster.data / "seed-keys.toml", data)
    words = ("--config", str(cluster.data / "config.toml"), "--port", str(port), "--postgres", cluster.dsn)
    redis_url = cluster.dsn.partition("host=")[2].partition("&")[0]
    server = supervised_server(data, *words, "--redis", f"unix://{redis_url}/valkey.sock")
    async with server.supervised():
        await until_serving(data)
        yield f"tcp://127.0.0.1:{port}"


async def make_groups(url: str) -> list[int]:
    async with Client(url, token(0)) as backend:
        groups = [await backend.put_group(f"g{number}", f"group {number}", 1) for number in range(GROUPS)]
        for group in groups:
            await backend.sync_members(group, 1, list(range(1, CLIENTS + 1)))
    return groups


async def connected(stack: AsyncExitStack, url: str) -> list[Client]:
    clients: list[Client] = []
    for first in range(1, CLIENTS + 1, CONNECT_AT_ONCE):
        made = [Client(url, token(user_id), timeout_s=30) for user_id in range(first, first + CONNECT_AT_ONCE)]
        clients += await asyncio.gather(*(stack.enter_async_context(one) for one in made))
    return clients


def received(client: Client) -> dict[int, list[int]]:
    """The numbers of the posts in each group, as they wait for the app."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for push in client._feed.queue._pushes:
        if isinstance(push, TextPosted):
            numbers[push.stream_id].append(push.message)
    return numbers


async def status(data: Path) -> dict[str, object]:
    return await ask(data / STATUS_SOCKET, "status")


@pytest.mark.long
async def test_crowd_of_clients_that_catch_up_at_once_after_a_restart_miss_nothing() -> None:
    async with start_cluster() as cluster, AsyncExitStack() as stack:
        groups = await make_groups(cluster.url)
        clients = await connected(stack, cluster.url)
        server = cluster.processes["server"]
        await server.hold()
        async with second_server(cluster) as url:
            for user_id in range(1, POSTS + 1):
                async with Client(url, token(user_id)) as speaker:
                    for group in groups:
                        await speaker.say(group, f"missed by {CLIENTS}")
        with (cluster.data / "config.toml").open("a") as config:
            config.write(LIMITS)
        server.release()
        await until_serving(cluster.data)

        async def all_are_done() -> bool:
            return all(
                one.is_connected
                and one.reconnects
                and all(one.positions.get(group, POSTS) == POSTS for group in groups)
                for one in clients
            )

        await until(all_are_done, 2 * READY_TIMEOUT_S)
        assert all(one == {group: list(range(1, POSTS + 1)) for group in groups} for one in map(received, clients))
        told = await status(cluster.data)
        refusals = told["refusals"]
        assert isinstance(refusals, dict)
        assert sum(refusals.values()) > 0
        assert refusals.keys() <= {"rate_limited", "overloaded", "store_unavailable"}
        assert told["loop_failures"] == {}

        async def is_ready() -> bool:
            return bool((await status(cluster.data))["ready"])

        await until(is_ready)
