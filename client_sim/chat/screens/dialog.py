"""What all pages over the conversation have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Protocol

from textual import events
from textual.binding import Binding
from textual.screen import ModalScreen

from client_sim.chat.screens.widgets import Keys
from client_sim.chat.session import Event, Session
from client_sim.chat.texts import text
from protocol import messages

READ_PAUSE_S = 0.4  # a page cannot be read sooner: letters pressed before were meant for the line under it


class Navigator(Protocol):
    """How a page opens other pages and runs requests."""

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; an error becomes a toast."""

    async def tap(self, packet_id: int) -> None:
        """Open the page of a tap."""

    async def show_result(self, packet_id: int) -> None:
        """Open a result page."""

    async def show_records(self) -> None:
        """Open the records."""

    async def show_statement(self) -> None:
        """Open the statement."""

    async def show_scheduled(self) -> None:
        """Open the packets that wait for their time."""

    async def show_form(self, *, asks_receiver: bool = False) -> None:
        """Open the form to send a packet."""

    async def show_next(self) -> None:
        """Open the form for the packet that it is the user's turn to send. Raises BadCommand without a turn."""

    async def show_wallet(self) -> None:
        """Open the wallet screen."""

    async def show_money_form(self, what: str) -> None:
        """Open the form to top up, to withdraw or to transfer."""

    async def show_cards(self) -> None:
        """Open the cards."""

    async def show_bind(
        self, on_bound: Callable[[messages.CardLine, str], None] | None = None, pays: str = ""
    ) -> None:
        """Open the sheet that binds a card."""


class Dialog(ModalScreen[None]):
    """A page over the conversation; Esc closes it."""

    KEYS: ClassVar[list[tuple[str, str]]] = [("Esc", "key_back")]
    BINDINGS: ClassVar[list[Any]] = [Binding("escape", "dismiss", show=False)]

    def __init__(self, session: Session, navigator: Navigator) -> None:
        super().__init__()
        self.session = session
        self.navigator = navigator
        self._ignores_keys_until_s = time.monotonic() + READ_PAUSE_S
        self._is_typing_on = False

    def on_key(self, key: events.Key) -> None:
        """Ignore letters typed while the page appears, until there is a pause, and the Enter after them."""
        is_typing = key.is_printable or (self._is_typing_on and key.key == "enter")
        if is_typing and time.monotonic() < self._ignores_keys_until_s:
            key.stop()
            self._is_typing_on = True
            self._ignores_keys_until_s = time.monotonic() + READ_PAUSE_S

    def take_event(self, event: Event) -> None:
        """Something happened while this page is open."""

    def text(self, key: str, **fields: object) -> str:
        """A text of the client in the session's language."""
        return text(self.session.language, key, **fields)

    def show_keys(self, *keys: tuple[str, str], server: tuple[tuple[str, str], ...] = ()) -> None:
        """Show which keys do something now: the server's buttons and links in its words, then keys by text name."""
        named = [(key, self.text(name)) for key, name in (*keys, *self.KEYS)]
        self.query_one(Keys).show([*server, *named])

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; an error becomes a toast."""
        self.navigator.do(work)
