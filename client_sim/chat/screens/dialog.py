"""What all pages over the conversation have in common."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.binding import Binding
from textual.screen import ModalScreen

from client_sim.chat.session import Event, Session
from client_sim.chat.texts import text
from client_sim.chat.widgets import Keys

if TYPE_CHECKING:
    from client_sim.chat.app import ChatApp


READ_PAUSE_S = 0.4  # nobody has read a page that soon: letters pressed by then were meant for the line below


class Dialog(ModalScreen[None]):
    """A page over the conversation; Esc closes it."""

    KEYS: ClassVar[list[tuple[str, str]]] = [("Esc", "key_back")]
    BINDINGS: ClassVar[list[Any]] = [Binding("escape", "dismiss", show=False)]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._deaf_until_s = time.monotonic() + READ_PAUSE_S
        self._is_typed_on = False

    def on_key(self, key: events.Key) -> None:
        """Who types on while the page appears goes unheard until they pause, with the Enter behind it."""
        is_typing = key.is_printable or (self._is_typed_on and key.key == "enter")
        if is_typing and time.monotonic() < self._deaf_until_s:
            key.stop()
            self._is_typed_on = True
            self._deaf_until_s = time.monotonic() + READ_PAUSE_S

    @property
    def chat(self) -> ChatApp:
        """The app it belongs to."""
        return cast("ChatApp", self.app)

    def heard(self, event: Event) -> None:
        """Something happened while this page is open."""

    def text(self, key: str, **fields: object) -> str:
        """A text of the client in the session's language."""
        return text(self.session.language, key, **fields)

    def show_keys(self, *keys: tuple[str, str], link: tuple[str, str] | None = None) -> None:
        """Say which keys do something now: a key and the name of its text; of a link, the server's own words."""
        named = [(key, self.text(name)) for key, name in (*keys, *self.KEYS)]
        self.query_one(Keys).show([link, *named] if link else named)

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the background; what goes wrong becomes a toast."""
        self.chat.do(work)
