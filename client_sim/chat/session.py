"""One user's chat, without any screen: what happens to them becomes events, what they want becomes requests.

    session = Session(Client(url, token), heard=print, start=Start("小梅"))
    await session.run()     # until cancelled

The app draws `model` whenever it hears an event; plain mode prints the events themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from client_sim.chat import pushed
from client_sim.chat.clean import cleaned
from client_sim.chat.model import CLAIMED, EXPIRED, GONE, OPEN, Conversation, Model, Notice, Packet
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError, NoTicket
from client_sim.sdk.pushes import Reloaded
from protocol import messages

TICK_S = 0.2  # how soon a lost connection and an expired packet are noticed
HISTORY = 50  # posts that are fetched when a conversation is first looked at
STATES_ASKED = 10  # packets in it that we ask about: how do they stand for me?

Fields = Mapping[str, str | int | bool]


class Event(NamedTuple):
    """Something that happened. `word` is stable; amounts are fen."""

    word: str
    fields: Fields


class Start(NamedTuple):
    """How to begin: what others shall see ("": as before), the group to be in (0: any), zh or en."""

    name: str = ""
    group_id: int = 0
    language: str = "en"


class Session:
    """Everything a person can see and do. Methods raise ClientError; `heard` is called with each event."""

    def __init__(
        self,
        client: Client,
        heard: Callable[[Event], None],
        start: Start | None = None,
    ) -> None:
        start = start or Start()
        self.client = client
        self.model = Model(client.user_id)
        self.language = start.language
        self.name = start.name
        self.is_online = False
        self.is_ready = asyncio.Event()
        self._heard = heard
        self._group_id = start.group_id
        self._welcome: messages.Welcome | None = None

    def tell(self, word: str, **fields: str | int | bool) -> None:
        """Say what happened."""
        self._heard(Event(word, fields))

    def now_ms(self) -> int:
        """By this machine's clock."""
        return int(time.time() * 1000)

    # --- its life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and follow what happens. Raises ConnectionLost (at the start only), ConnectionRefusedForGood."""
        await self.client.connect()
        await self._enter()
        watching = asyncio.create_task(self._watch())
        try:
            async for push in self.client.pushes():
                await pushed.take(self, push)
        finally:
            watching.cancel()

    async def _enter(self) -> None:
        self._welcomed()
        if self.name:
            await self.set_name(self.name)
        model = self.model
        if self._group_id and self._group_id not in model.conversations:
            await self.join(self._group_id)
        else:
            groups = [stream_id for stream_id in model.conversations if stream_id != model.user_id]
            await self.go(self._group_id or next(iter(groups), model.user_id))
        self.tell("welcome", user=model.user_id, name=model.names[model.user_id], balance_fen=model.balance_fen)
        self.is_ready.set()

    async def _watch(self) -> None:
        """Notice what nobody pushes: that the connection is lost or there again, that a packet's time is over."""
        while True:
            await asyncio.sleep(TICK_S)
            if self.client.welcome is not self._welcome:
                self._welcomed()
            self._look_online()
            for packet in self.model.expire(self.now_ms()):
                self._tell_state(packet)

    def _look_online(self) -> None:
        if self.client.is_connected != self.is_online:
            self.is_online = self.client.is_connected
            self.tell("online" if self.is_online else "offline")

    def _welcomed(self) -> None:
        """A login tells the balance and the groups, also when they changed while we were away."""
        self._welcome = welcome = self.client.welcome
        assert welcome is not None
        self.model.balance_fen = welcome.balance_fen
        self.tell("balance", balance_fen=welcome.balance_fen, change_fen=0, reason="login")
        for place in welcome.places:
            if self.model.place(place) and place.stream_id != self.model.user_id:
                self.tell_group(place.stream_id)
        here = {place.stream_id for place in welcome.places}
        for stream_id in [one for one in self.model.conversations if one not in here]:
            self.remove(stream_id)
        self._look_online()

    # --- conversations ------------------------------------------------------------------------------------------

    async def go(self, stream_id: int) -> None:
        """Look at a conversation; the first look fetches what was said before."""
        self.model.go(stream_id)
        self.tell("here", group=stream_id, name=self.model.current.name)
        await self.load(self.model.current)

    async def load(self, conversation: Conversation) -> None:
        """Fetch the last posts, once. What cannot be fetched now is fetched at the next look."""
        if conversation.is_loaded:
            return
        after = max(0, conversation.last_message - HISTORY)
        found = await self.client.catch_up(conversation.stream_id, after)
        posts = [] if isinstance(found, Reloaded) else found
        await self.know([post.sender_id for post in posts])
        conversation.add_history([self.model.entry(post, self.now_ms()) for post in posts])
        for card in [card for card in conversation.cards() if card.packet.state == OPEN][-STATES_ASKED:]:
            with contextlib.suppress(ClientError):  # one that I have no page of is one that I may still open
                await self.result(card.packet.packet_id)
        self.tell("loaded", group=conversation.stream_id, posts=len(posts))

    async def say(self, text: str) -> None:
        """To the group on the screen."""
        await self.client.say(self.model.current_id, text)

    async def create(self, name: str) -> int:
        """A new group, and go there."""
        group_id = await self.client.create_group(name)
        self.model.place(messages.StreamPosition(group_id, name, self.model.user_id, 0))
        self.tell_group(group_id)
        await self.go(group_id)
        return group_id

    async def join(self, group_id: int) -> None:
        """Become a member, and go there."""
        joined = await self.client.join_group(group_id)
        self.model.place(messages.StreamPosition(group_id, joined.name, joined.owner_id, joined.last_message))
        self.tell_group(group_id)
        await self.go(group_id)

    async def leave(self) -> None:
        """Leave the group on the screen."""
        group_id = self.model.current_id
        await self.client.leave_group(group_id)
        self.remove(group_id)

    async def members(self) -> list[int]:
        """Who is in the group on the screen; their names are known afterwards."""
        user_ids = await self.client.members(self.model.current_id)
        await self.know(user_ids, again=True)
        return user_ids

    async def grab_stats(self) -> list[messages.GrabStatLine]:
        """The owner's view of the group on the screen."""
        shown = await self.client.grab_stats(self.model.current_id)
        return [cleaned(one) for one in shown.lines]

    async def kick(self, user_id: int) -> None:
        """Throw somebody out of the group on the screen."""
        await self.client.kick(self.model.current_id, user_id)

    # --- names --------------------------------------------------------------------------------------------------

    async def set_name(self, name: str) -> None:
        """What others see me called."""
        await self.client.set_name(name)
        self.name = name
        self.model.names.learn(self.model.user_id, name)

    async def know(self, user_ids: list[int], again: bool = False) -> None:
        """Learn what these users are called; `again`: also those who are known."""
        missing = list(dict.fromkeys(user_ids)) if again else self.model.names.missing(user_ids)
        for first in range(0, len(missing), messages.NAMES_MAX):
            some = missing[first : first + messages.NAMES_MAX]
            with contextlib.suppress(ClientError):  # a number is shown instead, and the next time we ask again
                for user_id, name in zip(some, (await self.client.names(some)).names, strict=True):
                    self.model.names.learn(user_id, name)

    async def name_of(self, user_id: int) -> str:
        await self.know([user_id])
        return self.model.names[user_id]

    # --- packets ------------------------------------------------------------------------------------------------

    async def send(self, kind: str, target_id: int, amount_fen: int, shares: int, greeting: str) -> None:
        """Send a packet, as Client.send_packet does."""
        sent = await self.client.send_packet(kind, target_id, amount_fen, shares, greeting)
        self.tell("sent", packet=sent.packet_id, kind=kind, total_fen=sent.total_fen, shares=shares)

    async def send_again(self, packet_id: int, group_id: int = 0) -> None:
        """Push my unfinished packet again, where it was (0) or to another group of mine."""
        again = await self.client.send_again(packet_id, group_id)
        self.tell("again", packet=packet_id, group=again.stream_id)

    async def tap(self, packet_id: int) -> messages.OpenPageShown:
        """The page that a tap on a packet shows, with a ticket if it may be opened."""
        page = cleaned(await self.client.open_page(packet_id, self.language))
        if page.result is not None:
            self._stands(packet_id, page.result)
        elif page.view in (GONE, EXPIRED):
            self.move(packet_id, page.view)
        return page

    async def open(self, packet_id: int, ticket: int = 0) -> messages.Opened:
        """Open a share, with the ticket of a tap; without one, or if it has lapsed, it is tapped first."""
        try:
            opened = await (self.client.open_with(packet_id, ticket) if ticket else self.client.open(packet_id))
        except NoTicket:
            opened = await self.client.open(packet_id)
        moves = {"won": CLAIMED, "claimed": CLAIMED, "gone": GONE, "expired": EXPIRED}
        if opened.answer in moves:
            self.move(packet_id, moves[opened.answer], opened.amount_fen)
        return opened

    async def result(self, packet_id: int, before_index: int = 0, watch: bool = False) -> messages.ResultPageBody:
        """Who got how much. `watch`: an event for each claim to come, until `stop_watching`."""
        shown = await self.client.result_page(packet_id, self.language, before_index, watch)
        page = cleaned(shown.page)
        self._stands(packet_id, page)
        return page

    async def stop_watching(self, packet_id: int) -> None:
        """No more events of claims."""
        await self.client.unsubscribe(packet_id)

    async def records(
        self, direction: str, year: int = 0, after: messages.RecordLine | None = None
    ) -> messages.RecordsShown:
        """What I sent or received in a year (0: this one), newest first, behind a line (None: from the top)."""
        at_ms, packet_id = (after.at_ms, after.packet_id) if after else (0, 0)
        shown = await self.client.records(direction, year, at_ms, packet_id)
        shown.lines = [cleaned(one) for one in shown.lines]
        for one in shown.lines:
            if not one.name and one.user_id in self.model.conversations:
                one.name = self.model.conversations[one.user_id].name
        return shown

    def _stands(self, packet_id: int, page: messages.ResultPageBody) -> None:
        """How a packet stands for me, read off its result page."""
        state = {"open": OPEN, "finished": GONE}.get(page.state, EXPIRED)
        self.move(packet_id, CLAIMED if page.amount_fen else state, page.amount_fen)

    def move(self, packet_id: int, state: str, amount_fen: int = 0) -> None:
        packet = self.model.packet(packet_id)
        if packet is not None and packet.move(state, amount_fen):
            self._tell_state(packet)

    def _tell_state(self, packet: Packet) -> None:
        self.tell("state", packet=packet.packet_id, state=packet.state, amount_fen=packet.amount_fen)

    def remove(self, stream_id: int) -> None:
        removed = self.model.remove(stream_id)
        if removed is not None:
            self.tell("removed", group=stream_id, name=removed.name)

    def tell_group(self, group_id: int) -> None:
        one = self.model.conversations[group_id]
        self.tell("group", group=group_id, name=one.name, owner=one.owner_id)

    def notice(self, packet_id: int, key: str, stream_id: int = 0, **fields: str) -> None:
        home = self.model.conversations.get(stream_id) or self.model.home_of(packet_id)
        if home is not None:
            home.add(Notice(key, fields))
