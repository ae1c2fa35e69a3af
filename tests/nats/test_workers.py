"""Several workers whose NATS is killed and frozen: clients and services end with all that happened."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import nats
import pytest
from nats.js.errors import NotFoundError

from client_sim.sdk.client import Client
from tests.conftest import PATIENCE_S
from tests.nats.running import NatsServer
from tests.nats.test_pushes import Seen
from tests.workers.conftest import StartWorkers, data, workers
from tests.workers.running import Workers

__all__ = ["data", "workers"]  # fixtures
SENDER = 1
USERS = range(2, 14)
ROUNDS = 12
TEXTS = [f"text {number}" for number in range(ROUNDS)]


@asynccontextmanager
async def clients(server: Workers) -> AsyncIterator[dict[int, Client]]:
    """The sender and the users, at whatever worker has their connection."""
    async with AsyncExitStack() as stack:
        yield {
            user_id: await stack.enter_async_context(Client(server.url, server.token(user_id)))
            for user_id in (SENDER, *USERS)
        }


async def make_group(server: Workers) -> int:
    async with Client(server.url, server.token(0)) as backend:
        await backend.put_users({user_id: f"user {user_id}" for user_id in (SENDER, *USERS)})
        group = await backend.put_group("family", "family")
        await backend.sync_members(group, 1, [SENDER, *USERS])
        await backend.top_up(SENDER, 1_000_000, "top-up")
        return group


async def subscribed(stream: Any, subject: str) -> Any:
    """A reader of the stream. The first event makes it; while NATS is away, events wait for another attempt."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await stream.subscribe(subject, ordered_consumer=True)
            except NotFoundError:
                await asyncio.sleep(0.1)


async def told_claims(url: str, count: int) -> set[tuple[str, str]]:
    """Packet and user of each claim in the stream, once there are so many different ones."""
    client = await nats.connect(url)
    found: set[tuple[str, str]] = set()
    try:
        reading = await subscribed(client.jetstream(), "billing.packet.claimed")
        while len(found) < count:
            body = json.loads((await reading.next_msg(timeout=PATIENCE_S)).data)["data"]
            found |= {(body["packet_id"], one["user_id"]) for one in body["claims"]}
    finally:
        await client.close()
    return found


@pytest.mark.long
async def test_clients_and_services_miss_nothing_while_nats_is_killed_and_frozen(
    workers: StartWorkers, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONGBAO_NATS__URL", nats_server.url)
    monkeypatch.setenv("HONGBAO_NATS__PUSHES", "true")
    server = await asyncio.to_thread(workers, 3)
    words = "webhooks", "add", "billing", "nats:billing", "--type", "packet.claimed", "--data", str(server.data)
    adding = await asyncio.create_subprocess_exec(sys.executable, "-m", "server.cli", *words)
    assert await adding.wait() == 0
    group = await make_group(server)
    disturbances = {3: nats_server.kill, 5: nats_server.start, 7: nats_server.freeze, 9: nats_server.thaw}
    claims: set[tuple[str, str]] = set()
    won = dict.fromkeys(USERS, 0)
    async with clients(server) as everyone:
        seen = {user_id: Seen(everyone[user_id], group) for user_id in USERS}
        for number, text in enumerate(TEXTS):
            if number in disturbances:
                await asyncio.to_thread(disturbances[number])
            packet = await everyone[SENDER].send_packet("lucky", group, 12_000, len(USERS))
            await everyone[SENDER].say(group, text)
            opened = await asyncio.gather(*(everyone[user_id].open(packet.packet_id) for user_id in USERS))
            for user_id, one in zip(USERS, opened, strict=True):
                assert one.answer in ("won", "claimed")
                won[user_id] += one.amount_fen
                claims.add((str(packet.packet_id), str(user_id)))
        async with asyncio.timeout(2 * PATIENCE_S):
            for user_id, one in seen.items():
                while one.balance is None or one.balance.balance_fen != won[user_id]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                while TEXTS[-1] not in one.texts.values():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                assert await one.whole(TEXTS)
                one.stop()
    assert await told_claims(nats_server.url, len(claims)) == claims
