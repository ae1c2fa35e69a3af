"""What `hongbao top` makes of servers that do not answer as they should."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from server.top.queries import query_connections
from server.top.state import Connections, Unreachable
from tests.top.answers import LISTED

NOBODY = "nobody is there"


async def told(path: Path, line: bytes) -> Connections | Unreachable:
    """What is heard from a server that answers this and hangs up; it is asked for `idle`."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(line)
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        heard = await connections(path, "idle", NOBODY)
    assert asked == [b"connections --sort idle --most 50\n"]
    return heard


async def test_an_answer_is_understood(tmp_path: Path) -> None:
    heard = await told(tmp_path / "s", json.dumps(LISTED).encode() + b"\n")
    assert heard == msgspec.convert(LISTED, Connections)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"error": "too many commands hang"}\n', "too many commands hang"),
        (b'{"connections": 7}\n', "it answers in words of another version (Expected `array`, got `int`"),
        (b"", "it hung up"),
        (b'{"connec', "it hung up"),
    ],
)
async def test_anything_else_is_silence_with_a_reason(tmp_path: Path, line: bytes, why: str) -> None:
    heard = await told(tmp_path / "s", line)
    assert isinstance(heard, Unreachable)
    assert heard.why.startswith(why)


async def test_nobody_is_there(tmp_path: Path) -> None:
    heard = await connections(tmp_path / "s", "idle", NOBODY)
    assert isinstance(heard, Unreachable)
    assert heard.why == NOBODY
