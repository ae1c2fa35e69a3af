"""The wallet screen: the balance, what is arriving, and what can be done with money on this server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from client_sim.chat.money import card_requests
from client_sim.chat.money.checkout import TOP_UP, TRANSFER, WITHDRAWAL, Payer
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.widgets import BigAmount, Drawn, Keys
from client_sim.chat.session import Event

WITH_A_BANK: Final = frozenset({"topup", "withdraw", "cards", "bind"})  # lines that other servers do not show
CHANGES: Final = frozenset({"balance", "bound", "unbound"})
DOES: Final[dict[str, Callable[[Navigator], Awaitable[None]]]] = {
    "send": lambda navigator: navigator.show_form(asks_receiver=True),
    "transfer": lambda navigator: navigator.show_money_form(TRANSFER),
    "topup": lambda navigator: navigator.show_money_form(TOP_UP),
    "withdraw": lambda navigator: navigator.show_money_form(WITHDRAWAL),
    "cards": lambda navigator: navigator.show_cards(),
    "bind": lambda navigator: navigator.show_bind(),
    "records": lambda navigator: navigator.show_records(),
    "statement": lambda navigator: navigator.show_statement(),
}


class WalletScreen(Dialog):
    """A line for each thing that can be done; Enter does it."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="result"):
            with Vertical(id="band"):
                yield Drawn(Content.styled(self.text("wallet_title"), f"bold {GOLD}"))
            yield BigAmount("")
            yield Drawn(id="summary")
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._draw()
        self.query_one(OptionList).focus()
        self.show_keys(("↵", "key_go"), ("↑↓", "key_choose_line"))

    @property
    def lines(self) -> list[str]:
        """What can be done here, in order."""
        payer = self.session.desk.payer or Payer()
        absent = "bind" if payer.cards else "cards"
        has_bank = payer.takes_cards or bool(payer.cards)
        return [name for name in DOES if name != absent and (has_bank or name not in WITH_A_BANK)]

    def _draw(self) -> None:
        model, money, language = self.session.model, self.session.money, self.session.language
        self.query_one(BigAmount).show(money.short(language, model.balance_fen))
        arriving = self.text("wallet_arriving", amount=money.short(language, model.arriving_fen))
        self.query_one("#summary", Drawn).draw(Content.styled(arriving if model.arriving_fen else "", DIM))
        options, count = self.query_one(OptionList), len((self.session.desk.payer or Payer()).cards)
        at = options.highlighted or 0
        options.clear_options()
        options.add_options(
            [Option(f" {self.text(f'wallet_{name}', count=count)}", id=name) for name in self.lines]
        )
        options.highlighted = min(at, len(self.lines) - 1)

    def take_event(self, event: Event) -> None:
        """The balance or the cards have changed."""
        if event.word in CHANGES and self.is_mounted:
            self.do(self._refresh())

    async def _refresh(self) -> None:
        await card_requests.learn(self.session)
        if self.is_attached and self.query(BigAmount):  # a screen that closes loses its parts first
            self._draw()

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        """Do what the line says."""
        self.do(self._go(str(selected.option_id)))

    async def _go(self, name: str) -> None:
        await DOES[name](self.navigator)
