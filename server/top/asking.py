"""What the screen asks the server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from server.ops.samples.sample import Sort
from server.ops.socket.status_socket import ask
from server.top.view import Answers, Connections, Silence

CONNECTIONS: Final = 50  # more than the highest screens show


async def answers(path: Path, sort: Sort, if_nobody: str) -> Answers | Silence:
    """All that a turn needs, over the status socket at this path; `if_nobody` is why there is none if no server is.

    One question after the other: the server counts its operators, and each question is one.
    """
    try:
        return Answers.of(
            {
                "status": await _ask(path, "status"),
                "lately": await _ask(path, "rates"),
                "last_second": await _ask(path, "rates --seconds 1"),
                "listed": await _ask(path, _listed(sort)),
            }
        )
    except NOT_ANSWERED as error:
        return _silence(error, if_nobody)


async def connections(path: Path, sort: Sort, if_nobody: str) -> Connections | Silence:
    """Only these, in another order."""
    try:
        return msgspec.convert(await _ask(path, _listed(sort)), Connections)
    except NOT_ANSWERED as error:
        return _silence(error, if_nobody)


class _Refused(Exception):
    """The server answered that it cannot."""


NOT_ANSWERED: Final = (_Refused, OSError, ValueError, msgspec.ValidationError)


async def _ask(path: Path, command: str) -> dict[str, Any]:
    answer = await ask(path, command)
    if "error" in answer:
        raise _Refused(str(answer["error"]))
    return answer


def _listed(sort: Sort) -> str:
    return f"connections --sort {sort} --most {CONNECTIONS}"


def _silence(error: Exception, if_nobody: str) -> Silence:
    return Silence(int(time.time() * 1000), _why(error, if_nobody))


def _why(error: Exception, if_nobody: str) -> str:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return if_nobody
        case TimeoutError():
            return "it does not answer in time"
        case msgspec.ValidationError():
            return f"it answers in words of another version ({error})"
        case _Refused() | OSError():
            return str(error)
        case _:
            return "it hung up"
