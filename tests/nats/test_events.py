"""Events for other services over NATS: stored in a stream at least once, dropped there if they come again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest

from client_sim.sdk.client import Client
from server.core.refusals import RequestRefused
from server.core.webhooks import signing
from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.nats.running import NatsServer
from tests.peers.conftest import until

SENDER, GUEST = 1, 2
KEY = bytes(range(24))
SECRET = signing.text_of(KEY)


class Stream:
    """What the stream of the endpoint holds."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._store = client.jetstream()

    async def messages(self, count: int, subject: str = "orders.>") -> list[Any]:
        """So many messages, once they are there."""
        consumer = await self._store.subscribe(subject, ordered_consumer=True)
        try:
            return [await consumer.next_msg(timeout=PATIENCE_S) for _ in range(count)]
        finally:
            await consumer.unsubscribe()

    async def count(self) -> int:
        """How many there are."""
        return int((await self._store.stream_info("ORDERS")).state.messages)


@pytest.fixture
async def stream(nats_server: NatsServer) -> AsyncIterator[Stream]:
    """A service that reads the stream."""
    client = await nats.connect(nats_server.url)
    yield Stream(client)
    await client.close()


async def start(start_server: StartServer, url: str, *types: str) -> Server:
    """A server with the endpoint `nats:orders`."""
    server = await start_server(nats__url=url)
    await server.app.services.webhooks.put("orders", "nats:orders", types, SECRET)
    return server


async def made_packet(server: Server, connect: Connect) -> tuple[int, Client]:
    """A packet of two shares in a group, one of them opened."""
    backend = await connect(server, 0)
    await backend.put_users({SENDER: "sender", GUEST: "guest"})
    group = await backend.put_group("family", "family")
    await backend.sync_members(group, 1, [SENDER, GUEST])
    await backend.top_up(SENDER, 1_000, "top-up")
    packet = await (await connect(server, SENDER)).send_packet("lucky", group, 1_000, 2)
    guest = await connect(server, GUEST)
    assert (await guest.open(packet.packet_id)).answer == "won"
    return packet.packet_id, guest


async def test_events_are_in_a_stream_under_their_type(
    start_server: StartServer, connect: Connect, nats_server: NatsServer, stream: Stream
) -> None:
    server = await start(start_server, nats_server.url, "packet.sent", "packet.claimed")
    packet_id, _ = await made_packet(server, connect)
    await until(lambda: server.app.services.webhook_delivery.results["delivered"] == 2)
    found = await stream.messages(2)
    assert sorted(one.subject for one in found) == ["orders.packet.claimed", "orders.packet.sent"]
    for one in found:
        body = json.loads(one.data)
        assert one.subject == f"orders.{body['type']}"
        assert body["data"]["packet_id"] == str(packet_id)
        headers = one.headers
        assert headers["Nats-Msg-Id"] == headers["webhook-id"]
        expected = signing.headers([KEY], headers["webhook-id"], int(headers["webhook-timestamp"]), one.data)
        assert expected["webhook-signature"] == headers["webhook-signature"]


async def test_event_that_is_sent_again_is_stored_once(
    start_server: StartServer, connect: Connect, nats_server: NatsServer, stream: Stream
) -> None:
    server = await start(start_server, nats_server.url, "packet.sent")
    delivery = server.app.services.webhook_delivery
    await made_packet(server, connect)
    await until(lambda: delivery.results["delivered"] == 1)
    assert await server.app.services.webhooks.replay("orders") == 1
    await until(lambda: delivery.results["delivered"] == 2)
    assert await stream.count() == 1


async def test_events_wait_while_nats_is_away(
    start_server: StartServer, connect: Connect, nats_server: NatsServer
) -> None:
    nats_server.kill()
    server = await start(start_server, nats_server.url, "packet.sent")
    await made_packet(server, connect)  # NATS is not waited for
    delivery = server.app.services.webhook_delivery
    await until(lambda: delivery.results["retried"] > 0)
    assert server.app.operations.sampler.now().nats_up is False
    nats_server.start()
    await until(lambda: delivery.results["delivered"] == 1)
    client = await nats.connect(nats_server.url)
    try:
        assert await Stream(client).count() == 1
    finally:
        await client.close()


async def test_stream_that_takes_the_subject_already_is_used(
    start_server: StartServer, connect: Connect, nats_server: NatsServer
) -> None:
    client = await nats.connect(nats_server.url)
    try:
        stored = client.jetstream()
        await stored.add_stream(name="OURS", subjects=["orders.packet.>"])
        server = await start(start_server, nats_server.url, "packet.sent")
        await made_packet(server, connect)
        await until(lambda: server.app.services.webhook_delivery.results["delivered"] == 1)
        assert (await stored.stream_info("OURS")).state.messages == 1
    finally:
        await client.close()


@pytest.mark.parametrize("url", ["nats:", "nats:a b", "nats:a.>", "nats:$SYS.a", "nats:a..b", f"nats:{'a' * 129}"])
async def test_bad_subject_is_refused(start_server: StartServer, nats_server: NatsServer, url: str) -> None:
    server = await start_server(nats__url=nats_server.url)
    with pytest.raises(RequestRefused, match="a subject of NATS"):
        await server.app.services.webhooks.put("orders", url, (), SECRET)


async def test_endpoint_of_nats_needs_nats(server: Server) -> None:
    with pytest.raises(RequestRefused, match="there is no"):
        await server.app.services.webhooks.put("orders", "nats:orders", (), SECRET)


async def test_server_starts_without_waiting_for_nats(start_server: StartServer) -> None:
    async with asyncio.timeout(PATIENCE_S):
        server = await start_server(nats__url="nats://127.0.0.1:1")
    assert not any(server.app.supervisor.failing)
