"""The HTTP API behind a proxy that speaks the PROXY protocol: its header tells the client, and whether by TLS."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from server.http_api import proxied
from tests.cases import each
from tests.conftest import API_KEYS, PATIENCE_S, Server, StartServer
from tests.http_api.conftest import ADDRESS
from tests.protocol.test_proxy_header import BAD, IPV4, header

BY_TLS = b"\x20\x00\x05\x01\x00\x00\x00\x00"  # what a proxy adds: the client has connected by TLS
LOCAL = header(b"", 0x00, 0x20)
KEY = API_KEYS["api"].hex()
REQUEST = f"GET /v1/webhooks HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer api.{KEY}\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """One whose proxies are on this machine."""
    behind = {"http_api__behind_proxy": True, "http_api__proxy_protocol": '["127.0.0.1"]'}
    return await start_server(http_api__address=ADDRESS, **behind)


async def answered(server: Server, *pieces: bytes) -> bytes:
    """All that comes back for these bytes, until the server hangs up."""
    parts = urlsplit(server.app.http_api.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def status_of(server: Server, *pieces: bytes) -> int:
    """The status of the answer."""
    return int((await answered(server, *pieces)).split(b" ", 2)[1])


@each(
    ("first", "status"),
    [
        (LOCAL, 200),  # a check of the proxy, which is on this machine
        (header(IPV4 + BY_TLS), 200),
        (header(IPV4), 401),  # its client is elsewhere, and others can read what it sends
    ],
)
async def test_bearer_key_is_accepted_from_clients_that_are_private(
    server: Server, first: bytes, status: int
) -> None:
    assert await status_of(server, first + REQUEST.encode()) == status


async def test_header_comes_in_any_pieces(server: Server) -> None:
    data = header(IPV4 + BY_TLS) + REQUEST.encode()
    assert await status_of(server, *(data[at : at + 9] for at in range(0, len(data), 9))) == 200


@each("name", BAD)
async def test_bad_header_is_refused(server: Server, name: str) -> None:
    assert await status_of(server, BAD[name]) == 400


async def test_header_of_an_address_that_is_no_proxy_is_bad_http(start_server: StartServer) -> None:
    behind = {"http_api__behind_proxy": True, "http_api__proxy_protocol": '["10.0.0.1"]'}
    server = await start_server(http_api__address=ADDRESS, **behind)
    assert await status_of(server, header(IPV4) + REQUEST.encode()) == 400
    assert await status_of(server, REQUEST.encode()) == 200


async def test_header_that_does_not_come_ends_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "HEADER_S", 0.1)
    assert await answered(server, header(IPV4)[:20]) == b""
