"""One user's chat, without a screen: the client, the model, and the events that say what changed.

`lifecycle.run` connects a session and takes in pushes; `packet_requests` and `group_requests` are what the user can
ask for. The app draws the model when it gets an event; plain mode prints the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeVar

from client_sim.chat.campaigns.shaking import Shaking
from client_sim.chat.clean import clean_unit
from client_sim.chat.model import CLAIMED, EXPIRED, GONE, OPEN, Model, Notice, Packet
from client_sim.chat.money.checkout import Desk
from client_sim.sdk.backoff import patiently
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from client_sim.sdk.money import YUAN, MoneyUnit
from protocol import messages

Fields = Mapping[str, str | int | bool]
Answer = TypeVar("Answer")
PATIENCE_S: Final = 10.0  # for what is refused for a moment: at the start, and when something is read


class Event(NamedTuple):
    """Something that happened. `word` is stable; amounts are fen."""

    word: str
    fields: Fields


class Start(NamedTuple):
    """How to start: the name that others see ("": unchanged), the group to enter (0: any), zh or en.

    `invite`: the code of a group to join and to enter; "" none.
    """

    name: str = ""
    group_id: int = 0
    language: str = "en"
    invite: str = ""


class Session:
    """The model of one user and every change of it. `on_event` is called with each event."""

    def __init__(self, client: Client, on_event: Callable[[Event], None], start: Start | None = None) -> None:
        self.start = start or Start()
        self.client = client
        self.model = Model(client.user_id)
        self.desk = Desk()
        self.campaigns: list[messages.CampaignLine] = []  # that the user may shake in, as they were told last
        self.shaking: Shaking | None = None  # the one that was shaken in last
        self.money: MoneyUnit = YUAN  # until the login names that of the server
        self.language = self.start.language
        self.name = self.start.name
        self.last_linked = 0  # the packet that a friend's link has led to
        self.wallet_version = 0  # of the last change whose packet is known
        self.has_received = True  # a packet, ever; as long as it is not known, no hint says that it is the first
        self.is_online = False
        self.is_ready = asyncio.Event()
        self._on_event = on_event
        self._welcome: messages.Welcome | None = None

    def emit(self, word: str, **fields: str | int | bool) -> None:
        """Report what happened."""
        self._on_event(Event(word, fields))

    def now_ms(self) -> int:
        """By the clock of this machine."""
        return int(time.time() * 1000)

    async def patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask for what may be asked twice, and again while it is refused for a moment. Raises ClientError."""
        return await patiently(ask, PATIENCE_S)

    def look_online(self) -> None:
        """Report a change between online and offline."""
        if self.client.is_connected != self.is_online:
            self.is_online = self.client.is_connected
            self.emit("online" if self.is_online else "offline")

    # --- names ------------------------------------------------------------------------------------------------

    async def learn_names(self, user_ids: list[int], again: bool = False) -> None:
        """Fetch the names of these users; `again`: also of those that are known."""
        missing = list(dict.fromkeys(user_ids)) if again else self.model.names.missing(user_ids)
        for first in range(0, len(missing), messages.NAMES_MAX):
            some = missing[first : first + messages.NAMES_MAX]
            with contextlib.suppress(ClientError):  # ids are shown instead, and the next call asks again
                found = await self.patiently(partial(self.client.names, some))
                for user_id, name in zip(some, found.names, strict=True):
                    self.model.names.learn(user_id, name)

    async def name_of(self, user_id: int) -> str:
        """The name of a user, fetched if it is not known."""
        await self.learn_names([user_id])
        return self.model.names[user_id]

    # --- conversations ----------------------------------------------------------------------------------------

    def take_wallet(self, balance_fen: int, arriving_fen: int, change_fen: int, reason: str) -> None:
        """What is in the wallet and what is arriving, after a change or an answer."""
        self.model.balance_fen, self.model.arriving_fen = balance_fen, arriving_fen
        fen = {"balance_fen": balance_fen, "change_fen": change_fen, "arriving_fen": arriving_fen}
        self.emit("balance", reason=reason, **fen)

    def take_login(self) -> None:
        """After a new login: it tells the balance and the conversations, which may have changed while offline."""
        welcome = self.client.welcome
        if welcome is None or welcome is self._welcome:
            return
        if self._welcome is None:  # later ones: the changes since then come as MissedChanges
            self.wallet_version = welcome.balance_version
        self._welcome, self.desk.payer = welcome, None
        self.money = clean_unit(welcome.money_unit)
        self.take_wallet(welcome.balance_fen, welcome.arriving_fen, 0, "login")
        for place in welcome.places:
            if self.model.add(place) and place.stream_id != self.model.user_id:
                self._emit_group(place.stream_id)
        listed = {place.stream_id for place in welcome.places}
        for stream_id in [one for one in self.model.conversations if one not in listed]:
            self.remove_conversation(stream_id)

    def add_conversation(self, place: messages.StreamPosition) -> None:
        """This user is in a group."""
        self.model.add(place)
        self._emit_group(place.stream_id)

    def remove_conversation(self, stream_id: int) -> None:
        """This user is in a group no longer."""
        removed = self.model.remove(stream_id)
        if removed is not None:
            self.emit("removed", group=stream_id, name=removed.name)

    def _emit_group(self, group_id: int) -> None:
        one = self.model.conversations[group_id]
        self.emit("group", group=group_id, name=one.name, owner=one.owner_id)

    def add_notice(self, packet_id: int, notice: Notice, stream_id: int = 0) -> None:
        """Put a notice into this conversation, or into the one with the packet's card."""
        home = self.model.conversations.get(stream_id) or self.model.home_of(packet_id)
        if home is not None:
            home.add(notice)

    # --- packets ----------------------------------------------------------------------------------------------

    def move_packet(self, packet_id: int, state: str, amount_fen: int = 0) -> None:
        """The state of a packet for this user."""
        packet = self.model.packet(packet_id)
        if packet is not None and packet.move(state, amount_fen):
            self._emit_state(packet)

    def take_result(self, packet_id: int, page: messages.ResultPageBody) -> None:
        """The state of a packet for this user, from its result page."""
        state = {"open": OPEN, "finished": GONE}.get(page.state, EXPIRED)
        self.move_packet(packet_id, CLAIMED if page.amount_fen else state, page.amount_fen)

    def take_claims(self, entries: list[messages.EntryLine]) -> None:
        """Changes of the wallet: a packet that a claim came from was opened, in this session or in another one."""
        for entry in entries:
            self.wallet_version = max(self.wallet_version, entry.version)
            if entry.reason == "claim":
                self.move_packet(entry.packet_id, CLAIMED, entry.change_fen)
                if not self.has_received:
                    self.has_received = True
                    self.emit("first_packet", packet=entry.packet_id, amount_fen=entry.change_fen)

    def expire_packets(self) -> None:
        """Report the packets whose time is over."""
        for packet in self.model.expire(self.now_ms()):
            self._emit_state(packet)

    def _emit_state(self, packet: Packet) -> None:
        self.emit("state", packet=packet.packet_id, state=packet.state, amount_fen=packet.amount_fen)
