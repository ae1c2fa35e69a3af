"""The HTTP API in `hongbao demo`: a key for it, and a curl line that sends a packet to a group of the crowd."""

from __future__ import annotations

import asyncio
import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from client_sim.sdk.names import user_id_of
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import now_ms
from server.config import append_api_key, load, load_api_keys, token_keys
from server.instance import running

SENDER: Final = "backend"  # the user on whose behalf the packet is sent
PURSE_FEN: Final = 20_000
TOTAL_FEN, SHARES = 888, 6


def http_words(data: Path, host: str = "127.0.0.1") -> tuple[str, ...]:
    """The options of a server with the HTTP API at this address of the machine; makes a key if there is none."""
    if not load_api_keys(load(None, {}), data):
        append_api_key(data, token_keys.new_line("demo", ()))
    return "--http-api", f"{host}:0"


async def offer(crowd: Crowd, data: Path, console: Console) -> None:
    """Print the curl line once the crowd is there. Its sender is a user with money in the largest group."""
    await crowd.begun.wait()
    found = running(data)
    if found is None or not found.http_api:
        console.print("the server ran already, without the HTTP API: stop it first", highlight=False)
        return
    user_id, group_id = user_id_of(SENDER), crowd.largest_group().group_id
    crowd.context.guests[user_id] = SENDER
    await crowd.give(user_id, PURSE_FEN)
    await crowd.backend.change_members(group_id, now_ms(), joined=[user_id])
    console.print(curl_line(found.http_api, data, user_id, group_id), soft_wrap=True, highlight=False, markup=False)


def curl_line(url: str, data: Path, sender_id: int, group_id: int) -> str:
    """Send a lucky packet on behalf of a user. The key is sent as it is, which is safe on this machine only."""
    key_id, key = list(load_api_keys(load(None, {}), data).items())[-1]
    body = {
        "sender_id": str(sender_id),
        "kind": "lucky",
        "target_id": str(group_id),
        "amount_fen": TOTAL_FEN,
        "shares": SHARES,
        "greeting": "恭喜发财",
    }
    headers = {
        "Authorization": f"Bearer {key_id}.{key.hex()}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"demo-{now_ms()}",
    }
    words = ["curl", "-s", f"{url}/v1/packets", "-d", json.dumps(body, ensure_ascii=False)]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join(words)


async def ended(offering: asyncio.Task[None]) -> None:
    """End the offer if it still waits; an error of it is raised."""
    offering.cancel()
    with suppress(asyncio.CancelledError):
        await offering
