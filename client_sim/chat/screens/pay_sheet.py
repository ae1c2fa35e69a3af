"""The pay sheet: what is paid, the ways to pay it, the pay password; from here a card is bound that pays."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content

from client_sim.chat.commands import BadCommand
from client_sim.chat.money import payments
from client_sim.chat.money.checkout import NEW_CARD, WALLET, Payer, Payment, Way, first_way, ways_of
from client_sim.chat.screens.dialog import Navigator
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.password_sheet import PasswordSheet
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Event, Session
from client_sim.sdk.errors import ClientError, Refusal
from protocol import messages

PASSWORD_REFUSALS = frozenset({"password_wrong", "password_locked", "password_needed"})


class PaySheet(Sheet):
    """Pays one payment; closes itself when it is paid, here or by a command."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("up,shift+tab", "way(-1)", show=False, priority=True),
        Binding("down,tab", "way(1)", show=False, priority=True),
        Binding("enter", "pay", show=False),
        Binding("f3", "forgot", show=False),
    ]
    SECRET = frozenset({"password"})

    def __init__(self, session: Session, navigator: Navigator, payment: Payment) -> None:
        super().__init__(session, navigator)
        self.payment = payment
        self.ways = self._ways()
        self.chosen = first_way(self.ways)

    def _ways(self) -> list[Way]:
        return ways_of(self.payment.order, self.session.desk.payer or Payer(), self.session.model.balance_fen)

    def compose(self) -> ComposeResult:
        with Vertical(classes="form pay"):
            yield Drawn(Content.styled(self._what(), f"bold {GOLD}"), id="title")
            yield Drawn(Content.styled(self._amount(self.payment.order.total_fen), f"bold {GOLD}"), id="costs")
            yield Drawn(id="ways")
            yield from self.fields("password")
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.label("password", self.text("pay_password"))
        self.field("password").max_length = 6
        self._draw()
        if self.payment.waits_for_card:
            self._bind()

    def _what(self) -> str:
        order = self.payment.order
        return self.text(f"pay_{order.what}", name=self.session.model.names[order.target_id])

    def _amount(self, amount_fen: int) -> str:
        return self.session.money.short(self.session.language, amount_fen)

    def _draw(self) -> None:
        lines = [self._line(place, way) for place, way in enumerate(self.ways)]
        self.query_one("#ways", Drawn).draw(Content("\n").join(lines))
        needs_password = self.ways[self.chosen].needs_password
        self.show_field("password", is_shown=needs_password)
        if needs_password:
            self.field("password").focus()
        else:
            self.set_focus(None)
        pays = "key_bind" if self.ways[self.chosen].name == NEW_CARD else "key_pay"
        keys = [("↵", pays)]
        if len(self.ways) > 1:
            keys.append(("↑↓", "key_way"))
        if needs_password:
            has_password = (self.session.desk.payer or Payer()).has_password
            keys.append(("F3", "key_forgot" if has_password else "key_set_first"))
        self.show_keys(*keys)

    def _line(self, place: int, way: Way) -> Content:
        if way.card is not None:
            words = self.text("pay_card", bank=way.card.bank, last4=way.card.last4)
        elif way.name == WALLET:
            key = "pay_wallet_short" if way.is_short else "pay_by_wallet"
            words = self.text(key, amount=self._amount(self.session.model.balance_fen))
        else:
            words = self.text("pay_new_card")
        is_chosen = place == self.chosen
        return Content.styled(f" {'●' if is_chosen else '○'} {words}", GOLD if is_chosen else DIM)

    def action_way(self, step: int) -> None:
        """Choose the way above (-1) or below (1)."""
        if not self.is_busy:
            self.chosen = min(max(self.chosen + step, 0), len(self.ways) - 1)
            self.say("")
            self._draw()

    def on_input_submitted(self) -> None:
        """Enter in the field of the password."""
        self.action_pay()

    def action_pay(self) -> None:
        """Pay in the chosen way, once."""
        way = self.ways[self.chosen]
        if way.name == NEW_CARD:
            self._bind()
        else:
            self.run(self._pay(way.card_id, self.value("password") if way.needs_password else ""))

    async def _pay(self, card_id: int, password: str) -> None:
        self.say(self.text("pay_asking"))
        await payments.pay(self.session, self.payment, card_id, password)

    def refused(self, error: BadCommand | ClientError) -> None:
        """A password that was refused is typed again."""
        if isinstance(error, Refusal) and error.name in PASSWORD_REFUSALS:
            self.field("password").value = ""

    def action_forgot(self) -> None:
        """Set the password again."""
        if self.ways[self.chosen].needs_password and not self.is_busy:
            self.app.push_screen(PasswordSheet(self.session, self.navigator))

    def _bind(self) -> None:
        self.do(self.navigator.show_bind(self._bound, self._amount(self.payment.order.total_fen)))

    def _bound(self, card: messages.CardLine, password: str) -> None:
        """A card was bound from here: it pays, by the password that was typed there."""
        self.payment.waits_for_card = False
        self.ways = self._ways()
        found = (place for place, way in enumerate(self.ways) if way.card_id == card.card_id)
        self.chosen = next(found, self.chosen)
        self._draw()
        self.run(self._pay(card.card_id, password))

    def take_event(self, event: Event) -> None:
        """It is paid, or its outcome is not known yet, or the balance has changed."""
        if self.payment.is_paid:
            self.close_if_paid()
        elif event.word == "unknown_yet" and self.is_busy:
            self.say(self.text("pay_unknown"))
        elif event.word in ("balance", "password_set") and self.is_mounted:
            self.ways = self._ways()
            self.chosen = min(self.chosen, len(self.ways) - 1)
            self._draw()

    def on_screen_resume(self) -> None:
        """The page above was closed."""
        self.close_if_paid()

    def close_if_paid(self) -> None:
        """Close, unless another page is above."""
        if self.payment.is_paid:
            self.close()

    def on_unmount(self) -> None:
        """The user does not want to pay it now."""
        super().on_unmount()
        if self.session.desk.payment is self.payment:
            self.session.desk.payment = None
