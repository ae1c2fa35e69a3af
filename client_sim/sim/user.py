"""A simulated chat user: a character with habits (see characters), and a phone that is not always online."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from random import Random
from typing import Any

from client_sim.sdk.errors import (
    Busy,
    ClientClosed,
    ConnectionLost,
    NotAllowed,
    NotEnoughMoney,
    Overloaded,
    RateLimited,
    StoreUnavailable,
    TimedOut,
)
from client_sim.sim.books import Order
from client_sim.sim.characters import CHARACTERS, DICE, Response, Step, plan, respond
from client_sim.sim.sim_context import Group, SimContext, name_of
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


class User:
    """One user. All choices come from `seed`; `pace` stretches the time between two acts."""

    def __init__(self, user_id: int, character: str, town: SimContext, seed: int) -> None:
        self.user_id = user_id
        self.name = name_of(user_id)
        self.character_name = character
        self.character = CHARACTERS[character]
        self.groups: list[Group] = []
        self.pace = 1.0
        self.client = town.client(user_id)
        self.restarts = 0
        self.reconnects = 0  # of the clients before this one, as the next
        self.pushes_dropped = 0
        self._town = town
        self._plan_seed = f"{seed}/{user_id}/plan"
        self._dice = Random(f"{seed}/{user_id}/answers")  # apart from the plan: what comes in must not change it
        self._listener: asyncio.Task[None] | None = None
        self._openings: set[asyncio.Task[None]] = set()
        self._unanswered: set[int] = set()  # packets that were tapped, and nobody said what came of it
        self._enough = asyncio.Event()

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
                case messages.PacketPosted() if self._is_for_me(push):
                    self._meet(push.packet_id)
                case messages.PacketFinished(best_user_id=self.user_id):
                    self._town.tell_finished(push)
                    if self._dice.random() < self.character.passes_on and not self._enough.is_set():
                        self._start(self._pass_on(push, Random(self._dice.randrange(DICE))))

    def _is_for_me(self, post: messages.PacketPosted) -> bool:
        return post.packet_kind != "personal" or post.sender_id != self.user_id

    def _meet(self, packet_id: int) -> None:
        response = respond(self.character, self._dice)
        if response.taps:
            self._start(self._tap(packet_id, response))

    async def _tap(self, packet_id: int, response: Response) -> None:
        await asyncio.sleep(response.after_s)
        if response.looks and not await self._sees_a_button(packet_id):
            return
        if not response.opens:
            self._town.witness.was_grabbed(await self.client.grab(packet_id))
            return
        if response.twice:
            self._start(self.open(packet_id))
        await self.open(packet_id)
        if response.reads:
            await self._read(packet_id)

    async def _sees_a_button(self, packet_id: int) -> bool:
        """Look at the open page; whether it can be opened, or could in a moment."""
        page = await self.client.open_page(packet_id)
        if page.result is not None:
            self._town.witness.was_shown(self.user_id, packet_id, page.result)
        return page.view == "open" or page.answer == "busy"

    async def _read(self, packet_id: int) -> None:
        """Look at the result page, as far as it is shown to this user."""
        with suppress(NotAllowed):
            shown = await self.client.result_page(packet_id)
            self._town.witness.was_shown(self.user_id, packet_id, shown.page)

    async def _pass_on(self, finished: messages.PacketFinished, dice: Random) -> None:
        """Who had the best luck sends the next one (接龙)."""
        group = next((one for one in self.groups if one.group_id == finished.stream_id), None)
        if group is not None:
            await asyncio.sleep(self.character.reaction.draw_s(dice))
            packet_id = await self.send_order(self._lucky(group, dice), dice)
            self._town.witness.was_passed_on(finished.packet_id, packet_id)

    async def open(self, packet_id: int) -> None:
        """Open a packet and report the answer."""
        self._unanswered.add(packet_id)
        tapped_at = time.perf_counter()  # the loop's own clock counts whole milliseconds under uvloop
        opened = await self.client.open(packet_id)
        self._unanswered.discard(packet_id)
        self._town.tell_opened(self.user_id, opened, (time.perf_counter() - tapped_at) * 1000)

    # --- acts -------------------------------------------------------------------------------------------------

    def plan(self, seconds: float) -> Iterator[Step]:
        """What this user does of their own accord in an evening of so many seconds."""
        pace = self.pace if self.character.in_turn else 1.0
        return plan(self.character, Random(self._plan_seed), seconds, pace)

    async def live(self, seconds: float) -> None:
        """Follow the plan until the evening is over, or until this user had enough of it."""
        began_at = asyncio.get_running_loop().time()
        for step in self.plan(seconds):
            if await self._had_enough(began_at + step.at_s):
                return
            await self.carefully(ACTS[step.act](self, Random(step.dice)))
        await self._had_enough(began_at + seconds)

    async def _had_enough(self, until: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._enough.wait()
        return self._enough.is_set()

    def have_enough(self) -> None:
        """Begin nothing new."""
        self._enough.set()

    async def say(self, dice: Random) -> None:
        """A text to one of the groups."""
        await self.client.say(dice.choice(self.groups).group_id, dice.choice(TEXTS))

    async def send(self, dice: Random) -> None:
        """A packet to one of the groups, or to somebody in it."""
        await self.send_order(self.order(dice), dice)

    async def send_order(self, order: Order, dice: Random) -> int:
        """Send this packet and report it; its id."""
        greeting = dice.choice(GREETINGS)
        sent = await self.client.send_packet(order.kind, order.target_id, order.amount_fen, order.shares, greeting)
        self._town.tell_sent(order, sent)
        return sent.packet_id

    def order(self, dice: Random) -> Order:
        """A packet as this user gives them."""
        giving, group = self.character.giving, dice.choice(self.groups)
        (kind,) = dice.choices(list(giving.kinds), list(giving.kinds.values()))
        others = [user_id for user_id in group.member_ids if user_id != self.user_id]
        if kind == "lucky":
            return self._lucky(group, dice)
        if kind == "equal" or not others:
            each_fen = dice.choice(giving.share_amounts_fen)
            return Order(self.user_id, "equal", group.group_id, each_fen, self._shares(group, dice))
        return Order(self.user_id, kind, dice.choice(others), dice.choice(giving.amounts_fen), 1)

    def _lucky(self, group: Group, dice: Random) -> Order:
        amount_fen = dice.choice(self.character.giving.amounts_fen)
        return Order(self.user_id, "lucky", group.group_id, amount_fen, self._shares(group, dice))

    def _shares(self, group: Group, dice: Random) -> int:
        least, most = (min(number, len(group.member_ids)) for number in self.character.giving.shares)
        return dice.randint(least, most)

    async def snoop(self, dice: Random) -> None:
        """Try to open what is not for this user."""
        mine = {self.user_id} | {group.group_id for group in self.groups}
        foreign = [seen.packet_id for seen in self._town.recent if seen.order.target_id not in mine]
        if foreign:
            opened = await self.client.open(dice.choice(foreign))
            self._town.witness.was_denied(self.user_id, opened)
            self._town.tell(f"{self.name} 想拆别人的红包,没门")

    async def tunnel(self, dice: Random) -> None:
        """The phone loses the network; the client comes back by itself."""
        self.client.drop()
        self._town.tell(f"{self.name} 进了隧道")

    async def restart(self, dice: Random) -> None:
        """The app is killed, and later started again from the positions that it had saved."""
        await self.go()
        self._town.tell(f"{self.name} 下线了")
        await asyncio.sleep(dice.uniform(*self.character.away_s))
        self.client = self._town.client(self.user_id, self.client.positions)
        await self.come()
        self.restarts += 1
        self._town.tell(f"{self.name} 回来了")


ACTS: dict[str, Callable[[User, Random], Awaitable[None]]] = {
    "say": User.say,
    "send": User.send,
    "snoop": User.snoop,
    "tunnel": User.tunnel,
    "restart": User.restart,
}
