"""How settlement fared, as the server's status socket tells it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from server.ops.socket.status_socket import ask

DRAINED_WITHIN_S: Final = 30.0
POLL_S: Final = 0.05


class State(NamedTuple):
    """At one moment: claims credited since the server began, and those that are told and not credited yet."""

    settled: int
    backlog: int


class SettlementProgress(NamedTuple):
    """Over one run; None: nobody could be asked."""

    settled: int | None = None  # while the clock ran
    backlog: int | None = None  # when it stopped
    drain_per_s: float | None = None  # how fast that went then; None also if there was none


async def state(status: Path | None) -> State | None:
    """Ask; None if there is nobody to ask, or no answer."""
    if status is None:
        return None
    with suppress(OSError, ValueError, LookupError, TimeoutError):
        told: dict[str, Any] = await ask(status, "settlement", timeout_s=DRAINED_WITHIN_S)
        return State(told["settled"], told["waiting"]["claims"] + told["on_their_way"])
    return None


async def drained(status: Path | None) -> float | None:
    """Wait until nothing is left, for DRAINED_WITHIN_S; claims per second, None if there were none."""
    began, began_s = await state(status), perf_counter()
    if began is None or not began.backlog:
        return None
    now = began
    while now.backlog and perf_counter() - began_s < DRAINED_WITHIN_S:
        await asyncio.sleep(POLL_S)
        now = await state(status) or now
    return (began.backlog - now.backlog) / (perf_counter() - began_s)


async def account(status: Path | None, before: State | None) -> SettlementProgress:
    """What it did since then, and how long the rest takes."""
    after = await state(status)
    if before is None or after is None:
        return SettlementProgress()
    return SettlementProgress(after.settled - before.settled, after.backlog, await drained(status))
