"""The bank cards of the user: bind another one, unbind one."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from client_sim.chat.money import card_requests
from client_sim.chat.money.checkout import Payer
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Event, Session
from protocol import messages

CHANGES = frozenset({"bound", "unbound"})  # events after which there are other cards


class CardsPage(Dialog):
    """One line for each card, then the line that binds another one."""

    BINDINGS: ClassVar[list[Any]] = [Binding("u,U,delete", "unbind", show=False)]

    def compose(self) -> ComposeResult:
        with Vertical(classes="result"):
            with Vertical(id="band"):
                yield Drawn(Content.styled(self.text("cards_title"), f"bold {GOLD}"))
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._draw()
        self.query_one(OptionList).focus()
        self.show_keys(("↵", "key_bind"), ("U", "key_unbind"))

    @property
    def cards(self) -> tuple[messages.CardLine, ...]:
        """The cards as they are known."""
        return (self.session.desk.payer or Payer()).cards

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        lines = [self._line(one) for one in self.cards]
        lines = lines or [Content.styled(f" {self.text('cards_empty')}", DIM)]
        options.add_options([Option(one) for one in lines])
        options.add_option(Option(Content.styled(f" + {self.text('wallet_bind')}", GOLD)))
        options.highlighted = 0 if self.cards else 1

    def _line(self, one: messages.CardLine) -> Content:
        name = self.text("pay_card", bank=one.bank, last4=one.last4)
        return Content.assemble(
            drawing.fit(f" {name}", 26), (drawing.fit(one.holder, 12), DIM), (drawing.fit(one.phone, 16), DIM)
        )

    def take_event(self, event: Event) -> None:
        """Another card, or one less."""
        if event.word in CHANGES and self.is_mounted:
            self.do(self._refresh())

    async def _refresh(self) -> None:
        await card_requests.learn(self.session)
        if self.is_attached:
            self._draw()

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        """The last line binds a card."""
        if selected.option_index >= len(self.cards):
            self.do(self.navigator.show_bind())

    def action_unbind(self) -> None:
        """Unbind the card of this line, with the pay password."""
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self.cards):
            self.app.push_screen(UnbindSheet(self.session, self.navigator, self.cards[place]))


class UnbindSheet(Sheet):
    """Asks for the pay password."""

    SECRET = frozenset({"password"})

    def __init__(self, session: Session, navigator: Navigator, card: messages.CardLine) -> None:
        super().__init__(session, navigator)
        self.card = card

    def compose(self) -> ComposeResult:
        title = self.text("unbind_title", bank=self.card.bank, last4=self.card.last4)
        with Vertical(classes="form small"):
            yield Drawn(Content.styled(title, f"bold {GOLD}"), id="title")
            yield from self.fields("password")
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.label("password", self.text("pay_password"))
        self.field("password").max_length = 6
        self.field("password").focus()
        self.show_keys(("↵", "key_unbind"))

    def on_input_submitted(self) -> None:
        """Unbind it, once."""
        self.run(self._unbind())

    async def _unbind(self) -> None:
        await card_requests.unbind(self.session, self.card, self.value("password"))
        self.close()
