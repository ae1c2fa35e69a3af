"""A simulated chat user: a character with habits, and a phone that is not always online."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from client_sim.errors import (
    Busy,
    ClientClosed,
    ConnectionLost,
    NotEnoughMoney,
    Overloaded,
    RateLimited,
    StoreUnavailable,
    TimedOut,
)
from client_sim.town import Group, Town, name_of
from client_sim.witness import Order
from protocol import messages

COME_PATIENCE_S = 60.0

# what can happen to anybody; every other failure is a defect, here or in the server
EXPECTED = (Busy, ClientClosed, ConnectionLost, NotEnoughMoney, Overloaded, RateLimited, StoreUnavailable, TimedOut)

TEXTS = (
    "在吗?",
    "吃了吗?",
    "恭喜恭喜!",
    "新年快乐!",
    "谢谢老板!",
    "手慢了…",
    "再来一个!",
    "哈哈哈",
    "晚上一起吃火锅?",
)
GREETINGS = ("", "", "恭喜发财,大吉大利", "新年快乐", "万事如意", "早生贵子", "周末愉快")
AMOUNTS_FEN = (166, 188, 288, 520, 600, 666, 888, 999, 1314, 1688, 1888)
SHARE_AMOUNTS_FEN = (10, 20, 66, 88, 100, 166)
SHARES_MOST = 10
KIND_WEIGHTS = {"lucky": 6, "equal": 2, "personal": 2}


@dataclass(frozen=True, slots=True)
class Character:
    """Habits. Times in seconds as (least, most), chances from 0 to 1, acts by how often they are chosen."""

    act_every_s: tuple[float, float]
    acts: dict[str, float]
    think_s: tuple[float, float] = (0.2, 1.5)  # between a packet's appearance and the tap on it
    taps: float = 0.95  # the chance that a packet is tapped at all
    opens: float = 1.0  # the chance that what was tapped is opened, too
    opens_twice: float = 0.0
    away_s: tuple[float, float] = (0.3, 2.5)


CHARACTERS: dict[str, Character] = {
    "normal": Character((1.0, 3.0), {"say": 1, "send": 1}),
    "greedy": Character((0.4, 1.2), {"snoop": 5, "send": 1}, think_s=(0.0, 0.1), taps=1.0, opens_twice=0.5),
    "sleepy": Character((3.0, 6.0), {"say": 3, "send": 1}, think_s=(0.5, 3.0), opens=0.0),
    "wanderer": Character((1.0, 3.0), {"say": 1, "send": 1, "tunnel": 1, "restart": 1}),
    "onlooker": Character((1.0, 1.0), {}, taps=0.0),  # does nothing unless a scenario says so
}


class User:
    """One user. All choices come from `rng`; `pace` stretches the time between two acts."""

    def __init__(self, user_id: int, character: Character, town: Town, rng: random.Random) -> None:
        self.user_id = user_id
        self.name = name_of(user_id)
        self.character = character
        self.groups: list[Group] = []
        self.pace = 1.0
        self.client = town.client(user_id)
        self.restarts = 0
        self.reconnects = 0  # of the clients before this one, as the next
        self.pushes_dropped = 0
        self._town = town
        self._rng = rng
        self._listener: asyncio.Task[None] | None = None
        self._openings: set[asyncio.Task[None]] = set()
        self._unanswered: set[int] = set()  # packets that were tapped, and nobody said what came of it

    # --- online and offline -----------------------------------------------------------------------------------

    async def come(self) -> None:
        """Connect, listen, and tap again what was left without an answer."""
        await self.client.connect(COME_PATIENCE_S)
        for stream_id in self.client.positions:
            self._town.witness.may_see(self.user_id, stream_id)
        self._listener = asyncio.create_task(self.carefully(self._listen()))
        for packet_id in sorted(self._unanswered):
            self._start(self.open(packet_id))

    async def go(self) -> None:
        """Disconnect and hear out what had arrived before."""
        await self.client.close()
        if self._listener is not None:
            await self._listener
        self.reconnects += self.client.reconnects
        self.pushes_dropped += self.client.pushes_dropped

    async def carefully(self, doing: Awaitable[None]) -> None:
        """What can happen to anybody is counted; anything else is a failure of the run, and goes on record."""
        try:
            await doing
        except EXPECTED as error:
            self._town.witness.was_refused(error)
        except Exception as error:
            self._town.witness.has_failed(self.name, error)

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self.carefully(doing))
        self._openings.add(task)
        task.add_done_callback(self._openings.discard)

    async def rest(self) -> None:
        """Return when everything that was begun is over."""
        while self._openings:
            await asyncio.wait(self._openings)

    # --- hearing and opening ----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for push in self.client.pushes():
            self._town.witness.was_pushed(self.user_id, push)
            match push:
                case messages.PacketPosted() if self._is_for_me(push) and self._rng.random() < self.character.taps:
                    self._start(self._tap(push.packet_id))
                case messages.PacketFinished(best_user_id=self.user_id):
                    self._town.tell_finished(push)

    def _is_for_me(self, post: messages.PacketPosted) -> bool:
        return post.packet_kind != "personal" or post.sender_id != self.user_id

    async def _tap(self, packet_id: int) -> None:
        await asyncio.sleep(self._rng.uniform(*self.character.think_s))
        if self._rng.random() >= self.character.opens:
            self._town.witness.was_grabbed(await self.client.grab(packet_id))
            return
        if self._rng.random() < self.character.opens_twice:
            self._start(self.open(packet_id))
        await self.open(packet_id)

    async def open(self, packet_id: int) -> None:
        """Open a packet and report the answer."""
        self._unanswered.add(packet_id)
        tapped_at = time.perf_counter()  # the loop's own clock counts whole milliseconds under uvloop
        opened = await self.client.open(packet_id)
        self._unanswered.discard(packet_id)
        self._town.tell_opened(self.user_id, opened, (time.perf_counter() - tapped_at) * 1000)

    # --- acts -------------------------------------------------------------------------------------------------

    async def live(self, until: float) -> None:
        """Act now and then until the loop's time is `until`."""
        loop = asyncio.get_running_loop()
        acts, (least_s, most_s) = self.character.acts, self.character.act_every_s
        pause_s = self._rng.uniform(0.0, most_s) * self.pace  # the first act at any time: nobody acts in step
        while acts and pause_s < until - loop.time():
            await asyncio.sleep(pause_s)
            (act,) = self._rng.choices(list(acts), list(acts.values()))
            await self.carefully(ACTS[act](self))
            pause_s = self._rng.uniform(least_s, most_s) * self.pace
        await asyncio.sleep(until - loop.time())

    async def say(self) -> None:
        """A text to one of the groups."""
        await self.client.say(self._rng.choice(self.groups).group_id, self._rng.choice(TEXTS))

    async def send(self) -> None:
        """A packet to one of the groups, or to somebody in it."""
        await self.send_order(self._order(self._rng.choice(self.groups)))

    async def send_order(self, order: Order) -> int:
        """Send this packet and report it; its id."""
        greeting = self._rng.choice(GREETINGS)
        sent = await self.client.send_packet(order.kind, order.target_id, order.amount_fen, order.shares, greeting)
        self._town.tell_sent(order, sent)
        return sent.packet_id

    def _order(self, group: Group) -> Order:
        rng, people = self._rng, len(group.member_ids)
        (kind,) = rng.choices(list(KIND_WEIGHTS), list(KIND_WEIGHTS.values()))
        shares = rng.randint(1, min(SHARES_MOST, people))
        if kind == "lucky":
            return Order(self.user_id, kind, group.group_id, rng.choice(AMOUNTS_FEN), shares)
        others = [user_id for user_id in group.member_ids if user_id != self.user_id]
        if kind == "equal" or not others:
            return Order(self.user_id, "equal", group.group_id, rng.choice(SHARE_AMOUNTS_FEN), shares)
        return Order(self.user_id, kind, rng.choice(others), rng.choice(AMOUNTS_FEN), 1)

    async def snoop(self) -> None:
        """Try to open what is not for this user."""
        mine = {self.user_id} | {group.group_id for group in self.groups}
        foreign = [seen.packet_id for seen in self._town.recent if seen.order.target_id not in mine]
        if foreign:
            opened = await self.client.open(self._rng.choice(foreign))
            self._town.witness.was_denied(self.user_id, opened)
            self._town.tell(f"{self.name} 想拆别人的红包,没门")

    async def tunnel(self) -> None:
        """The phone loses the network; the client comes back by itself."""
        self.client.drop()
        self._town.tell(f"{self.name} 进了隧道")

    async def restart(self) -> None:
        """The app is killed, and later started again from the positions that it had saved."""
        await self.go()
        self._town.tell(f"{self.name} 下线了")
        await asyncio.sleep(self._rng.uniform(*self.character.away_s))
        self.client = self._town.client(self.user_id, self.client.positions)
        await self.come()
        self.restarts += 1
        self._town.tell(f"{self.name} 回来了")


ACTS: dict[str, Callable[[User], Awaitable[None]]] = {
    "say": User.say,
    "send": User.send,
    "snoop": User.snoop,
    "tunnel": User.tunnel,
    "restart": User.restart,
}
