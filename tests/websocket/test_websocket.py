"""A user over WebSocket, on real stores: the same requests, replies and pushes as over TCP."""

from __future__ import annotations

from client_sim.sdk import Client
from tests.conftest import Connect, StartServer, token


async def test_user_over_websocket_grabs_and_opens_what_a_user_over_tcp_sent(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(websocket__listen="127.0.0.1:0")
    assert server.app.websocket is not None
    backend, anna = await connect(server, 0), await connect(server, 1)
    async with Client(server.app.websocket.url, token(2)) as ben:
        await backend.top_up(1, 1000)
        group = await anna.create_group("a")
        await ben.join_group(group, await anna.invite(group))
        sent = await anna.send_packet("lucky", group, amount_fen=888, shares=1)
        await ben.grab(sent.packet_id)
        opened = await ben.open(sent.packet_id)
        assert opened.amount_fen == 888
