"""How `hongbao top` handles servers that do not answer correctly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from server.top.queries import query_connections
from server.top.state import Connections, Unreachable
from tests.ops.top.answers import LISTED

NO_SERVER = "no server is running"


async def query(path: Path, line: bytes) -> Connections | Unreachable:
    """Query the connections by idle time from a server that answers with `line` and closes."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readline())
        writer.write(line)
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        result = await query_connections(path, "idle", NO_SERVER)
    assert requests == [b"connections --sort idle --most 50\n"]
    return result


async def test_valid_answer_gives_the_connections(tmp_path: Path) -> None:
    result = await query(tmp_path / "s", json.dumps(LISTED).encode() + b"\n")
    assert result == msgspec.convert(LISTED, Connections)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"error": "too many commands hang"}\n', "too many commands hang"),
        (b'{"connections": 7}\n', "the server has another version (Expected `array`, got `int`"),
        (b"", "the server closed the connection"),
        (b'{"connec', "the server closed the connection"),
    ],
)
async def test_invalid_answer_gives_unreachable_with_a_reason(tmp_path: Path, line: bytes, why: str) -> None:
    result = await query(tmp_path / "s", line)
    assert isinstance(result, Unreachable)
    assert result.why.startswith(why)


async def test_missing_server_gives_unreachable_with_the_given_text(tmp_path: Path) -> None:
    result = await query_connections(tmp_path / "s", "idle", NO_SERVER)
    assert isinstance(result, Unreachable)
    assert result.why == NO_SERVER
