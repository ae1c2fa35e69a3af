"""Bind a card in three steps: its number; the holder's name and the phone; the code of the SMS and the password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content

from client_sim.chat.commands import BadCommand
from client_sim.chat.money import card_requests
from client_sim.chat.screens.dialog import Navigator
from client_sim.chat.screens.drawing import GOLD
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Session
from client_sim.sdk.methods.card_errors import CodeSpent
from protocol import messages

OnBound = Callable[[messages.CardLine, str], None]
NUMBER, HOLDER, CODE = 0, 1, 2
STEPS: Final = (("number",), ("holder", "phone"), ("code", "password", "again"))
DOES: Final = ("key_next_step", "key_code", "key_bind_now")  # Enter, by step
SIX: Final = 6


class BindSheet(Sheet):
    """`on_bound` gets the card and the password that was typed. `pays`: the amount the card then pays, or ""."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape", "back", show=False),
        Binding("f2", "code_again", show=False),
    ]
    SECRET = frozenset({"password", "again"})

    def __init__(self, session: Session, navigator: Navigator, on_bound: OnBound | None, pays: str = "") -> None:
        super().__init__(session, navigator)
        self.step = NUMBER
        self._on_bound, self._pays = on_bound, pays

    def compose(self) -> ComposeResult:
        with Vertical(classes="form bind"):
            yield Drawn(Content.styled(self.text("bind_title"), f"bold {GOLD}"), id="title")
            yield Drawn(id="about")
            for names in STEPS:
                yield from self.fields(*names)
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        for names in STEPS:
            for name in names:
                self.label(name, self.text(f"bind_{name}"))
        for name in STEPS[CODE]:
            self.field(name).max_length = SIX
        self._go(NUMBER)

    def _go(self, step: int) -> None:
        """Show the fields of a step, and begin with the first that is empty."""
        self.step = step
        offered = self.session.desk.offer
        sets_password = offered is None or offered.sets_password
        for place, names in enumerate(STEPS):
            for name in names:
                self.show_field(name, is_shown=place == step and (name != "again" or sets_password))
        about = self.text("bind_pays", amount=self._pays) if self._pays else ""
        if step == CODE and offered is not None:
            about = self.text("bind_card_of", bank=offered.bank, last4=offered.last4)
            self.label("password", self.text("bind_new_password" if sets_password else "bind_password"))
        self.query_one("#about", Drawn).draw(Content(about))
        (self._empty() or self.field(STEPS[step][0])).focus()
        does = "key_bind_and_pay" if step == CODE and self._pays else DOES[step]
        self.show_keys(("↵", does), *((("F2", "key_code_again"),) if step == CODE else ()))

    def _empty(self) -> Any:
        """The first field of this step without a value."""
        shown = [name for name in STEPS[self.step] if self.query_one(f"#{name}_row").display]
        return next((self.field(name) for name in shown if not self.value(name)), None)

    def on_input_submitted(self) -> None:
        """Enter: the next field, or the next step if all have a value."""
        if (empty := self._empty()) is not None:
            empty.focus()
        elif self.step == NUMBER:
            self._take_number()
        else:
            self.run(self._offer() if self.step == HOLDER else self._confirm())

    def _take_number(self) -> None:
        if is_card_number(self.value("number")):
            self.say("")
            self._go(HOLDER)
        else:
            self.say(self.text("bad_number"), is_error=True)

    async def _offer(self) -> None:
        offered = await card_requests.offer(
            self.session, self.value("number"), self.value("holder"), self.value("phone")
        )
        if self.is_attached:
            self.field("code").value = ""
            self.say(self.text("bind_sent", phone=offered.phone))
            self._go(CODE)

    async def _confirm(self) -> None:
        password = self.value("password")
        if not (len(password) == SIX and password.isascii() and password.isdigit()):
            raise BadCommand("bind_six_digits", "code")
        card = await card_requests.confirm(self.session, self.value("code"), password, self.value("again"))
        self.close()
        if self._on_bound is not None:
            self._on_bound(card, password)

    def action_code_again(self) -> None:
        """Another code. When the attempts of the first challenge are used up, the card is offered again."""
        if self.step == CODE:
            self.run(self._send_again())

    async def _send_again(self) -> None:
        try:
            offered = await card_requests.send_code_again(self.session)
        except CodeSpent:
            await self._offer()
            return
        self.field("code").value = ""
        self.say(self.text("bind_sent", phone=offered.phone))
        self._go(CODE)

    def action_back(self) -> None:
        """The step before; from the first one back to the page under it."""
        if self.step == NUMBER:
            self.dismiss()
        elif not self.is_busy:
            self.say("")
            self._go(self.step - 1)


def is_card_number(text: str) -> bool:
    """Whether a number can be that of a card: 12 to 19 digits, the last one fits the others (Luhn)."""
    digits = text.replace(" ", "").replace("-", "")
    if not (12 <= len(digits) <= 19 and digits.isascii() and digits.isdigit()):
        return False
    doubled = (int(one) * (1 + place % 2) for place, one in enumerate(reversed(digits)))
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0
