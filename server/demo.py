"""The demo: a server of its own, a crowd for a while, then the proof: a packet verified, the books audited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from client_sim import scenarios, screen
from client_sim.crowd import Crowd, Summary
from server import clock, config, embedded, report
from server.loop import run as run_loop
from server.process import ServerProcess
from server.services.audit import audit
from storage.postgres.database import Database
from storage.postgres.packets import Packets

SCENARIO = "crowd"
WATCH_S = 0.5
TIMEOUT_S = 10.0

Mint = Callable[[config.Config, Path, int], str]


def run_demo(
    console: Console, data: Path, *, users: int, groups: int, seconds: float, seed: int, mint: Mint
) -> int:
    """The whole demo; 0 if all went well. Raises ServerFailed, ClientError, EmbeddedError, StoreUnavailable."""
    settings = config.load(None, {})
    console.print(f"hongbao demo: PostgreSQL, Valkey and a server under {data}", highlight=False)
    with ServerProcess(data) as server:

        async def work() -> int:
            crowd = scenarios.prepare(
                SCENARIO,
                server.url,
                lambda user_id: mint(settings, data, user_id),
                users=users,
                groups=groups,
                seconds=seconds,
                seed=seed,
            )
            summary = await _present(crowd, server, console)
            books_hold = await _prove(console, data, crowd)
            return 0 if summary.ok and books_hold else 1

        return run_loop(work())


async def _present(crowd: Crowd, server: ServerProcess, console: Console) -> Summary:
    """Let the crowd play, unless the server ends before it."""
    playing = asyncio.create_task(screen.present(SCENARIO, crowd, console))
    try:
        while not playing.done():
            await asyncio.wait([playing], timeout=WATCH_S)
            server.check()
    except BaseException:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        raise
    return playing.result()


async def _prove(console: Console, data: Path, crowd: Crowd) -> bool:
    """Verify the finished packet that was shown, and audit the books; true if both hold."""
    stores = embedded.running(data)
    if stores is None:
        raise embedded.EmbeddedError(f"the stores under {data} are gone")
    database = Database(stores.postgres_dsn, pool_max=2, timeout_s=TIMEOUT_S)
    await database.open()
    try:
        best = crowd.best_packet()
        is_fair = best is not None and await _verify(console, database, best.packet_id)
        found = await audit(database)
        console.print()
        report.print_audit(console, found)
        return is_fair and found.ok
    finally:
        await database.close()


async def _verify(console: Console, database: Database, packet_id: int) -> bool:
    rows, claims = await Packets(database).load([packet_id])
    console.print(f"\n$ hongbao verify {packet_id}", highlight=False)
    return report.print_proof(console, rows[packet_id], claims[packet_id], clock.now_ms())
