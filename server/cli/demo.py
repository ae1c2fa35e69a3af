"""The demo: a server of its own, a crowd for a while, then the proof: a packet verified, the books audited.

A person may join: then the crowd plays at a pace that people can follow, until that person leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios, screen
from client_sim.sim.crowd import Crowd
from client_sim.sim.summary import Summary
from server import clock, config, embedded
from server.cli import audit_report
from server.loop import run as run_loop
from server.process import ServerProcess
from server.services.money.audit import audit
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore

SCENARIO = "crowd"
WATCH_S = 0.5
TIMEOUT_S = 10.0
A_DAY_S = 24 * 3600.0
JOINED_PACE = 8.0  # in a group of ten a packet every few seconds
PURSE_FEN = 20_000

Mint = Callable[[int], str]


class Size(NamedTuple):
    """How many people in how many groups, for how long, and which."""

    users: int
    groups: int
    seconds: float
    seed: int


def run_demo(
    console: Console, data: Path, size: Size, mint: Callable[[config.Config, Path, int], str], guest: str = ""
) -> int:
    """The whole demo; 0 if all went well. `guest`: the name of a person who joins, and stays as long as they like.

    Raises ServerFailed, ClientError, EmbeddedError, StoreUnavailable, and ValueError for a size or a name that will
    not do.
    """
    settings = config.load(None, {})
    if guest:
        user_id_of(guest)
    console.print(f"hongbao demo: PostgreSQL, Valkey and a server under {data}", highlight=False)
    with ServerProcess(data) as server:

        async def work() -> int:
            crowd = _crowd(server.url, size, lambda user_id: mint(settings, data, user_id), guest)
            playing = _joined(crowd, guest, console) if guest else screen.present(SCENARIO, crowd, console)
            summary = await _watched(playing, server)
            books_hold = await _prove(console, data, crowd)
            return 0 if summary.ok and books_hold else 1

        return run_loop(work())


def _crowd(url: str, size: Size, mint: Mint, guest: str) -> Crowd:
    seconds, pace = (A_DAY_S, JOINED_PACE) if guest else (size.seconds, 1.0)
    return scenarios.prepare(
        SCENARIO, url, mint, users=size.users, groups=size.groups, seconds=seconds, seed=size.seed, pace=pace
    )


async def _watched(playing: Coroutine[Any, Any, Summary], server: ServerProcess) -> Summary:
    """Let the crowd play, unless the server ends before it."""
    task = asyncio.create_task(playing)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=WATCH_S)
            server.check()
    except BaseException:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        raise
    return task.result()


async def _joined(crowd: Crowd, guest: str, console: Console) -> Summary:
    """Let the crowd play while a person sits in its largest group, until that person leaves."""
    console.print(f"{len(crowd.users)} people are coming …", highlight=False)
    playing = asyncio.create_task(scenarios.perform(SCENARIO, crowd))
    begun = asyncio.create_task(crowd.begun.wait())
    try:
        await asyncio.wait([playing, begun], return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            await _sit(crowd, guest)
            console.print("everybody goes home …", highlight=False)
        crowd.end()
        summary = await playing
    finally:
        begun.cancel()
        playing.cancel()
        await asyncio.wait([playing, begun])
    screen.print_report(console, crowd, summary)
    return summary


async def _sit(crowd: Crowd, guest: str) -> None:
    """With money in a group of the crowd."""
    from client_sim.chat.run import chat  # loads the screens, which takes a moment: not for every command

    user_id, context = user_id_of(guest), crowd.context
    context.guests[user_id] = guest
    await crowd.give(user_id, PURSE_FEN)
    code = await chat(context.url, context.mint(user_id), guest, crowd.largest_group().group_id)
    crowd.witness.expect(code == 0, f"the chat of {guest} ends with 0, not {code}")


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
        audit_report.print_audit(console, found)
        return is_fair and found.ok
    finally:
        await database.close()


async def _verify(console: Console, database: Database, packet_id: int) -> bool:
    rows, claims = await PacketStore(database).load([packet_id])
    console.print(f"\n$ hongbao verify {packet_id}", highlight=False)
    return audit_report.print_proof(console, rows[packet_id], claims[packet_id], clock.now_ms())
