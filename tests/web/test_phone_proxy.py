"""The proxy with TLS for phones in a room: one port for page and WebSocket, a certificate whose digest is told."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from playwright.async_api import Browser, expect

from client_sim.sdk.client import Client
from server.cli.shared.demo_web import People, environment_for, proxy_for
from server.cli.shared.phone_proxy import HEAD_BYTES_MAX, PhoneProxy
from server.cli.shared.resources import WrongOptions
from server.net.local_certificate import make_certificate
from tests.conftest import Connect, Server, StartServer
from tests.web.conftest import ALICE, BEN, SERVES_APP, Phone
from tests.wire.test_example_client import token

HOST = "127.0.0.1"
LIFETIME = timedelta(days=1)
# Of a certificate that a user let pass. Chromium begins the line in one of two ways: by the certificate, or by a
# connection that it has broken off for it.
NO_WORKER = "error occurred when fetching the script."


@asynccontextmanager
async def opened(start_server: StartServer) -> AsyncIterator[tuple[PhoneProxy, Server]]:
    """A proxy, and a server behind it with the config that the demo gives it."""
    with PhoneProxy(HOST) as proxy:
        given = environment_for(People(phone=True, address="192.0.2.1", proxy=proxy))
        settings = {name.removeprefix("HONGBAO_").lower(): value for name, value in given.items()}
        server = await start_server(**{**SERVES_APP, **settings})
        assert server.app.websocket is not None
        async with proxy.serving(server.app.http_api.url, server.app.websocket.url):
            yield proxy, server


def trusting(proxy: PhoneProxy) -> ssl.SSLContext:
    """TLS of a phone whose user has compared the digest."""
    return ssl.create_default_context(cadata=proxy.certificate.decode())


def test_certificate_is_for_the_address_that_phones_reach() -> None:
    for host, kind, value in (
        ("192.0.2.7", x509.IPAddress, ip_address("192.0.2.7")),
        ("[2001:db8::7]", x509.IPAddress, ip_address("2001:db8::7")),
        ("demo.local", x509.DNSName, "demo.local"),
    ):
        made = make_certificate("demo", LIFETIME, [host])
        names = x509.load_der_x509_certificate(made.der).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert names.value.get_values_for_type(kind) == [value]
        assert made.digest == hashlib.sha256(made.der).digest()


async def test_page_and_websocket_are_at_one_address(start_server: StartServer, tmp_path: Path) -> None:
    async with opened(start_server) as (proxy, server), aiohttp.ClientSession() as web:
        tls = trusting(proxy)
        async with web.get(f"{proxy.origin}/app/", ssl=tls) as page:
            assert f'content="{proxy.websocket_url}"' in await page.text()
        async with web.get(f"{proxy.origin}/app/sw.js", ssl=tls) as worker:  # on the same connection
            assert worker.status == 200
        authorities = tmp_path / "proxy.pem"
        authorities.write_bytes(proxy.certificate)
        async with Client(proxy.websocket_url, token(ALICE), ca_file=str(authorities)) as client:
            assert (await client.wallet()).balance_fen == 0
        assert server.app.http_api.url.startswith("http://127.0.0.1:")  # without TLS on this machine alone


async def test_what_is_no_request_ends_its_own_connection_alone(start_server: StartServer) -> None:
    async with opened(start_server) as (proxy, _):
        port = int(proxy.address.rpartition(":")[2])
        for sent in (b"x" * (2 * HEAD_BYTES_MAX), b"", b"\r\n\r\n", b"GET /app/ HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection(HOST, port, ssl=trusting(proxy))
            writer.write(sent)
            if len(sent) < HEAD_BYTES_MAX:
                writer.close()
            await reader.read()
            writer.close()
        _, plain = await asyncio.open_connection(HOST, port)
        plain.write(b"GET / HTTP/1.1\r\n\r\n")
        plain.close()
        async with aiohttp.ClientSession() as web, web.get(f"{proxy.origin}/app/", ssl=trusting(proxy)) as page:
            assert page.status == 200


def test_proxy_is_for_phones_that_come_over_the_network(tmp_path: Path) -> None:
    for people in (People(phone=True), People(phone=True, address="192.0.2.1", tls=False), People(http=True)):
        with proxy_for(people, tmp_path) as proxy:
            assert proxy is None
    with pytest.raises(WrongOptions, match=r"not 0\.0\.0\.0"):
        proxy_for(People(phone=True, address="0.0.0.0"), tmp_path)
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0: .* choose another with --address"):
        proxy_for(People(phone=True, address="192.0.2.1"), tmp_path)


@pytest.mark.long
async def test_phone_is_in_a_secure_context_and_opens_a_packet(
    start_server: StartServer, chromium: Browser, connect: Connect
) -> None:
    async with opened(start_server) as (proxy, server):
        backend = await connect(server, 0)
        await backend.top_up(BEN, 5_000)
        group = await backend.put_group("room", "房间", owner_id=BEN)
        await backend.sync_members(group, 1, [ALICE, BEN])
        context = await chromium.new_context(viewport={"width": 390, "height": 844}, ignore_https_errors=True)
        phone = await Phone(await context.new_page(), proxy.origin, ALICE, "zh").start()
        assert await phone.page.evaluate("isSecureContext && 'DeviceMotionEvent' in window")
        await phone.tap("房间")
        await (await connect(server, BEN)).send_packet("lucky", group, 100, 1)
        await phone.tap("拼手气红包: 恭喜发财,大吉大利. 领取红包")
        await phone.tap("拆")
        await expect(phone.page.locator(".result-amount")).to_have_text("1.00元")
        assert [one for one in phone.complaints if not one.endswith(NO_WORKER)] == []
