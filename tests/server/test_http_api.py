"""The HTTP API of whole processes: serve, reload, and the curl line of the demo."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from server.instance import running
from tests.http_api.client import Api, signed
from tests.server.serving import Serve, ended, here

PATIENCE_S = 120.0


def words_of(line: str) -> tuple[str, bytes, dict[str, str]]:
    """The URL, the body and the headers of a curl line."""
    words = shlex.split(line)
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    named = dict(header.split(": ", 1) for header in headers)
    return words[2], words[words.index("-d") + 1].encode(), named


@pytest.mark.long
async def test_curl_line_of_the_demo_sends_a_packet_that_the_crowd_opens(data: Path) -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "demo", "--http", "--users", "12", "--groups", "1"),
        *("--seconds", "20", "--data", str(data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert demo.stdout is not None
    printed = []
    opened = 0
    async with asyncio.timeout(PATIENCE_S):
        async for line in demo.stdout:
            printed.append(line.decode())
            if line.startswith(b"curl "):
                url, body, headers = words_of(line.decode())
                sent = await asyncio.to_thread(_answer, Request(url, body, headers))
                packet = Request(f"{url}/{sent['packet_id']}", headers=headers)
                while opened == 0:
                    opened = (await asyncio.to_thread(_answer, packet))["opened"]
                    await asyncio.sleep(0.2)
        code = await demo.wait()
    assert opened > 0, "".join(printed)
    assert code == 0, "".join(printed)


def _answer(request: Request) -> dict[str, int]:
    with urlopen(request, timeout=30) as answer:
        found: dict[str, int] = json.loads(answer.read())
        return found


async def test_key_that_is_made_while_the_server_runs_is_accepted_after_a_reload_and_never_logged(
    tmp_path: Path, serve: Serve
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    here("key", "new", "first", "--api", "--data", data)
    process = serve(data, HONGBAO_HTTP_API__ADDRESS="127.0.0.1:0", HONGBAO_LOG__LEVEL="debug")
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    found = running(data)
    assert found is not None
    assert f"HTTP API {found.http_api}" in line
    here("key", "new", "second", "--api", "--data", data)
    keys = dict(re.findall(r'(\w+) = "(\w+)"', here("key", "show", "--api", "--secret", "--data", data).stdout))
    async with Api(found.http_api) as api:

        async def status(key_id: str) -> int:
            headers = signed("GET", "/v1/users/7", b"", key_id=key_id, key=bytes.fromhex(keys[key_id]))
            return (await api.send("GET", "/v1/users/7", b"", headers)).status

        assert (await status("first"), await status("second")) == (404, 401)
        early = {"Authorization": f"Bearer second.{keys['second']}"}
        assert (await api.send("GET", "/v1/users/7", b"", early)).status == 401
        assert (await asyncio.to_thread(here, "reload", "--data", data)).code == 0
        assert (await status("first"), await status("second")) == (404, 404)
        bearer = {"Authorization": f"Bearer first.{keys['first']}"}
        assert (await api.send("GET", "/v1/users/7", b"", bearer)).status == 404
    process.send_signal(signal.SIGTERM)
    end = await asyncio.to_thread(ended, process)
    assert end.code == 0
    assert "http_request_refused" in end.stderr
    assert not any(key in end.stdout + end.stderr for key in keys.values())


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:7791"])
def test_serve_on_an_open_address_without_tls_is_refused_in_one_line_before_anything_is_made(
    tmp_path: Path, address: str
) -> None:
    refused = here("serve", "--http-api", address, "--data", tmp_path / "data")
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith(f"hongbao: http_api.address = {address} is open to the network without TLS")
    assert not any((tmp_path / "data").glob("*"))
