"""The document of the HTTP API: its shell lines do what they say, and its table names every request."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from server.http_api.routes import ROUTES
from tests.conftest import API_KEYS, Server
from tests.http_api.client import Api

TEXT = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text("utf-8")


def test_table_of_requests_is_that_of_the_server() -> None:
    told = re.findall(r"^\| `([A-Z]+) (\S+)` \| (.*?) \|( yes)? \|?$", TEXT, re.MULTILINE)
    assert [(method, path, bool(keyed)) for method, path, _, keyed in told] == [
        (route.method, route.path, route.needs_key) for route in ROUTES
    ]
    assert [summary for _, _, summary, _ in told] == [route.handler.__doc__ for route in ROUTES]


async def test_shell_lines_that_sign_with_openssl_send_a_packet(api: Api, server: Server) -> None:
    await api.ok("PUT", "/v1/groups/family", {"name": "Family"})
    await api.ok("PUT", "/v1/groups/family/members", {"version": 1, "user_ids": ["7", "8", "9"]})
    await api.ok("POST", "/v1/wallets/7/top-up", {"amount_fen": 20_000}, key="order 4711")
    (lines,) = (one for one in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "openssl" in one)
    assert "http://127.0.0.1:7792" in lines
    lines = lines.replace("http://127.0.0.1:7792", server.app.http_api.url).replace("k1", "api")
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euc", lines), env={"KEY": API_KEYS["api"].hex(), "PATH": "/usr/bin:/bin"}, stdout=-1
    )
    printed, _ = await shell.communicate()
    sent = json.loads(printed)
    assert (await api.ok("GET", f"/v1/packets/{sent['packet_id']}"))["sender_id"] == "7"
