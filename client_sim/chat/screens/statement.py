"""The statement of the wallet: each change with its counterparty and the balance after it, newest first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList

from client_sim.chat import packet_requests
from client_sim.chat.screens import drawing
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.paged_list import PagedList
from client_sim.chat.screens.widgets import BigAmount, Drawn, Keys
from protocol import messages


class Statement(PagedList[messages.StatementPage]):
    """All changes that were fetched so far."""

    EMPTY = "statement_empty"

    def compose(self) -> ComposeResult:
        balance_fen = self.lines[0].balance_fen if self.lines else self.session.model.balance_fen
        with Vertical(classes="result wide"):
            with Vertical(id="band"):
                yield Drawn(id="sides")
            yield BigAmount(self.session.money.short(self.session.language, balance_fen))
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one("#sides", Drawn).draw(Content.styled(self.text("statement_title"), f"bold {GOLD}"))
        self.draw()
        self.query_one(OptionList).focus()
        self.show_keys(("↵", "key_list"))

    def line_of(self, one: messages.StatementLine) -> Content:
        """What happened, with whom, when, by how much, and the balance then."""
        language, money = self.session.language, self.session.money
        sign = "+" if one.change_fen > 0 else "-"
        other = one.other_name or (str(one.other_id) if one.other_id else "")
        return Content.assemble(
            drawing.fit(f" {self.text(f'statement_{one.reason}')}", 14),
            (drawing.fit(other, 17), DIM),
            (drawing.fit(drawing.day(one.at_ms), 12), DIM),
            (drawing.amount(money, language, abs(one.change_fen), 12, sign), GOLD if sign == "+" else ""),
            (drawing.amount(money, language, one.balance_fen, 12), DIM),
        )

    async def older(self) -> messages.StatementPage:
        """The changes before the last line."""
        return await packet_requests.statement(self.session, self.lines[-1].version)
