"""A user over WebSocket, on real stores: the same requests, replies and pushes as over TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from cyclopts import Token

from client_sim.sdk import Client
from client_sim.sdk.errors import MalformedUrl
from client_sim.sdk.transport import parse_url
from protocol import messages
from server.cli.shared.words import server_url
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, token

ANNA, BEN = 1, 2


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    return await start_server(websocket__listen="127.0.0.1:0")


@pytest.fixture
async def ben(server: Server) -> AsyncIterator[Client]:
    """A user over WebSocket."""
    assert server.app.websocket is not None
    async with Client(server.app.websocket.url, token(BEN)) as client:
        yield client


@pytest.fixture
async def anna(server: Server, connect: Connect) -> Client:
    """A user over TCP who has 10.00 yuan."""
    await (await connect(server, 0)).top_up(ANNA, 1000)
    return await connect(server, ANNA)


async def pushed(client: Client, kind: type[messages.Message]) -> messages.Message:
    """The next push of this class."""
    async with asyncio.timeout(PATIENCE_S):
        async for push in client.pushes():
            if isinstance(push, kind):
                return push
    raise AssertionError(f"no {kind.__name__}")


async def test_user_over_websocket_grabs_and_opens_what_a_user_over_tcp_sent(anna: Client, ben: Client) -> None:
    group = await anna.create_group("a")
    await ben.join_group(group, await anna.invite(group))
    sent = await anna.send_packet("lucky", group, amount_fen=888, shares=1)
    assert isinstance(await pushed(ben, messages.PacketPosted), messages.PacketPosted)
    ticket = (await ben.grab(sent.packet_id)).ticket
    assert ticket
    assert (await ben.open(sent.packet_id)).amount_fen == 888
    assert (await pushed(ben, messages.BalanceChanged)) == messages.BalanceChanged(0, 888, 888, "claim", 1)


async def test_pushes_of_one_event_reach_users_over_both_alike(anna: Client, ben: Client) -> None:
    group = await anna.create_group("a")
    await ben.join_group(group, await anna.invite(group))
    sent = await anna.send_packet("lucky", group, amount_fen=888, shares=2)
    await ben.open(sent.packet_id)  # until then the list of claims is not for him
    for client in (anna, ben):
        assert (await client.result_page(sent.packet_id, subscribe=True)).page.watched
    await anna.say(group, "a" * 500)
    await anna.open(sent.packet_id)
    assert await pushed(anna, messages.TextPosted) == await pushed(ben, messages.TextPosted)
    for client in (anna, ben):
        update = await pushed(client, messages.ResultUpdate)
        assert isinstance(update, messages.ResultUpdate)
        assert (update.packet_id, update.opened) == (sent.packet_id, 2)


async def test_client_over_websocket_reconnects_and_catches_up(anna: Client, ben: Client) -> None:
    group = await anna.create_group("a")
    await ben.join_group(group, await anna.invite(group))
    ben.drop()
    async with asyncio.timeout(PATIENCE_S):
        while ben.is_connected:  # noqa: ASYNC110  no event says so
            await asyncio.sleep(0.001)
    await anna.say(group, "while you were away")
    text = await pushed(ben, messages.TextPosted)
    assert isinstance(text, messages.TextPosted)
    assert text.text == "while you were away"
    assert ben.reconnects >= 1  # a busy machine may lose it again


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://chat.example", "chat.example:80"),
        ("wss://chat.example/hongbao", "chat.example:443"),
        ("ws://[::1]:7791/", "[::1]:7791"),
    ],
)
def test_url_of_websocket_may_leave_out_its_port(url: str, address: str) -> None:
    assert str(parse_url(url, "ws", "wss")) == address
    assert server_url(str, [Token(value=url)]) == url


def test_url_of_tcp_needs_its_port() -> None:
    with pytest.raises(MalformedUrl):
        parse_url("tcp://chat.example", "tcp", "ws")
