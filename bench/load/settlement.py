"""The progress of settlement, as the server's status socket reports it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from server.ops.socket.status_socket import ask
from storage.postgres.database import Database

DRAIN_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.05
QUEUED: Final = "SELECT count(*) FROM settlement_queue"


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
    drain_per_s: float | None = None  # at which the backlog drained afterwards; None also if there was none


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


async def wait_until_drained(status: Path | None) -> None:
    """Wait until the backlog is empty, up to DRAIN_TIMEOUT_S."""
    until_s = perf_counter() + DRAIN_TIMEOUT_S
    while (now := await state(status)) is not None and now.backlog and perf_counter() < until_s:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)


async def progress_since(status: Path | None, before: SettlementState | None, dsn: str = "") -> SettlementProgress:
    """The claims settled since then, and the rate at which the backlog drains.

    `dsn`: of the records, which are then looked at instead: questions to the server would count as its work, those
    to a server with workers several times.
    """
    after = await state(status)
    if before is None or after is None:
        return SettlementProgress()
    drain_per_s = None
    if after.backlog:
        drain_per_s = await _queue_drain_per_s(dsn) if dsn else await _drain_per_s(_backlog_of(status))
        await wait_until_drained(status)  # claims in flight, too
    return SettlementProgress(after.settled - before.settled, after.backlog, drain_per_s)


async def _queue_drain_per_s(dsn: str) -> float | None:
    database = Database(dsn, pool_max=1, timeout_s=DRAIN_TIMEOUT_S)
    await database.open()
    try:
        async with database.reading() as connection:
            return await _drain_per_s(lambda: connection.fetchval(QUEUED))
    finally:
        await database.close()


def _backlog_of(status: Path | None) -> Callable[[], Awaitable[int]]:
    async def look() -> int:
        now = await state(status)
        return 0 if now is None else now.backlog

    return look


async def _drain_per_s(backlog: Callable[[], Awaitable[int]]) -> float | None:
    """Claims a second from the first that are settled; None if none are.

    The clock starts then: while opens wait to be recorded, settlement pauses for up to two seconds.
    """
    until_s = perf_counter() + DRAIN_TIMEOUT_S
    most = left = await backlog()
    began_s = perf_counter()
    while left and perf_counter() < until_s:
        await asyncio.sleep(POLL_S)
        left, now_s = await backlog(), perf_counter()
        if left >= most:
            most, began_s = left, now_s
    return (most - left) / (perf_counter() - began_s) if most > left else None
