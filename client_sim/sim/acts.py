"""What users do unasked, as a table of acts, and the loop that follows a user's plan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from client_sim.sim import later
from client_sim.sim.user import User
from client_sim.sim.words import TEXTS


async def live(user: User, seconds: float) -> None:
    """Follow the plan to the end of the run, or until the user is stopped."""
    began_at = asyncio.get_running_loop().time()
    if user.cards.has_bank:
        user.tasks.start(_bind(user, seconds))
    for step in user.plan(seconds):
        if await _is_stopped(user, began_at + step.at_s):
            return
        await user.tasks.guard(ACTS[step.act](user, Random(step.seed)))
    await _is_stopped(user, began_at + seconds)


async def _bind(user: User, seconds: float) -> None:
    """Bind a card early in the run."""
    if not await _is_stopped(user, asyncio.get_running_loop().time() + user.cards.bind_at * seconds):
        await user.cards.bind(user.client)


async def _is_stopped(user: User, until: float) -> bool:
    """Wait until this time of the loop, or until the user is stopped."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            await user.stopped.wait()
    return user.stopped.is_set()


async def _say(user: User, rng: Random) -> None:
    """Post a text to one of the user's groups."""
    await user.client.say(rng.choice(user.groups).group_id, rng.choice(TEXTS).in_language(user.context.language))


async def _send(user: User, rng: Random) -> None:
    """Send a packet."""
    await user.send(user.order(rng), rng)


async def _try_foreign(user: User, rng: Random) -> None:
    """Try to open a packet that is for others."""
    mine = {user.user_id} | {group.group_id for group in user.groups}
    foreign = [
        seen.packet_id
        for seen in user.context.recent
        if seen.order.target_id not in mine and seen.order.kind != "fission"
    ]
    if foreign:
        opened = await user.client.open(rng.choice(foreign))
        user.context.witness.record_foreign_open(user.user_id, opened)
        user.context.show("tried_foreign", name=user.name)


async def _lose_network(user: User, rng: Random) -> None:
    """The connection is lost without a goodbye; the client reconnects."""
    user.client.drop()
    user.context.show("lost_network", name=user.name)


async def _restart(user: User, rng: Random) -> None:
    """The app is stopped, and later started again."""
    user.context.show("went_offline", name=user.name)
    await user.restart(rng.uniform(*user.character.away_s))
    user.context.show("came_back", name=user.name)


async def _top_up(user: User, rng: Random) -> None:
    """Top up by card."""
    await user.cards.top_up(user.client, rng)


async def _withdraw(user: User, rng: Random) -> None:
    """Withdraw to the card."""
    await user.cards.withdraw(user.client, rng)


ACTS: dict[str, Callable[[User, Random], Awaitable[None]]] = {
    "say": _say,
    "send": _send,
    "schedule": later.schedule,
    "try_foreign": _try_foreign,
    "lose_network": _lose_network,
    "restart": _restart,
    "top_up": _top_up,
    "withdraw": _withdraw,
}
