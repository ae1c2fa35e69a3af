"""Where the HTTP API listens: off without address or keys, loopback without TLS, TLS elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from protocol.money_unit import YUAN
from server.config import Config, ConfigError, load
from server.http_api.api import check_address
from server.net.addresses import host_and_port
from server.net.tls import server_context
from server.ops.metrics import Metrics
from tests.conftest import API_KEYS, PATIENCE_S, Server, StartServer
from tests.http_api.client import Api
from tests.http_api.conftest import ADDRESS

LOOPBACK = ("127.0.0.1:7791", "[::1]:7791", "localhost:7791")
OPEN = ("0.0.0.0:7791", "[::]:7791", "192.168.1.7:7791", "api.example.com:7791")


def config(**values: Any) -> Config:
    return load(None, {key.replace("__", "."): value for key, value in values.items()}, environment={})


@pytest.mark.parametrize("address", ["", *LOOPBACK])
def test_loopback_address_needs_no_tls(address: str) -> None:
    check_address(config(http_api__address=address))


@pytest.mark.parametrize("address", OPEN)
def test_open_address_needs_tls_or_a_stated_proxy(address: str) -> None:
    with pytest.raises(ConfigError, match=r"set server\.tls_certificate, or http_api\.behind") as caught:
        check_address(config(http_api__address=address))
    assert "\n" not in str(caught.value)
    check_address(config(http_api__address=address, http_api__behind_proxy=True))
    check_address(config(http_api__address=address, server__tls_certificate="c.pem", server__tls_key="k.pem"))


async def test_api_is_off_by_default_and_without_keys(start_server: StartServer) -> None:
    assert (await start_server()).app.http_api.url == ""
    without = await start_server(http_api__address=ADDRESS, no_api_keys=True)
    assert without.app.http_api.url == ""


def authority(folder: Path) -> tuple[trustme.CA, ssl.SSLContext]:
    ca = trustme.CA()
    made = ca.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(folder / "key.pem")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return ca, server_context(str(folder / "cert.pem"), str(folder / "key.pem"))


async def get(server: Server, ca: trustme.CA, **headers: str) -> int:
    trusts = ssl.create_default_context()
    ca.configure_trust(trusts)
    connector = aiohttp.TCPConnector(ssl=trusts)
    url = server.app.http_api.url + "/v1/users/7"
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url, headers=headers) as response:
        return response.status


async def test_api_speaks_tls_when_the_server_does_and_a_reload_replaces_the_certificate(
    start_server: StartServer, tmp_path: Path
) -> None:
    old, context = authority(tmp_path)
    server = await start_server(tls=context, http_api__address=ADDRESS)
    assert server.app.http_api.url.startswith("https://")
    bearer = {"Authorization": f"Bearer api.{API_KEYS['api'].hex()}"}
    assert await get(server, old, **bearer) == 404

    new, context = authority(tmp_path)
    server.app.http_api.apply(config(http_api__address=ADDRESS), API_KEYS, context)
    assert await get(server, new, **bearer) == 404
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await get(server, old, **bearer)


async def test_api_behind_a_proxy_speaks_plain_http(start_server: StartServer, tmp_path: Path) -> None:
    _, context = authority(tmp_path)
    server = await start_server(tls=context, http_api__address=ADDRESS, http_api__behind_proxy=True)
    async with Api(server.app.http_api.url) as api:
        assert (await api("GET", "/v1/users/7")).status == 404


async def test_connection_beyond_the_limit_ends_an_idle_one_and_never_one_with_a_request(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.app.http_api._listener is not None
    monkeypatch.setattr(server.app.http_api._listener, "connections_most", 2)
    held, go_on = asyncio.Event(), asyncio.Event()
    put = server.app.services.people.put

    async def slow(*asked: Any) -> None:
        held.set()
        await go_on.wait()
        await put(*asked)

    monkeypatch.setattr(server.app.services.people, "put", slow)
    host, port = host_and_port(server.app.http_api.url.removeprefix("http://"))
    url = server.app.http_api.url
    async with asyncio.TaskGroup() as tasks, Api(url) as busy, Api(url) as other:
        under_way = tasks.create_task(busy("PUT", "/v1/users/7", {"name": "Ada"}))
        await held.wait()
        idle, writer = await asyncio.open_connection(host, port)
        for _ in range(2):
            assert (await other("GET", "/v1/users/8")).status == 404
        assert await idle.read() == b""
        go_on.set()
        assert (await under_way).status == 200
    writer.close()
    await writer.wait_closed()


async def test_requests_are_counted_by_route_and_status(api: Api, server: Server) -> None:
    await api("GET", "/v1/users/7")
    await api("PUT", "/v1/users/7", {"name": ""})
    await api("GET", "/v1/users/7")
    await api("GET", "/nowhere")
    counted = server.app.operations.observer.sample(0.0).http_requests
    assert counted == {
        "GET /v1/users/{user_id}": {"404": 1, "200": 1},
        "PUT /v1/users/{user_id}": {"200": 1},
        "none": {"404": 1},
    }


async def test_counted_requests_are_a_metric_with_two_labels(api: Api, server: Server) -> None:
    await api("PUT", "/v1/users/7", {"name": ""})
    line = 'hongbao_http_requests_total{route="PUT /v1/users/{user_id}",status="200"} 1.0'
    metrics = Metrics(server.app.operations.sampler, "1", YUAN)
    async with asyncio.timeout(PATIENCE_S):
        while line not in metrics.text().decode().splitlines():  # the sample is up to a second old
            await api("GET", "/v1/users/7")
