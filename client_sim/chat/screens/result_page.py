"""The result page: the user's amount, the summary, and the list of claims, which grows while users open."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from client_sim.chat import packet_requests, targets
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import CREAM, DIM, GOLD
from client_sim.chat.screens.widgets import BigAmount, Drawn, Keys
from client_sim.chat.session import Event, Session
from protocol import messages

REFRESH_S = 0.3  # how soon the summary follows the list
NAME_WIDTH, WHEN_WIDTH, AMOUNT_WIDTH = 16, 14, 11


class ResultPage(Dialog):
    """Drawn as the server computed it. While it is open, later claims are pushed to it."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("a,A", "again", show=False),
        Binding("p,P", "pass_on", show=False),
        Binding("r,R", "records", show=False),
        Binding("w,W", "wallet", show=False),
        Binding("f6", "next", show=False),
    ]

    def __init__(
        self, session: Session, navigator: Navigator, packet_id: int, page: messages.ResultPageBody
    ) -> None:
        super().__init__(session, navigator)
        self.packet_id = packet_id
        self.page = page
        self.claims = {one.index: one for one in page.claims}
        self._more = page.more
        self._is_fetching = False
        self._refresh_is_due = False
        self._is_confirmed = False  # the button was pressed once

    def compose(self) -> ComposeResult:
        page = self.page
        with Vertical(classes="result"):
            with Vertical(id="band"):
                name = self.text("from", name=page.sender_name or page.sender_id)
                yield Drawn(Content.styled(name, f"bold {GOLD}"))
                yield Drawn(Content.styled(page.greeting, CREAM))
            if page.amount:
                yield BigAmount(page.amount)
            yield Drawn(id="note")
            yield Drawn(id="summary")
            yield Drawn(id="ending")
            yield Drawn(id="turn")
            yield OptionList(id="lines", markup=False, compact=True)
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._draw()
        self.query_one(OptionList).focus()

    def on_unmount(self) -> None:
        self.do(packet_requests.unsubscribe(self.session, self.packet_id))

    def take_event(self, event: Event) -> None:
        """A new claim is added to the list; other changes fetch the page again."""
        fields: dict[str, Any] = dict(event.fields)
        if event.word == "online":  # the new connection has no subscription yet
            self._refresh_now()
        if event.word == "removed" and self.page.button:  # a former member may not be offered it any more
            self._refresh_now()
        if fields.get("packet") != self.packet_id:
            return
        if event.word == "seen":
            line = (fields[name] for name in ("index", "user", "name", "amount_fen", "at_ms", "when"))
            self._add([messages.ResultLine(*line)])
        if event.word in ("seen", "finished", "refund", "turn") and not self._refresh_is_due:
            self._refresh_is_due = True
            self.set_timer(REFRESH_S, self._refresh_now)

    def _refresh_now(self) -> None:
        self._refresh_is_due = False
        self.do(self._refresh())

    async def _refresh(self) -> None:
        self.page = await packet_requests.result(self.session, self.packet_id, subscribe=True)
        self._add(self.page.claims)

    def _add(self, claims: list[messages.ResultLine]) -> None:
        self.claims.update((one.index, one) for one in claims)
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        page = self.page
        for name, words, colour in (
            ("note", page.note, GOLD),
            ("summary", page.summary, DIM),
            ("ending", page.ending, DIM),
            ("turn", turn_line(page, self.session.model.user_id), GOLD),
        ):
            drawn = self.query_one(f"#{name}", Drawn)
            drawn.draw(Content.styled(words, colour))
            drawn.display = bool(words)
        options = self.query_one(OptionList)
        at, where = options.highlighted, options.scroll_offset
        options.clear_options()
        if page.shows_list:
            lines = [self._line(self.claims[index]) for index in sorted(self.claims, reverse=True)]
            options.add_options([Option(line) for line in lines])
            options.highlighted = at if lines else None
            options.scroll_to(y=where.y, animate=False)
        self._draw_keys()

    def _draw_keys(self) -> None:
        keys = []
        if self.page.button:
            keys.append(("A", self.text("key_send_now") if self._is_confirmed else self.page.button))
        if self.page.pass_on:
            keys.append(("P", self.page.pass_on))
        if self.page.link:
            keys.append(("R", self.page.link))
        if self.page.note:
            keys.append(("W", self.text("key_wallet")))
        if self.has_turn:
            keys.append(("F6", self.text("key_next_packet")))
        self.show_keys(server=tuple(keys))

    def _line(self, one: messages.ResultLine) -> Content:
        is_best = one.index == self.page.best_index
        name = drawing.fit(f" {one.name or one.user_id}", NAME_WIDTH)
        amount = drawing.amount(self.session.money, self.session.language, one.amount_fen, AMOUNT_WIDTH)
        best = f"  ♛ {self.page.best_mark}" if is_best else ""
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
            page = await packet_requests.result(self.session, self.packet_id, min(self.claims))
        finally:
            self._is_fetching = False
        self._more = page.more
        self._add(page.claims)

    def action_again(self) -> None:
        """The button 继续发送此红包. All members see the packet again, so it must be pressed twice."""
        if self.page.button and self._is_confirmed:
            self.do(packet_requests.send_again(self.session, self.packet_id))
            self.dismiss()
        elif self.page.button:
            self._is_confirmed = True
            self._draw_keys()

    def action_pass_on(self) -> None:
        """The button 送给好友: a link is said in the conversation on the screen."""
        if self.page.pass_on:
            self.dismiss()
            place = targets.place_to_pass_on(self.session)
            self.do(packet_requests.pass_on(self.session, self.packet_id, place))

    def action_records(self) -> None:
        """The link 查看我的红包记录."""
        if self.page.link:
            self.dismiss()
            self.do(self.navigator.show_records())

    @property
    def has_turn(self) -> bool:
        """The page says that it is the user's turn, who has sent no packet since."""
        model = self.session.model
        is_mine = bool(self.page.turn) and self.page.turn_user_id == model.user_id
        return is_mine and model.current.turn_of(model.user_id) is not None

    def action_next(self) -> None:
        """It is the user's turn: the form for the next packet, filled in, in the conversation on the screen."""
        if self.has_turn:
            self.dismiss()
            self.do(self.navigator.show_next())

    def action_wallet(self) -> None:
        """The note says what the money in the wallet may be used for: show it."""
        if self.page.note:
            self.dismiss()
            self.do(self.navigator.show_wallet())


def turn_line(page: messages.ResultPageBody, user_id: int) -> str:
    """Who is to send the next packet; with a name, unless it is this user."""
    if not page.turn or page.turn_user_id == user_id:
        return page.turn
    return f"{page.turn_name or page.turn_user_id} · {page.turn}"
