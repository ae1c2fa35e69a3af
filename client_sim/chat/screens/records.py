"""Records: what the user received and sent, year by year, newest first."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList

from client_sim.chat import packet_requests
from client_sim.chat.screens import drawing
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.paged_list import PagedList
from client_sim.chat.screens.widgets import BigAmount, Drawn, Keys
from client_sim.chat.texts import kind_text
from protocol import messages

OTHER = {"received": "sent", "sent": "received"}


class Records(PagedList[messages.RecordsShown]):
    """One side and one year at a time."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("tab,s,S", "side", show=False),
        Binding("left", "year(1)", show=False),
        Binding("right", "year(-1)", show=False),
    ]

    EMPTY = "records_empty"

    def compose(self) -> ComposeResult:
        with Vertical(classes="result wide"):
            with Vertical(id="band"):
                yield Drawn(id="sides")
            yield BigAmount(self.session.money.short(self.session.language, self.shown.total_fen))
            yield Drawn(id="summary")
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.draw()
        self.query_one(OptionList).focus()
        self.show_keys(("↵", "key_list"), ("Tab", "key_side"), ("←→", "key_year"))

    def draw(self) -> None:
        """Draw the sums of the year and all lines."""
        shown = self.shown
        sides = [
            (f" {self.text(f'records_{one}')} ", f"bold {GOLD} underline" if one == shown.direction else GOLD)
            for one in OTHER
        ]
        self.query_one("#sides", Drawn).draw(Content.assemble(sides[0], "    ", sides[1]))
        self.query_one(BigAmount).show(self.session.money.short(self.session.language, shown.total_fen))
        summary = self.text(
            f"records_{shown.direction}_sum", year=shown.year, count=shown.count, best=shown.best_lucks
        )
        self.query_one("#summary", Drawn).draw(Content.styled(summary, DIM))
        super().draw()

    def line_of(self, one: messages.RecordLine) -> Content:
        """From whom or to whom, what, when, how much."""
        opened = f"{one.opened}/{one.shares}"
        last = f" ♛ {self.text('best')}" if one.is_best else f" {opened}" if self.shown.direction == "sent" else ""
        amount = drawing.amount(self.session.money, self.session.language, one.amount_fen, 11)
        return Content.assemble(
            drawing.fit(f" {one.name or one.user_id}", 17),
            (drawing.fit(kind_text(self.session.language, one.packet_kind), 16), DIM),
            (drawing.fit(drawing.day(one.at_ms), 12), DIM),
            (amount, f"bold {GOLD}" if one.is_best else ""),
            (drawing.fit(last, 12), GOLD if one.is_best else DIM),
        )

    def action_side(self) -> None:
        """Switch between received and sent."""
        self.do(self._show(OTHER[self.shown.direction], self.shown.year))

    def action_year(self, step: int) -> None:
        """Go to an earlier (1) or later (-1) year with packets."""
        years = sorted({*self.shown.years, self.shown.year}, reverse=True)
        place = years.index(self.shown.year) + step
        if 0 <= place < len(years):
            self.do(self._show(self.shown.direction, years[place]))

    async def _show(self, direction: str, year: int) -> None:
        self.show_part(await packet_requests.records(self.session, direction, year))
        self.draw()

    async def older(self) -> messages.RecordsShown:
        """The packets of this year that are older than the last line."""
        return await packet_requests.records(self.session, self.shown.direction, self.shown.year, self.lines[-1])
