"""The page with the user's packets that wait for their time, where they are cancelled."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from client_sim.chat.everyday import later
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Event, Session
from client_sim.chat.texts import kind_text
from protocol import messages

CHANGES = frozenset(
    {"packet", "scheduled", "cancelled", "refund"}
)  # events after which the list may be another one


class ScheduledPage(Dialog):
    """A line for each packet. C cancels the one that is marked, when it is pressed again."""

    BINDINGS: ClassVar[list[Any]] = [Binding("c,C", "cancel", show=False)]

    def __init__(self, session: Session, navigator: Navigator, lines: list[messages.ScheduledLine]) -> None:
        super().__init__(session, navigator)
        self.lines = lines
        self._confirmed = 0  # the packet for which C was pressed once

    def compose(self) -> ComposeResult:
        with Vertical(classes="result wide"):
            with Vertical(id="band"):
                yield Drawn(Content.styled(self.text("scheduled_title"), f"bold {GOLD}"))
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._draw()
        self.query_one(OptionList).focus()

    def take_event(self, event: Event) -> None:
        """A packet was posted, cancelled, or there is a new one."""
        if event.word in CHANGES:
            self.do(self._refresh())

    def on_option_list_option_highlighted(self) -> None:
        """Another line is marked."""
        if self._confirmed != self._marked():
            self._confirmed = 0
            self._show_keys()

    def action_cancel(self) -> None:
        """Cancel the marked packet, at the second press."""
        marked = self._marked()
        if not marked:
            return
        if self._confirmed != marked:
            self._confirmed = marked
            self._show_keys()
            return
        self._confirmed = 0
        self.do(self._cancel(marked))

    def _marked(self) -> int:
        """The packet of the marked line; 0 without one."""
        place = self.query_one(OptionList).highlighted
        return self.lines[place].packet_id if place is not None and place < len(self.lines) else 0

    async def _cancel(self, packet_id: int) -> None:
        await later.cancel(self.session, packet_id)
        await self._refresh()

    async def _refresh(self) -> None:
        self.lines = await later.waiting(self.session)
        if self.is_attached and self.query(OptionList):  # closing takes the parts of a page one by one
            self._draw()

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        at = options.highlighted or 0
        options.clear_options()
        none = Option(Content.styled(f" {self.text('none_scheduled')}", DIM), disabled=True)
        options.add_options([Option(self._line(one)) for one in self.lines] or [none])
        options.highlighted = min(at, len(self.lines) - 1) if self.lines else None
        self._show_keys()

    def _line(self, one: messages.ScheduledLine) -> Content:
        """When, what, to whom, how much, with which greeting."""
        money, language = self.session.money, self.session.language
        return Content.assemble(
            (drawing.fit(f" {drawing.day(one.send_at_ms)}", 13), GOLD),
            (drawing.fit(kind_text(language, one.packet_kind), 17), DIM),
            drawing.fit(later.target_name(self.session, one), 14),
            drawing.amount(money, language, one.total_fen, 11),
            (drawing.fit(f"  {one.greeting}", 14), DIM),
        )

    def _show_keys(self) -> None:
        cancels = (("C", "key_cancel_now" if self._confirmed else "key_cancel"),) if self.lines else ()
        self.show_keys(*cancels)
