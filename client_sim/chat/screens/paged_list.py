"""A page over the conversation with a list that grows: its next part is fetched at its end."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Protocol, TypeVar

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import DIM
from client_sim.chat.session import Session


class Part(Protocol):
    """A part of a list as the server tells it. Each line has a `packet_id`, 0 without a packet."""

    lines: list[Any]
    more: bool


Shown = TypeVar("Shown", bound=Part)


class PagedList(Dialog, Generic[Shown]):
    """The lines that were fetched so far, and the last part of them. Enter shows the result page of a packet."""

    EMPTY: ClassVar[str]  # the name of the text that a list without lines shows

    def __init__(self, session: Session, navigator: Navigator, shown: Shown) -> None:
        super().__init__(session, navigator)
        self.show_part(shown)
        self._is_fetching = False

    def show_part(self, shown: Shown) -> None:
        """Begin with this part; the lines before are dropped."""
        self.shown = shown
        self.lines = list(shown.lines)

    def line_of(self, one: Any) -> Content:
        """One line as it is drawn."""
        raise NotImplementedError

    async def older(self) -> Shown:
        """The part behind the last line. Raises ClientError."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw all lines."""
        options = self.query_one(OptionList)
        at = options.highlighted
        options.clear_options()
        none = Option(Content.styled(f" {self.text(self.EMPTY)}", DIM), disabled=True)
        options.add_options([Option(self.line_of(one)) for one in self.lines] or [none])
        options.highlighted = at or 0

    def on_option_list_option_highlighted(self, highlighted: OptionList.OptionHighlighted) -> None:
        """At the end of the list the next part is fetched."""
        if self.shown.more and not self._is_fetching and highlighted.option_index == len(self.lines) - 1:
            self._is_fetching = True
            self.do(self._fetch_older())

    async def _fetch_older(self) -> None:
        before = self.shown
        try:
            older = await self.older()
        finally:
            self._is_fetching = False
        if self.shown is before:  # no other list was begun in the meantime
            self.shown = older
            self.lines += older.lines
            self.draw()

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        """Show the result page of the packet of this line, if it has one."""
        if packet_id := self.lines[selected.option_index].packet_id:
            self.do(self.navigator.show_result(packet_id))
