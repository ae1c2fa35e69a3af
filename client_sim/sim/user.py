"""A simulated chat user: a character with habits that meets packets, taps, opens and sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from random import Random

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotAllowed
from client_sim.sdk.methods.everyday_errors import WordsWrong
from client_sim.sdk.pushes import Push
from client_sim.sim import friends
from client_sim.sim.books import Order
from client_sim.sim.cards import CardHolder
from client_sim.sim.characters import CHARACTERS, SEEDS, Giving, Reaction, Response, Step, plan, respond
from client_sim.sim.phone import GuardedTasks, Phone
from client_sim.sim.sim_context import Group, SimContext, name_of
from client_sim.sim.words import GREETINGS, SESAME
from protocol import messages

TO_ONE = ("personal", "fission")  # kinds that are posted to their sender, too


class User:
    """One user. All choices come from `seed`; `pace` stretches the time between two acts."""

    def __init__(self, user_id: int, character: str, context: SimContext, seed: int) -> None:
        self.user_id = user_id
        self.name = name_of(user_id)
        self.character_name = character
        self.character = CHARACTERS[character]
        self.groups: list[Group] = []
        self.pace = 1.0
        self.notice: Reaction | None = None  # how long the user takes to notice a packet, before the reaction
        self.context = context
        self.tasks = GuardedTasks(self.name, context.witness)
        self.phone = Phone(user_id, context, self.tasks, self._on_push)
        self.cards = CardHolder(user_id, self.name, self.character, context, seed)
        self.stopped = asyncio.Event()
        self._plan_seed = f"{seed}/{user_id}/plan"
        self._rng = Random(f"{seed}/{user_id}/answers")  # separate: what the user receives must not change the plan
        self._unanswered: set[int] = set()  # packets that were tapped and whose answer has not come

    @property
    def client(self) -> Client:
        """The client on the phone."""
        return self.phone.client

    async def connect(self) -> None:
        """Go online, and open again the packets whose answer is missing."""
        await self.phone.connect()
        for packet_id in sorted(self._unanswered):
            self.tasks.start(self.open(packet_id))

    async def restart(self, away_s: float) -> None:
        """Restart the app of the phone."""
        await self.phone.restart(away_s)
        for packet_id in sorted(self._unanswered):
            self.tasks.start(self.open(packet_id))

    # --- reactions --------------------------------------------------------------------------------------------

    def _on_push(self, push: Push) -> None:
        self.context.witness.record_push(self.user_id, push)
        match push:
            case messages.PacketPosted() if push.packet_kind in TO_ONE and push.sender_id == self.user_id:
                pass
            case messages.PacketPosted(packet_kind="fission"):
                self.tasks.start(friends.receive(self, push.packet_id, self.respond()))
            case messages.PacketPosted():
                self._meet(push)
            case messages.TextPosted(text=text) if push.sender_id != self.user_id and friends.link_in(text):
                self.tasks.start(friends.come_by(self, friends.link_in(text), self.respond()))
            case messages.PacketFinished(best_user_id=self.user_id):
                self.context.show_finish(push)
                if self._continues_chain():
                    self.tasks.start(self._continue_chain(push, Random(self._rng.randrange(SEEDS))))
            case messages.RelayPosted(user_id=self.user_id):
                if self._continues_chain():
                    self.tasks.start(self._follow_relay(push, Random(self._rng.randrange(SEEDS))))

    def _continues_chain(self) -> bool:
        """Whether this user, who had the best luck, sends the next packet."""
        return self._rng.random() < self.character.continues_chain and not self.stopped.is_set()

    def _meet(self, push: messages.PacketPosted) -> None:
        response = self.respond()
        is_for_others = push.packet_kind == "exclusive" and self.user_id not in push.for_user_ids
        if response.taps and is_for_others:
            self.tasks.start(self._tap_foreign(push.packet_id, response))
        elif response.taps:
            words = push.greeting if push.packet_kind == "password" else ""
            self.tasks.start(self._tap(push.packet_id, response, words))

    async def _tap_foreign(self, packet_id: int, response: Response) -> None:
        """A packet in the chat that is for others, who are named: it can be looked at."""
        await asyncio.sleep(response.after_s)
        if response.looks:
            await self._sees_button(packet_id)
        elif response.opens:
            opened = await self.client.open(packet_id)
            self.context.witness.record_foreign_open(self.user_id, opened)

    def respond(self) -> Response:
        """The reaction to the next packet that this user receives."""
        response = respond(self.character, self._rng)
        notice_s = self.notice.draw_s(self._rng) if self.notice else 0.0
        return response._replace(after_s=response.after_s + notice_s)

    async def _tap(self, packet_id: int, response: Response, words: str = "") -> None:
        """`words`: those of a password packet, which users of the crowd take from its greeting."""
        await asyncio.sleep(response.after_s)
        if words and response.opens:
            await self._say(packet_id, words, response)
        elif words:
            return
        if response.looks and not await self._sees_button(packet_id):
            return
        if not response.opens:
            self.context.witness.record_grab(await self.client.grab(packet_id))
            return
        if response.twice:
            self.tasks.start(self.open(packet_id))
        await self.open(packet_id)
        if response.reads:
            await self._read(packet_id)

    async def _say(self, packet_id: int, words: str, response: Response) -> None:
        """Say the words of a packet; some users try others first."""
        with suppress(WordsWrong):
            if response.twice:
                await self.client.say_words(packet_id, "?")
        await self.client.say_words(packet_id, words)

    async def _sees_button(self, packet_id: int) -> bool:
        """Look at the open page; whether the packet can be opened now or in a moment."""
        page = await self.client.open_page(packet_id)
        if page.result is not None:
            self.context.witness.record_page(self.user_id, packet_id, page.result)
        return page.view == "open" or page.answer == "busy"

    async def _read(self, packet_id: int) -> None:
        """Look at the result page, as far as this user may see it."""
        with suppress(NotAllowed):
            shown = await self.client.result_page(packet_id)
            self.context.witness.record_page(self.user_id, packet_id, shown.page)

    async def _continue_chain(self, finished: messages.PacketFinished, rng: Random) -> None:
        """The user with the best luck sends the next packet (接龙); where the server reminds, they wait."""
        group = next((one for one in self.groups if one.group_id == finished.stream_id), None)
        if group is not None and not group.relay_times:
            await asyncio.sleep(self.character.reaction.draw_s(rng))
            order = _draw_lucky(self.character.giving, self.user_id, group, rng)
            packet_id = await self.send(order, rng)
            self.context.witness.record_chain(finished.packet_id, packet_id)

    async def _follow_relay(self, turn: messages.RelayPosted, rng: Random) -> None:
        """Send the packet that the server reminds this user of."""
        await asyncio.sleep(self.character.reaction.draw_s(rng))
        order = Order(self.user_id, "lucky", turn.stream_id, turn.amount_fen, turn.shares)
        packet_id = await self.send(order, rng)
        self.context.witness.record_chain(turn.packet_id, packet_id)

    # --- actions ----------------------------------------------------------------------------------------------

    async def open(self, packet_id: int) -> None:
        """Open a packet and report the answer."""
        self._unanswered.add(packet_id)
        tapped_at = time.perf_counter()  # the clock of uvloop has a resolution of 1 ms
        opened = await self.client.open(packet_id)
        self._unanswered.discard(packet_id)
        self.context.record_open(self.user_id, opened, (time.perf_counter() - tapped_at) * 1000)

    async def send(self, order: Order, rng: Random) -> int:
        """Send this packet and report it; its id."""
        greeting = greeting_of(order.kind, self.context.language, rng)
        sent = await self.cards.send(self.client, order, greeting)
        self.context.record_send(order, sent)
        return sent.packet_id

    def order(self, rng: Random) -> Order:
        """The packet that this user sends next."""
        return _draw_order(self.character.giving, self.user_id, self.groups, rng)

    def plan(self, seconds: float) -> Iterator[Step]:
        """What this user does unasked in a run of this length."""
        pace = self.pace if self.character.slows_in_large_groups else 1.0
        acts = {**self.character.acts, **self.cards.acts}
        return plan(replace(self.character, acts=acts), Random(self._plan_seed), seconds, pace)


def greeting_of(kind: str, language: str, rng: Random) -> str:
    """A greeting, perhaps empty; that of a password packet is its words, too, and never empty."""
    greeting = rng.choice(GREETINGS).in_language(language)
    return greeting or (SESAME.in_language(language) if kind == "password" else "")


def _draw_order(giving: Giving, sender_id: int, groups: list[Group], rng: Random) -> Order:
    """A packet to one of the groups, or to one of its other members."""
    group = rng.choice(groups)
    (kind,) = rng.choices(list(giving.kinds), list(giving.kinds.values()))
    others = [user_id for user_id in group.member_ids if user_id != sender_id]
    if kind == "lucky":
        return _draw_lucky(giving, sender_id, group, rng)
    if kind == "fission" and others:
        return Order(sender_id, kind, rng.choice(others), rng.choice(giving.amounts_fen), rng.randint(3, 5))
    if kind == "password":
        return _draw_lucky(giving, sender_id, group, rng)._replace(kind=kind)
    if kind == "exclusive" and others:
        return _draw_exclusive(giving, sender_id, group, others, rng)
    if kind in ("equal", "exclusive") or not others:
        each_fen = rng.choice(giving.share_amounts_fen)
        return Order(sender_id, "equal", group.group_id, each_fen, _draw_shares(giving, group, rng))
    return Order(sender_id, kind, rng.choice(others), rng.choice(giving.amounts_fen), 1)


def _draw_lucky(giving: Giving, sender_id: int, group: Group, rng: Random) -> Order:
    """A lucky packet to this group."""
    amount_fen = rng.choice(giving.amounts_fen)
    return Order(sender_id, "lucky", group.group_id, amount_fen, _draw_shares(giving, group, rng))


def _draw_exclusive(giving: Giving, sender_id: int, group: Group, others: list[int], rng: Random) -> Order:
    """A packet for some of the other members of this group."""
    named = rng.sample(others, rng.randint(1, min(3, len(others))))
    return Order(
        sender_id, "exclusive", group.group_id, rng.choice(giving.share_amounts_fen), len(named), tuple(named)
    )


def _draw_shares(giving: Giving, group: Group, rng: Random) -> int:
    least, most = (min(number, len(group.member_ids)) for number in giving.shares)
    return rng.randint(least, most)
