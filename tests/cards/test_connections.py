"""Secrets are taken over TLS or from this machine only; a proxy says how its client has come."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol import messages
from server.net import socket_session
from server.net.address_limits import address_of, is_loopback
from server.net.tls import server_context
from tests.cards.conftest import HOLDER, NUMBER, PASSWORD, PHONE, Bank
from tests.conftest import Connect, Server, StartServer, token
from tests.issuer import Issuer
from tests.protocol.test_proxy_header import IPV4, header
from tests.websocket.raw import WebSocketRaw, request
from tests.wire.test_proxy_header import connected

USER = 3
TRANSFER = 72
SECRETS = (
    messages.BindCard(0, NUMBER, HOLDER, PHONE),
    messages.ConfirmCard(0, 2**53, "123456", PASSWORD),
    messages.ConfirmCard(0, 2**53, "123456", ""),
    messages.UnbindCard(0, 2**53, PASSWORD),
    messages.SetPassword(0, PASSWORD, "135791"),
    messages.SetPassword(0, "", "135791"),
    messages.ResetPassword(0, 2**53, "123456", "135791"),
    messages.TopUpByCard(0, "k", 2**53, 100, PASSWORD),
    messages.WithdrawToCard(0, "k", 2**53, 100, PASSWORD),
    messages.Transfer(0, "k", 2, 100, "", PASSWORD),
    messages.SendPacket(0, "k", "personal", 2, 100, 1, "", b"", 0, PASSWORD),
)


def tls_field(client: int) -> bytes:
    """What a proxy adds about the TLS of its client."""
    value = bytes([client]) + struct.pack(">I", 0)
    return b"\x20" + struct.pack(">H", len(value)) + value


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("1.127.0.1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(address_of((host, 0))) is expected


async def refusal(client: Client, message: messages.Message) -> str:
    try:
        await client._ask(message, messages.REQUESTS[type(message)])
    except Refusal as refused:
        return refused.name
    return "reply"


async def test_secrets_from_another_machine_need_tls(
    start_server: StartServer, bank: Bank, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server()
    client = await connect(server, USER)
    here = [await refusal(client, one) for one in SECRETS]
    assert "needs_tls" not in here
    monkeypatch.setattr(socket_session, "is_loopback", lambda _: False)  # as if the client were elsewhere
    assert [await refusal(client, one) for one in SECRETS] == ["needs_tls"] * len(SECRETS)
    await client.cards()
    with pytest.raises(Refusal, match=r"not_enough_money|no_such_user"):
        await client.transfer(2, 100)  # without a secret
    assert len(bank.asks) == 1


async def test_secrets_by_tls_may_come_from_another_machine(
    start_server: StartServer, bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer(tmp_path)
    server = await start_server(tls=server_context(*issuer.issue()))
    monkeypatch.setattr(socket_session, "is_loopback", lambda _: False)
    async with Client(server.url, token(USER), ca_file=str(issuer.ca_file)) as client:
        await client.bind_card(NUMBER, HOLDER, PHONE)
    assert len(bank.asks) == 1


@pytest.mark.parametrize(
    ("added", "taken"),
    [
        (b"", False),
        (tls_field(0x01), True),
        (tls_field(0x07), True),
        (tls_field(0x00), False),
        (tls_field(0x02), False),  # a certificate in an earlier connection: not this one
        (b"\x04\x00\x02ab" + tls_field(0x01), True),
        (tls_field(0x01)[:4], False),  # cut off
        (b"\x20\x00\x00", False),
    ],
)
async def test_secrets_behind_a_proxy_need_its_word_that_the_client_came_by_tls(
    start_server: StartServer, bank: Bank, added: bytes, taken: bool
) -> None:
    server = await start_server(server__proxy_protocol='["127.0.0.0/8"]')
    loopback = bytes([127, 0, 0, 1]) * 2 + struct.pack(">HH", 40_000, 7788)
    for address in (IPV4, loopback):  # a client that seems to be here is not by itself
        bank.messages.clear()
        async with connected(server, header(address + added)) as client:
            client.hello = await client.read()
            await client.login(USER)
            answer = await client.refused(TRANSFER, "k", 2, 100, "", PASSWORD)
            assert (answer != "needs_tls") is taken


@pytest.mark.parametrize(("proto", "taken"), [("https", True), ("HTTPS", True), ("http", False), (None, False)])
async def test_secrets_over_websocket_behind_a_proxy_need_https_there(
    start_server: StartServer, bank: Bank, proto: str | None, taken: bool
) -> None:
    server = await start_server(websocket__listen="127.0.0.1:0", websocket__trusted_proxies='["127.0.0.1"]')
    assert await told_over_websocket(server, proto) is taken


async def test_secrets_over_websocket_of_a_peer_that_is_no_proxy_ignore_its_word(
    start_server: StartServer, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(websocket__listen="127.0.0.1:0")
    monkeypatch.setattr(socket_session, "is_loopback", lambda _: False)
    assert await told_over_websocket(server, "https") is False


async def told_over_websocket(server: Server, proto: str | None) -> bool:
    client = await WebSocketRaw.open(server)
    await client.send_bytes(request(X_Forwarded_For="203.0.113.9", X_Forwarded_Proto=proto))
    assert (await client.answer()).status == 101
    client.hello = await client.read()
    await client.login(USER)
    answer = await client.refused(TRANSFER, "k", 2, 100, "", PASSWORD)
    client.close()
    return bool(answer != "needs_tls")
