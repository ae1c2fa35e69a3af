"""The requests that `hongbao top` sends to the server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from server.ops.samples.sample import Sort
from server.ops.socket.status_socket import ask
from server.top.state import Answers, Connections, Unreachable

CONNECTIONS: Final = 50  # more rows than the largest screens show


async def query_all(path: Path, sort: Sort, no_server: str) -> Answers | Unreachable:
    """All answers of one refresh, from the status socket at this path. `no_server`: the text if no server listens.

    One request after the other: the server bounds its operator connections, and each request is a connection.
    """
    try:
        return Answers.of(
            {
                "status": await _ask(path, "status"),
                "recent": await _ask(path, "rates"),
                "last_second": await _ask(path, "rates --seconds 1"),
                "listed": await _ask(path, _connections_command(sort)),
            }
        )
    except NOT_ANSWERED as error:
        return _unreachable(error, no_server)


async def query_connections(path: Path, sort: Sort, no_server: str) -> Connections | Unreachable:
    """Only the connections, after their order has changed."""
    try:
        return msgspec.convert(await _ask(path, _connections_command(sort)), Connections)
    except NOT_ANSWERED as error:
        return _unreachable(error, no_server)


class _ErrorAnswer(Exception):
    """The server answered with an error."""


NOT_ANSWERED: Final = (_ErrorAnswer, OSError, ValueError, msgspec.ValidationError)


async def _ask(path: Path, command: str) -> dict[str, Any]:
    answer = await ask(path, command)
    if "error" in answer:
        raise _ErrorAnswer(str(answer["error"]))
    return answer


def _connections_command(sort: Sort) -> str:
    return f"connections --sort {sort} --most {CONNECTIONS}"


def _unreachable(error: Exception, no_server: str) -> Unreachable:
    return Unreachable(int(time.time() * 1000), _reason(error, no_server))


def _reason(error: Exception, no_server: str) -> str:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return no_server
        case TimeoutError():
            return "the server does not answer in time"
        case msgspec.ValidationError():
            return f"the server has another version ({error})"
        case _ErrorAnswer() | OSError():
            return str(error)
        case _:
            return "the server closed the connection"
