"""The steps of a run, which scenarios call in this order:

gather -> live -> wind_down -> ensure_finished_packet -> check -> leave
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, TypeVar

from client_sim.sdk.backoff import patiently
from client_sim.sim import acts, later
from client_sim.sim.books import Order, PacketBook
from client_sim.sim.crowd import PATIENCE_S, Crowd
from client_sim.sim.sim_context import Group, now_ms
from client_sim.sim.user import User
from protocol import messages

AT_ONCE = 100  # connections that are made at the same time
POLL_S = 0.1
LAST_PACKET_FEN = 888
LAST_PACKET_SHARES = 5

Item = TypeVar("Item")


async def gather(crowd: Crowd) -> None:
    """All users connect, get money and join their groups. Raises ClientError if that fails."""
    crowd.phase = "gathering"
    await crowd.backend.connect(PATIENCE_S)
    crowd.context.money = crowd.backend.money
    await _name_users(crowd)
    await _for_each(crowd.users, partial(_connect, crowd))
    await _for_each(crowd.groups, partial(_put_group, crowd))


async def _for_each(items: Iterable[Item], do: Callable[[Item], Awaitable[None]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Item) -> None:
        async with gate:
            await do(item)

    await asyncio.gather(*map(one, items))


async def _name_users(crowd: Crowd) -> None:
    """As the chat backend: names that users choose themselves are unique, and two crowds have the same names."""
    for first in range(0, len(crowd.users), messages.MEMBERS_MAX):
        names = {user.user_id: user.name for user in crowd.users[first : first + messages.MEMBERS_MAX]}
        await patiently(partial(crowd.backend.put_users, names), PATIENCE_S)


async def _connect(crowd: Crowd, user: User) -> None:
    await user.connect()
    await crowd.give(user.user_id, user.character.wallet_fen)


async def _put_group(crowd: Crowd, group: Group) -> None:
    """Make a group and put its members in, as the chat backend does."""
    put = partial(crowd.backend.put_group, group.external_id, group.name, group.member_ids[0])
    group.group_id = await patiently(put, PATIENCE_S)
    for user_id in group.member_ids:
        crowd.witness.streams.allow(user_id, group.group_id)
    sync = partial(crowd.backend.sync_members, group.group_id, now_ms(), group.member_ids)
    await patiently(sync, PATIENCE_S)


async def live(crowd: Crowd) -> None:
    """All users follow their plans until the time of the run is over."""
    crowd.begin("chatting")
    await asyncio.gather(*(user.tasks.guard(acts.live(user, crowd.seconds)) for user in crowd.users))


async def wind_down(crowd: Crowd) -> None:
    """Users send nothing new, and cancel what waits; opens in flight are completed."""
    crowd.phase = "winding down"
    crowd.end()
    waiting = [(crowd.user(book.order.sender_id), book) for book in crowd.witness.later.waiting() if book.order]
    await _within_patience(crowd, (user.tasks.guard(later.cancel(user, book.packet_id)) for user, book in waiting))
    await _within_patience(crowd, (user.tasks.finish() for user in crowd.users))


async def ensure_finished_packet(crowd: Crowd) -> None:
    """If no lucky packet is finished, send one more that is."""
    if crowd.best_packet() is None:
        await send_and_open_together(crowd, crowd.largest_group(), LAST_PACKET_FEN, LAST_PACKET_SHARES)
        await _until(lambda: crowd.best_packet() is not None)


async def send_and_open_together(crowd: Crowd, group: Group, amount_fen: int, shares: int) -> PacketBook:
    """The owner of a group sends a lucky packet, and all members open it at the same moment."""
    owner = crowd.user(group.member_ids[0])
    await crowd.give(owner.user_id, amount_fen)
    shares = min(shares, len(group.member_ids))
    order = Order(owner.user_id, "lucky", group.group_id, amount_fen, shares)
    packet_id = await owner.send(order, crowd.rng)
    members = map(crowd.user, group.member_ids)
    await asyncio.gather(*(user.tasks.guard(user.open(packet_id)) for user in members))
    return crowd.witness.packets[packet_id]


async def check(crowd: Crowd) -> None:
    """Wait until all users have received all posts; senders fetch the proof of every finished packet."""
    crowd.phase = "checking"
    all_received = await _until(lambda: not any(_lags(crowd, group) for group in crowd.groups))
    crowd.witness.expect(all_received, "every member has received every post of their groups")
    none_waits = await _until(lambda: not crowd.witness.later.waiting())
    crowd.witness.expect(none_waits, "every packet that was to be sent later was posted or cancelled")
    finished: dict[int, list[int]] = {}
    for book in crowd.witness.finished():
        if book.order is not None:
            finished.setdefault(book.order.sender_id, []).append(book.packet_id)
    await _within_patience(crowd, (_reveal(crowd, sender, ids) for sender, ids in finished.items()))


async def _reveal(crowd: Crowd, sender_id: int, packet_ids: list[int]) -> None:
    user = crowd.user(sender_id)

    async def one(packet_id: int) -> None:
        crowd.witness.record_reveal(await patiently(partial(user.client.reveal, packet_id), PATIENCE_S))

    for packet_id in packet_ids:
        await user.tasks.guard(one(packet_id))


def _lags(crowd: Crowd, group: Group) -> bool:
    """Whether the members have received different numbers of posts."""
    return len({crowd.user(user_id).client.positions.get(group.group_id) for user_id in group.member_ids}) > 1


async def leave(crowd: Crowd) -> None:
    """All users disconnect."""
    crowd.phase = "over"
    await _for_each(crowd.users, lambda user: user.phone.disconnect())
    await crowd.backend.close()
    if crowd.context.bank is not None:
        await crowd.context.bank.close()


async def _within_patience(crowd: Crowd, works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of these, and cancel those that take too long."""
    tasks = [asyncio.create_task(work) for work in works]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
        for task in late:
            task.cancel()
        crowd.witness.expect(not late, f"{crowd.phase} is over within {PATIENCE_S:.0f} s")


async def _until(holds: Callable[[], bool]) -> bool:
    """Wait until the condition holds; False if patience ran out before."""
    for _ in range(int(PATIENCE_S / POLL_S)):
        if holds():
            return True
        await asyncio.sleep(POLL_S)
    return holds()
