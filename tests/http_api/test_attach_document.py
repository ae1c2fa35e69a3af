"""docs/attach.md: its shell lines work word by word with each example backend."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from server.http_api.routes import ROUTES
from tests.conftest import Server
from tests.http_api.test_example_backends import EXAMPLES, running

TEXT = (Path(__file__).parents[2] / "docs" / "attach.md").read_text("utf-8")


@pytest.mark.parametrize("language", EXAMPLES)
async def test_shell_lines_bring_a_packet_into_the_chat_of_an_example(server: Server, language: str) -> None:
    async with running(language, server.app.http_api.url) as chat:
        lines = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
        assert "http://127.0.0.1:8000" in lines
        lines = lines.replace("http://127.0.0.1:8000", chat.url)
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        shell = await asyncio.create_subprocess_exec("bash", "-euc", lines, env=environment, stdout=-1)
        printed, _ = await shell.communicate()
    replies = [json.loads(line) for line in printed.decode().splitlines()]
    shown = [json.loads(line) for line in re.findall(r"^# (\{.*\})$", lines, re.MULTILINE)]
    assert [set(one) for one in shown] == [set(one) for one in replies]
    sent, first, second, wallet = replies[2:]
    assert sent["text"] == "Good luck"
    assert (first["answer"], second["answer"]) == ("won", "won")
    assert first["amount_fen"] + second["amount_fen"] == 888
    assert wallet["balance_fen"] + wallet["arriving_fen"] == 20_000 + first["amount_fen"]


def test_requests_that_the_document_names_exist() -> None:
    paths = {route.path.replace("{group}", "{room}") for route in ROUTES}
    named = set(re.findall(r"/v1/[a-z{][^\s`…]*", TEXT))
    assert len(named) >= 8
    assert named <= paths, named - paths
