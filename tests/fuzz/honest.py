"""An honest client in a separate process: it requests its balance 18 times a second and measures the latency.

The requests have fixed times, whether or not the last answer came, and latency counts from those times. A line on
stdin is answered by a line of JSON about the time since the line before.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import Any

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientClosed
from server.loop import run

INTERVAL_S = 0.055  # within the rate limit of a user


def summary(times_ms: list[float]) -> dict[str, Any]:
    """Count, median, p99 and worst."""
    ordered = sorted(times_ms) or [0.0]
    return {
        "asked": len(times_ms),
        "p50_ms": round(ordered[len(ordered) // 2], 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
        "worst_ms": round(ordered[-1], 2),
    }


async def measure(url: str, token: str) -> int:
    """Until stdin ends."""
    times_ms: list[float] = []
    asking: set[asyncio.Task[None]] = set()

    async def ask(client: Client, due_s: float) -> None:
        with suppress(ClientClosed):
            await client.balance()
            times_ms.append((time.perf_counter() - due_s) * 1000)

    async def keep_asking(client: Client) -> None:
        due_s = time.perf_counter()
        while True:
            due_s += INTERVAL_S
            await asyncio.sleep(due_s - time.perf_counter())
            one = asyncio.create_task(ask(client, due_s))
            asking.add(one)
            one.add_done_callback(asking.discard)

    async with Client(url, token) as client:
        asker = asyncio.create_task(keep_asking(client))
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(summary(times_ms)), flush=True)
            times_ms.clear()
        asker.cancel()
        await asyncio.sleep(0)
    return 0


if __name__ == "__main__":
    sys.exit(run(measure(*sys.argv[1:])))
