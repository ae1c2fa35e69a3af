"""The run of a crowd, perhaps with people in it, and the audit of its records."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from client_sim.chat.run import chat
from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios, screen
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import now_ms
from client_sim.sim.summary import Summary
from protocol.money_unit import MoneyUnit
from server import embedded
from server.cli.shared.audit_report import print_audit
from server.cli.shared.demo_http import ended
from server.cli.shared.demo_web import PURSE_FEN, People, let_phones_in, show_link
from server.cli.shared.resources import opened
from server.process import ServerProcess
from server.services.money.audit import audit
from storage.postgres.database import Database

CHECK_S: Final = 0.5  # how often the demo checks that its server still runs
TIMEOUT_S: Final = 10.0


async def _checked(playing: Coroutine[Any, Any, Summary], server: ServerProcess) -> Summary:
    """Run the crowd to its end. Raises ServerFailed if the server ends first."""
    task = asyncio.create_task(playing)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=CHECK_S)
            server.check()
    except BaseException:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        raise
    return task.result()


async def played(
    scenario: str,
    crowd: Crowd,
    people: People,
    server: ServerProcess,
    data: Path,
    console: Console,
    beside: Sequence[Coroutine[Any, Any, None]],
    *,
    to_shake: bool = False,
) -> Summary:
    """Run the crowd to its end, with these people and what goes on beside it. Raises ServerFailed."""
    language, tasks = crowd.context.language, [*beside]
    if people.guest:
        playing = _joined(scenario, crowd, partial(_chat_in, crowd, people.guest), console)
    elif people.phone:
        visit = partial(let_phones_in, crowd, data, console, language, people.proxy, to_shake=to_shake)
        playing = _joined(scenario, crowd, visit, console)
    else:
        playing = screen.present(scenario, crowd, console)
        tasks.append(show_link(crowd, data, console, language, to_shake=to_shake))
    running = [asyncio.create_task(one) for one in tasks]
    try:
        return await _checked(playing, server)
    finally:
        for one in running:
            await ended(one)


async def _joined(scenario: str, crowd: Crowd, visit: Callable[[], Awaitable[None]], console: Console) -> Summary:
    """Run the crowd while people are in its largest group, until they leave: then `visit` returns."""
    console.print(crowd.context.words("connecting", users=len(crowd.users)), highlight=False)
    playing = asyncio.create_task(scenarios.perform(scenario, crowd))
    begun = asyncio.create_task(crowd.begun.wait())
    try:
        await asyncio.wait([playing, begun], return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            await visit()
            console.print(crowd.context.words("leaving"), highlight=False)
        crowd.context.has_company = False
        crowd.end()
        summary = await playing
    finally:
        begun.cancel()
        playing.cancel()
        await asyncio.wait([playing, begun])
    screen.print_report(console, crowd, summary)
    return summary


async def _chat_in(crowd: Crowd, guest: str) -> None:
    """Chat as a guest with money in the largest group of the crowd, until the guest leaves."""
    user_id, context = user_id_of(guest), crowd.context
    context.guests[user_id] = guest
    await crowd.give(user_id, PURSE_FEN)
    group_id = crowd.largest_group().group_id
    await crowd.backend.change_members(group_id, now_ms(), joined=[user_id])
    code = await chat(context.url, context.mint(user_id), guest, group_id, context.language)
    crowd.witness.expect(code == 0, f"the chat of {guest} ends with 0, not {code}")


async def audited(console: Console, database: Database, keys: Mapping[str, bytes], money: MoneyUnit) -> bool:
    """Audit the records and print it; true if all is accounted for."""
    found = await audit(database, keys, money.smallest)
    console.print()
    print_audit(console, found, money)
    return found.ok


@asynccontextmanager
async def records_of(data: Path) -> AsyncIterator[Database]:
    """The records of the server of the demo. Raises EmbeddedError if its stores have stopped."""
    stores = embedded.running(data)
    if stores is None:
        raise embedded.EmbeddedError(f"the stores under {data} have stopped")
    async with opened(stores.postgres_dsn, TIMEOUT_S) as database:
        yield database
