"""The document of webhooks: its code verifies what the server signs, and its tables are complete."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.core.webhooks import signing
from server.services.webhooks.bodies import RENDERERS
from tests.webhooks.conftest import KEY, SECRET

TEXT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
BODY = '{"greeting": "恭喜发财"}'.encode()
OTHER_KEY = b"another key, of 32 bytes exactly"


def code(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[0]


def in_python(headers: dict[str, str], body: bytes) -> bool:
    space: dict[str, Any] = {}
    exec(code("python"), space)
    try:
        space["verify"](SECRET, headers, body)
    except ValueError:
        return False
    return True


def in_node(headers: dict[str, str], body: bytes) -> bool:
    call = f"verify({json.dumps(SECRET)}, {json.dumps(headers)}, Buffer.from({list(body)}))"
    script = f"{code('js')}\ntry {{ {call} }} catch (error) {{ process.exit(3) }}"
    return subprocess.run(["node", "-e", script], check=False).returncode == 0


@pytest.mark.parametrize("verifies", [in_python, in_node])
def test_code_accepts_what_the_server_signs_and_nothing_else(
    verifies: Callable[[dict[str, str], bytes], bool],
) -> None:
    now_s = int(time.time())
    assert verifies(signing.headers([KEY], "msg_1", now_s, BODY), BODY)
    assert verifies(signing.headers([OTHER_KEY, KEY], "msg_1", now_s, BODY), BODY)
    assert not verifies(signing.headers([OTHER_KEY], "msg_1", now_s, BODY), BODY)
    assert not verifies(signing.headers([KEY], "msg_1", now_s, BODY), BODY + b" ")
    assert not verifies(signing.headers([KEY], "msg_1", now_s - 400, BODY), BODY)
    assert not verifies({**signing.headers([KEY], "msg_1", now_s, BODY), "webhook-id": "msg_2"}, BODY)


@pytest.mark.parametrize("verifies", [in_python, in_node])
def test_code_refuses_forged_headers_of_any_form_and_fails_at_none(
    verifies: Callable[[dict[str, str], bytes], bool],
) -> None:
    right = signing.headers([KEY], "msg_1", int(time.time()), BODY)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        for forged in (None, "", "é", "v1,é", "v1,", "1e9"):
            headers = {key: text for key, text in {**right, name: forged}.items() if text is not None}
            assert not verifies(headers, BODY), (name, forged)
    assert not verifies({}, BODY)


def test_table_of_events_names_each_type() -> None:
    events = TEXT.partition("## Events")[2].partition("## ")[0]
    assert re.findall(r"^\| `(\w+\.\w+)` \|", events, re.MULTILINE) == list(RENDERERS)
