"""What users do with packets that are sent later: they schedule them, look at what waits, and cancel some."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Final, Protocol

from client_sim.sdk.backoff import patiently
from client_sim.sdk.client import Client
from client_sim.sdk.methods.everyday_errors import AlreadyPosted, BadTime
from client_sim.sim.books import Order
from client_sim.sim.phone import GuardedTasks
from client_sim.sim.sim_context import SimContext, now_ms

AHEAD_MS: Final = (1_000, 2_500)  # so far ahead a packet is scheduled: least, most
SURE_MS: Final = 500  # so long before its time a packet waits, whatever the clocks of user and server say
CANCEL_CHANCE: Final = 0.4
PATIENCE_S: Final = 10.0


class Person(Protocol):
    """What is needed of a simulated user here."""

    user_id: int
    name: str
    context: SimContext
    tasks: GuardedTasks

    @property
    def client(self) -> Client: ...
    def order(self, rng: Random) -> Order: ...
    def send(self, order: Order, rng: Random) -> Awaitable[int]: ...


async def schedule(user: Person, rng: Random) -> None:
    """Send a packet later; look whether it waits; perhaps cancel it, some users too late."""
    ahead_ms, cancels, part = rng.randint(*AHEAD_MS), rng.random() < CANCEL_CHANCE, rng.uniform(0.2, 1.3)
    order = user.order(rng)._replace(send_at_ms=now_ms() + ahead_ms)
    with suppress(BadTime):  # the send took longer than that
        packet_id = await user.send(order, rng)
        await _look(user, packet_id, order)
        if cancels:
            user.tasks.start(_cancel_after(user, packet_id, ahead_ms / 1000 * part))


async def _look(user: Person, packet_id: int, order: Order) -> None:
    listed = packet_id in [line.packet_id for line in await user.client.scheduled()]
    if now_ms() < order.send_at_ms - SURE_MS:
        user.context.witness.later.record_listed(packet_id, listed)


async def _cancel_after(user: Person, packet_id: int, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await cancel(user, packet_id)


async def cancel(user: Person, packet_id: int) -> None:
    """Cancel a packet, unless it is too late. Again is harmless."""
    try:
        refunded_fen = await patiently(partial(user.client.cancel_scheduled, packet_id), PATIENCE_S)
    except AlreadyPosted:
        user.context.witness.later.record_not_cancelled(packet_id)
    else:
        user.context.witness.later.record_cancel(packet_id, refunded_fen)
        user.context.show("cancelled", name=user.name, amount=user.context.amount(refunded_fen))
