"""The result page: my amount, the summary, and the list of who got how much, live while people open."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Digits, OptionList
from textual.widgets.option_list import Option

from client_sim.chat import drawing
from client_sim.chat.drawing import CREAM, DIM, GOLD
from client_sim.chat.screens.dialog import Dialog
from client_sim.chat.session import Event, Session
from client_sim.chat.widgets import Drawn, Keys
from client_sim.sdk.money import yuan
from protocol import messages

REFRESH_S = 0.3  # how soon the summary follows the list
NAME_WIDTH, WHEN_WIDTH, AMOUNT_WIDTH = 16, 14, 10


class ResultPage(Dialog):
    """As the server computed it. While it is open, claims to come are pushed to it."""

    BINDINGS: ClassVar[list[Any]] = [Binding("a,A", "again", show=False), Binding("r,R", "records", show=False)]

    def __init__(self, session: Session, packet_id: int, page: messages.ResultPageBody) -> None:
        super().__init__(session)
        self.packet_id = packet_id
        self.page = page
        self.claims = {one.index: one for one in page.claims}
        self._more = page.more
        self._is_fetching = False
        self._refresh_due = False
        self._is_sure = False

    def compose(self) -> ComposeResult:
        page = self.page
        with Vertical(classes="result"):
            with Vertical(id="band"):
                name = self.text("from", name=page.sender_name or page.sender_id)
                yield Drawn(Content.styled(name, f"bold {GOLD}"))
                yield Drawn(Content.styled(page.greeting, CREAM))
            if page.amount_fen:
                yield Digits(yuan(page.amount_fen), id="amount")
            yield Drawn(id="note")
            yield Drawn(id="summary")
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._draw()
        self.query_one(OptionList).focus()

    def on_unmount(self) -> None:
        self.do(self.session.stop_watching(self.packet_id))

    def heard(self, event: Event) -> None:
        """A claim of this packet appears; its end marks the best luck."""
        fields: dict[str, Any] = dict(event.fields)
        if event.word == "online":  # a new connection watches nothing
            self._refresh_soon()
        if fields.get("packet") != self.packet_id:
            return
        if event.word == "seen":
            line = (fields[name] for name in ("index", "user", "name", "amount_fen", "at_ms", "when"))
            self._add([messages.ResultLine(*line)])
        if event.word in ("seen", "finished", "refund") and not self._refresh_due:
            self._refresh_due = True
            self.set_timer(REFRESH_S, self._refresh_soon)

    def _refresh_soon(self) -> None:
        self._refresh_due = False
        self.do(self._refresh())

    async def _refresh(self) -> None:
        self.page = await self.session.result(self.packet_id, watch=True)
        self._add(self.page.claims)

    def _add(self, claims: list[messages.ResultLine]) -> None:
        self.claims.update((one.index, one) for one in claims)
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        page = self.page
        self.query_one("#note", Drawn).draw(Content.styled(page.note, GOLD))
        self.query_one("#note", Drawn).display = bool(page.note)
        self.query_one("#summary", Drawn).draw(Content.styled(page.summary, DIM))
        options = self.query_one(OptionList)
        at, where = options.highlighted, options.scroll_offset
        options.clear_options()
        if page.shows_list:
            lines = [self._line(self.claims[index]) for index in sorted(self.claims, reverse=True)]
            options.add_options([Option(line) for line in lines])
            options.highlighted = at if lines else None
            options.scroll_to(y=where.y, animate=False)
        keys = [("A", "key_again_sure" if self._is_sure else "key_again")] if page.button else []
        self.show_keys(*keys, link=("R", page.link) if page.link else None)

    def _line(self, one: messages.ResultLine) -> Content:
        is_best = one.index == self.page.best_index
        name = drawing.fit(f" {one.name or one.user_id}", NAME_WIDTH)
        amount = drawing.fit(f"¥{yuan(one.amount_fen)}", AMOUNT_WIDTH, right=True)
        best = f"  ♛ {self.text('best')}" if is_best else ""
        return Content.assemble(
            (name, drawing.name_colour(one.user_id)),
            (drawing.fit(one.when, WHEN_WIDTH), DIM),
            (amount, f"bold {GOLD}" if is_best else ""),
            (best, f"bold {GOLD}"),
        )

    def on_option_list_option_highlighted(self, highlighted: OptionList.OptionHighlighted) -> None:
        """At the end of the list the next page is fetched."""
        if self._more and not self._is_fetching and highlighted.option_index == len(self.claims) - 1:
            self._is_fetching = True
            self.do(self._fetch_older())

    async def _fetch_older(self) -> None:
        try:
            page = await self.session.result(self.packet_id, min(self.claims))
        finally:
            self._is_fetching = False
        self._more = page.more
        self._add(page.claims)

    def action_again(self) -> None:
        """继续发送此红包, when pressed a second time: everybody sees it."""
        if self.page.button and self._is_sure:
            self.do(self.session.send_again(self.packet_id))
            self.dismiss()
        elif self.page.button:
            self._is_sure = True
            self._draw()

    def action_records(self) -> None:
        """查看我的红包记录."""
        if self.page.link:
            self.dismiss()
            self.do(self.chat.show_records())
