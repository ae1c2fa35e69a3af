"""The forms to top up, to withdraw and to transfer. How it is paid is asked on the pay sheet."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from client_sim.chat.commands import BadCommand
from client_sim.chat.money import payments
from client_sim.chat.money.checkout import TOP_UP, TRANSFER, WITHDRAWAL, Order, Payment
from client_sim.chat.screens.dialog import Navigator
from client_sim.chat.screens.drawing import GOLD
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Event, Session
from client_sim.chat.users import find_user

FIELDS: Final = {TOP_UP: ("amount",), WITHDRAWAL: ("amount",), TRANSFER: ("user", "amount", "text")}


class MoneyForm(Sheet):
    """`what` is topup, withdraw or transfer."""

    def __init__(self, session: Session, navigator: Navigator, what: str) -> None:
        super().__init__(session, navigator)
        self.what = what
        self._payment: Payment | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="form small"):
            yield Drawn(Content.styled(self.text(f"form_title_{self.what}"), f"bold {GOLD}"), id="title")
            yield from self.fields(*FIELDS[self.what])
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        for name in FIELDS[self.what]:
            self.label(name, self.text(f"form_{name}"))
        self.field("amount").placeholder = self.session.money.typed(0)
        self.field(FIELDS[self.what][0]).focus()
        self.show_keys(("↵", "form_next"), *((("↑↓", "key_choose_field"),) if self.what == TRANSFER else ()))

    def on_input_submitted(self) -> None:
        """Go on, once."""
        self.run(self._go_on())

    async def _go_on(self) -> None:
        try:
            amount_fen = self.session.money.parse(self.value("amount"))
        except ValueError:
            raise BadCommand("not_understood", self.what, self.value("amount")) from None
        order = Order(self.what, amount_fen, amount_fen)
        if self.what == TRANSFER:
            if not self.value("user"):
                raise BadCommand("no_receiver", self.what)
            user_id = await find_user(self.session, self.value("user"))
            order = order._replace(target_id=user_id, text=self.value("text"))
        self.say("")
        if self._payment is None or self._payment.order != order:
            self._payment = self.session.desk.payment_of(order)
        await payments.begin(self.session, order, self._payment)
        self.on_screen_resume()

    def take_event(self, event: Event) -> None:
        """It may be paid."""
        self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """Close when it is paid, unless another page is above."""
        if self._payment is not None and self._payment.is_paid:
            self.close()
