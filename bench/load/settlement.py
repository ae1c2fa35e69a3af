"""The progress of settlement, as the server's status socket reports it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from server.ops.socket.status_socket import ask
from storage.postgres.database import Database

DRAIN_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.05
QUEUED: Final = "SELECT EXISTS (SELECT FROM settlement_queue)"


class SettlementState(NamedTuple):
    """Claims credited since the server began, claims that are not yet, rows of the outbox.

    The queue is read before the rest, so a claim that is credited meanwhile counts twice, and none is left out.
    """

    settled: int
    backlog: int
    unposted: int = 0


class SettlementProgress(NamedTuple):
    """Over one run; None: not known."""

    settled: int | None = None  # while the clock ran
    backlog: int | None = None  # when the clock stopped
    drain_per_s: float | None = None  # the rate at which the backlog shrank afterwards; None also if there was none


async def state(status: Path | None) -> SettlementState | None:
    """Ask the server; None without a status socket or an answer."""
    if status is None:
        return None
    with suppress(OSError, ValueError, LookupError, TimeoutError):
        reply: dict[str, Any] = await ask(status, "settlement", timeout_s=DRAIN_TIMEOUT_S)
        in_flight = reply["in_flight"] if "in_flight" in reply else reply["on_their_way"]  # older servers
        unposted = reply["outbox"]["waiting_rows"] if "outbox" in reply else 0
        return SettlementState(reply["settled"], reply["waiting"]["claims"] + in_flight, unposted)
    return None


async def wait_until_drained(status: Path | None, dsn: str = "") -> float | None:
    """Wait until the backlog is empty, up to DRAIN_TIMEOUT_S; claims per second, None if there was no backlog.

    `dsn`: of the records, which are then looked at instead: questions to the server would count as its work, those
    to a server with workers several times.
    """
    began, began_s = await state(status), perf_counter()
    if began is None or not began.backlog:
        return None
    now = began
    while now.backlog and perf_counter() - began_s < DRAIN_TIMEOUT_S:
        await asyncio.sleep(POLL_S)
        if dsn:
            await _until_queue_is_empty(dsn, began_s + DRAIN_TIMEOUT_S)
        now = await state(status) or now
    return (began.backlog - now.backlog) / (perf_counter() - began_s)


async def _until_queue_is_empty(dsn: str, until_s: float) -> None:
    database = Database(dsn, pool_max=1, timeout_s=DRAIN_TIMEOUT_S)
    await database.open()
    try:
        async with database.reading() as connection:
            while await connection.fetchval(QUEUED) and perf_counter() < until_s:  # noqa: ASYNC110  no event
                await asyncio.sleep(POLL_S)
    finally:
        await database.close()


async def progress_since(status: Path | None, before: SettlementState | None, dsn: str = "") -> SettlementProgress:
    """The claims settled since then, and the rate at which the backlog drains. `dsn`: see wait_until_drained."""
    after = await state(status)
    if before is None or after is None:
        return SettlementProgress()
    drain_per_s = await wait_until_drained(status, dsn)
    return SettlementProgress(after.settled - before.settled, after.backlog, drain_per_s)
