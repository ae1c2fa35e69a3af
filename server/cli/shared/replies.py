"""Requests of the chat backend whose replies are printed: as a table, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from client_sim.sdk.client import Client
from server.cli.shared.answers import print_answer
from server.cli.shared.as_backend import BackendOptions, as_backend
from server.cli.shared.streams import console

AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="print the answer as JSON")]


def fields_of(reply: msgspec.Struct, drop: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a reply with their names, bytes in hex; without the number of the request."""
    return {
        name: _plain(getattr(reply, name)) for name in reply.__struct_fields__ if name != "seq" and name not in drop
    }


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return fields_of(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def print_reply(
    server: BackendOptions, work: Callable[[Client], Awaitable[dict[str, Any]]], as_json: bool
) -> dict[str, Any]:
    """Do the work as the chat backend, print what it answers, and return it. Raises CommandFailed, ClientError."""

    async def with_unit(backend: Client) -> tuple[dict[str, Any], Any]:
        return await work(backend), backend.money

    answer, money = as_backend(with_unit, server)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print_answer(console(), answer, money)
    return answer
