"""The send form. Switching between lucky and equal keeps what was typed."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from client_sim import money
from client_sim.chat.draft import OTHER, Draft
from client_sim.chat.drawing import DIM, GOLD
from client_sim.chat.screens.dialog import Dialog
from client_sim.chat.session import Session
from client_sim.chat.widgets import Drawn, Keys


class SendForm(Dialog):
    """Kind, amount, shares, greeting."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("f2,ctrl+t", "switch", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.draft = Draft()
        self._is_sending = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="form"):
            yield Drawn(Content.styled(self.text("form_title"), f"bold {GOLD}"), id="title")
            yield Drawn(id="kinds")
            for name, value in (("amount", ""), ("shares", "1"), ("greeting", "")):
                with Horizontal(classes="field"):
                    yield Drawn(id=f"{name}_label", classes="label")
                    yield Input(value, id=name, compact=True)
            yield Drawn(id="costs")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one("#amount", Input).placeholder = "0.00"
        self.query_one("#greeting", Input).placeholder = self.text("form_default")
        self._draw()
        self.show_keys(("↵", "form_send"), ("F2", "key_switch"), ("↑↓", "key_choose_field"))

    def _draw(self) -> None:
        draft = self.draft
        kinds = [(f" {self.text(one)} ", f"reverse {GOLD}" if one == draft.kind else DIM) for one in OTHER]
        self.query_one("#kinds", Drawn).draw(Content.assemble(kinds[0], "  ", kinds[1]))
        amount = "form_total" if draft.kind == "lucky" else "form_single"
        for name, key in (("amount", amount), ("shares", "form_shares"), ("greeting", "form_greeting")):
            self.query_one(f"#{name}_label", Drawn).draw(Content(self.text(key)))
        costs = self.text("form_costs", amount=money.yuan(draft.total_fen))
        self.query_one("#costs", Drawn).draw(Content.styled(costs, f"bold {GOLD}"))

    def on_input_changed(self, changed: Input.Changed) -> None:
        """Something was typed; what cannot be read counts as nothing."""
        if changed.input.id == "amount":
            self.draft = self.draft.with_amount(_read(money.fen, changed.value))
        elif changed.input.id == "shares":
            self.draft = self.draft.with_shares(_read(int, changed.value))
        self._draw()

    def action_switch(self) -> None:
        """The other kind."""
        self.draft = self.draft.switched()
        with self.prevent(Input.Changed):
            shown_fen = self.draft.shown_fen
            self.query_one("#amount", Input).value = money.yuan(shown_fen).replace(",", "") if shown_fen else ""
        self._draw()

    def on_click(self, click: Any) -> None:
        """A tap on the kinds."""
        if click.widget is not None and click.widget.id == "kinds":
            self.action_switch()

    def on_input_submitted(self) -> None:
        """Send it, once."""
        if not self._is_sending:
            self._is_sending = True
            self.do(self._send())

    async def _send(self) -> None:
        draft, greeting = self.draft, self.query_one("#greeting", Input).value.strip()
        try:
            group_id = self.session.model.current_id
            await self.session.send(draft.kind, group_id, draft.shown_fen, draft.shares, greeting)
        finally:
            self._is_sending = False
        self.dismiss()


def _read(reader: Any, text: str) -> int:
    try:
        return max(0, int(reader(text)))
    except ValueError:
        return 0
