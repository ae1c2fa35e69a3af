"""What the screens of a server say of its stores: commands, HTTP and `top` are asked as an operator asks them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from server.top.draw import draw
from server.top.queries import query_all
from server.top.state import Answers, TopState
from tests.conftest import PATIENCE_S
from tests.ops.test_http import get
from tests.server.serving import here

STORES = ("postgres", "redis")
WIDTH, HEIGHT = 240, 40


async def screens(data: Path, port: int) -> dict[str, dict[str, Any]]:
    """By store and screen: True if up, else the cause. Of the metric only False: it has no room for a cause.

    `port`: of HTTP for operators.
    """
    path = data / STATUS_SOCKET
    status, stores = await ask(path, "status"), await ask(path, "stores")
    ready = json.loads((await get(port, "/readyz")).body)
    metrics = (await get(port, "/metrics")).body
    healthy = await asyncio.to_thread(here, "status", "--healthy", "--data", data)
    shown, top = await event_of_dashboard(port), await screen_of_top(path)
    return {
        store: {
            "status": _of(store, [*_list(status["reasons"]), *_list(status["degraded"])]),
            "status, stores": _words(status["stores"], store),
            "status --healthy": _of(store, healthy.stderr.split(": ", 1)[-1].split("; ")) if healthy.code else None,
            "readyz": _of(store, [*ready["reasons"], *ready["degraded"]]),
            "metrics": _up(metrics)[store],
            "top": True if f"{store} up" in top else top,
            "dashboard": shown["now"]["stores"][store]["why"] or True,
            "stores": _why(stores, store),
        }
        for store in STORES
    }


def disagreeing(said: dict[str, Any], cause: str, *, is_needed: bool) -> list[str]:
    """The screens that do not say that a store is away for this cause. `is_needed`: the server is not ready."""
    wrong = [] if said["metrics"] is False else ["metrics"]
    if not is_needed and said["status --healthy"] is not None:
        wrong.append("status --healthy")
    unasked = {"metrics"} if is_needed else {"metrics", "status --healthy"}
    return [
        *wrong,
        *(screen for screen, words in said.items() if screen not in unasked and cause not in str(words)),
    ]


def all_say_up(said: dict[str, Any]) -> bool:
    return all(words in (True, None) for words in said.values())


async def event_of_dashboard(port: int) -> dict[str, Any]:
    """The first event that a browser receives."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        while not (line := await reader.readline()).startswith(b"data: "):
            assert line
    writer.close()
    event: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return event


async def screen_of_top(path: Path) -> str:
    """The text of one screen of `hongbao top`."""
    answers = await query_all(path, "pending", "no server")
    assert isinstance(answers, Answers), answers
    console = Console(width=WIDTH, height=HEIGHT, color_system=None)
    with console.capture() as captured:
        console.print(draw(TopState().after(answers), WIDTH, HEIGHT))
    return captured.get()


def _why(stores: dict[str, Any], store: str) -> str | bool:
    """Of the answer about the stores; while a store is suspected, the answer may be that it gave none in time."""
    return stores[store]["why"] or True if store in stores else str(stores)


def _of(store: str, said: list[str]) -> str | bool:
    return next((line for line in said if line.startswith(store)), True)


def _words(stores: Any, store: str) -> str | bool:
    return True if stores[store] == "up" else str(stores[store])


def _list(words: Any) -> list[str]:
    return list(words)


def _up(metrics: str) -> dict[str, bool]:
    return {
        sample.labels["store"]: sample.value == 1
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "hongbao_store_up"
    }
