"""A new pay password: by a code to a card, or the first one of a user without a card."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content

from client_sim.chat.money import password_requests
from client_sim.chat.money.checkout import Payer
from client_sim.chat.screens.dialog import Navigator
from client_sim.chat.screens.drawing import GOLD
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Session

NAMES = ("code", "password", "again")


class PasswordSheet(Sheet):
    """With a card it begins with a code that is sent to the card's phone."""

    BINDINGS: ClassVar[list[Any]] = [Binding("f2", "code_again", show=False)]
    SECRET = frozenset({"password", "again"})

    def __init__(self, session: Session, navigator: Navigator) -> None:
        super().__init__(session, navigator)
        self._by_code = (session.desk.payer or Payer()).has_password

    def compose(self) -> ComposeResult:
        with Vertical(classes="form small"):
            yield Drawn(Content.styled(self.text("bind_new_password"), f"bold {GOLD}"), id="title")
            yield from self.fields(*NAMES)
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        for name in NAMES:
            self.label(name, self.text(f"bind_{name}"))
            self.field(name).max_length = 6
        self.show_field("code", is_shown=self._by_code)
        self.field("code" if self._by_code else "password").focus()
        self.show_keys(("↵", "key_set"), *((("F2", "key_code_again"),) if self._by_code else ()))
        self.action_code_again()

    def action_code_again(self) -> None:
        """Send a code, the first or another one."""
        if self._by_code:
            self.run(self._ask())

    async def _ask(self) -> None:
        await password_requests.ask_reset(self.session)
        if self.is_attached:
            phone = (self.session.desk.payer or Payer()).cards[0].phone
            self.say(self.text("bind_sent", phone=phone))

    def on_input_submitted(self) -> None:
        """Enter: the next empty field, or set it."""
        shown = NAMES if self._by_code else NAMES[1:]
        empty = next((name for name in shown if not self.value(name)), None)
        if empty is not None:
            self.field(empty).focus()
        else:
            self.run(self._set())

    async def _set(self) -> None:
        code, new, again = map(self.value, NAMES)
        if self._by_code:
            await password_requests.reset(self.session, code, new, again)
        else:
            await password_requests.replace(self.session, "", new, again)
        self.close()
