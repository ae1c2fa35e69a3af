"""The send form. Switching between lucky and equal keeps what was typed."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content

from client_sim.chat import packet_requests
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.draft import OTHER, Draft
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.widgets import Drawn, Field, Keys
from client_sim.chat.session import Session
from client_sim.sdk.errors import ClientError


class SendForm(Dialog):
    """Kind, amount, shares, greeting."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("f2,ctrl+t", "switch", show=False),
        # priority: letters typed after them must not go into the field that they leave
        Binding("up,shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("down,tab", "app.focus_next", show=False, priority=True),
    ]

    def __init__(self, session: Session, navigator: Navigator) -> None:
        super().__init__(session, navigator)
        self.draft = Draft()
        self._is_sending = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="form"):
            yield Drawn(Content.styled(self.text("form_title"), f"bold {GOLD}"), id="title")
            yield Drawn(id="kinds")
            for name, value in (("amount", ""), ("shares", "1"), ("greeting", "")):
                with Horizontal(classes="field"):
                    yield Drawn(id=f"{name}_label", classes="label")
                    yield Field(value, id=name, compact=True)
            yield Drawn(id="costs")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one("#amount", Field).placeholder = self.session.money.typed(0)
        self.query_one("#greeting", Field).placeholder = self.text("form_default")
        self._draw()
        self.show_keys(("↵", "form_send"), ("F2", "key_switch"), ("↑↓", "key_choose_field"))

    def _draw(self) -> None:
        draft = self.draft
        kinds = [(f" {self.text(one)} ", f"reverse {GOLD}" if one == draft.kind else DIM) for one in OTHER]
        self.query_one("#kinds", Drawn).draw(Content.assemble(kinds[0], "  ", kinds[1]))
        amount = "form_total" if draft.kind == "lucky" else "form_single"
        for name, key in (("amount", amount), ("shares", "form_shares"), ("greeting", "form_greeting")):
            self.query_one(f"#{name}_label", Drawn).draw(Content(self.text(key)))
        costs = self.text("form_costs", amount=self.session.money.short(self.session.language, draft.total_fen))
        self.query_one("#costs", Drawn).draw(Content.styled(costs, f"bold {GOLD}"))

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Field).value

    def on_input_changed(self) -> None:
        """Something was typed; text that is not a number counts as 0."""
        shares, amount_fen = (
            _read(int, self._value("shares")),
            _read(self.session.money.parse, self._value("amount")),
        )
        if shares != self.draft.shares:
            self.draft = self.draft.with_shares(shares)
        if amount_fen != self.draft.shown_fen:
            self.draft = self.draft.with_amount(amount_fen)
        self._draw()

    def action_switch(self) -> None:
        """Switch to the other kind."""
        self.draft = self.draft.switched()
        shown_fen = self.draft.shown_fen
        self.query_one("#amount", Field).value = self.session.money.typed(shown_fen) if shown_fen else ""
        self._draw()

    def on_click(self, click: Any) -> None:
        """A click on the kinds switches."""
        if click.widget is not None and click.widget.id == "kinds":
            self.action_switch()

    def on_input_submitted(self) -> None:
        """Send it once."""
        if not self._is_sending:
            self._is_sending = True
            self.do(self._send())

    async def _send(self) -> None:
        draft, greeting = self.draft, self._value("greeting").strip()
        try:
            await packet_requests.send_here(self.session, draft.kind, draft.shown_fen, draft.shares, greeting)
        except ClientError:
            self._is_sending = False
            raise
        self.dismiss()


def _read(reader: Any, text: str) -> int:
    try:
        return max(0, int(reader(text)))
    except ValueError:
        return 0
