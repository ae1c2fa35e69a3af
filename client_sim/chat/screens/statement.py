"""The statement of the wallet: each change with its counterparty and the balance after it, newest first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from client_sim.chat import packet_requests
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.widgets import BigAmount, Drawn, Keys
from client_sim.chat.session import Session
from client_sim.chat.texts import money
from protocol import messages


class Statement(Dialog):
    """All changes that were fetched so far; the next page is fetched at the end of the list."""

    def __init__(self, session: Session, navigator: Navigator, page: messages.StatementPage) -> None:
        super().__init__(session, navigator)
        self.lines = list(page.lines)
        self._has_more = page.more
        self._is_fetching = False

    def compose(self) -> ComposeResult:
        balance_fen = self.lines[0].balance_fen if self.lines else self.session.model.balance_fen
        with Vertical(classes="result wide"):
            with Vertical(id="band"):
                yield Drawn(id="sides")
            yield BigAmount(money(self.session.language, balance_fen))
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one("#sides", Drawn).draw(Content.styled(self.text("statement_title"), f"bold {GOLD}"))
        self._draw()
        self.query_one(OptionList).focus()
        self.show_keys(("↵", "key_list"))

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        at = options.highlighted
        options.clear_options()
        none = Option(Content.styled(f" {self.text('statement_empty')}", DIM), disabled=True)
        options.add_options([Option(self._line(one)) for one in self.lines] or [none])
        options.highlighted = at or 0

    def _line(self, one: messages.StatementLine) -> Content:
        language = self.session.language
        sign = "+" if one.change_fen > 0 else "-"
        other = one.other_name or (str(one.other_id) if one.other_id else "")
        return Content.assemble(
            drawing.fit(f" {self.text(f'statement_{one.reason}')}", 14),
            (drawing.fit(other, 17), DIM),
            (drawing.fit(drawing.day(one.at_ms), 12), DIM),
            (drawing.fit(sign + money(language, abs(one.change_fen)), 12, right=True), GOLD if sign == "+" else ""),
            (drawing.fit(money(language, one.balance_fen), 12, right=True), DIM),
        )

    def on_option_list_option_highlighted(self, highlighted: OptionList.OptionHighlighted) -> None:
        """At the end of the list the next page is fetched."""
        if self._has_more and not self._is_fetching and highlighted.option_index == len(self.lines) - 1:
            self._is_fetching = True
            self.do(self._fetch_older())

    async def _fetch_older(self) -> None:
        try:
            older = await packet_requests.statement(self.session, self.lines[-1].version)
        finally:
            self._is_fetching = False
        self.lines += older.lines
        self._has_more = older.more
        self._draw()

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        """Show the result page of the packet that moved the money, if one did."""
        if packet_id := self.lines[selected.option_index].packet_id:
            self.do(self.navigator.show_result(packet_id))
