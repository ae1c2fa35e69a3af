"""The send form. Switching between the kinds keeps what was typed; to one user it is amount and greeting."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content

from client_sim.chat.commands import BadCommand
from client_sim.chat.everyday.moments import next_ms, read_moment
from client_sim.chat.model import Turn
from client_sim.chat.money import payments
from client_sim.chat.money.checkout import Order, Payer, Payment, packet_order
from client_sim.chat.screens.dialog import Navigator
from client_sim.chat.screens.draft import FOR_ONE, KINDS, WITH_SHARES, Draft
from client_sim.chat.screens.drawing import DIM, GOLD
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Event, Session
from client_sim.chat.users import find_user, find_users, names_in

NAMES: Final = ("receiver", "for", "amount", "shares", "words", "greeting", "time")
AMOUNTS: Final = {
    "lucky": "form_total",
    "equal": "form_single",
    "exclusive": "form_single",
    "password": "form_total",
    "personal": "form_amount",
    "fission": "form_total",
}


class SendForm(Sheet):
    """Kind, amount, shares, greeting, time. `asks_receiver`: it was opened from the wallet, not from a chat.

    `turn`: the packet that the user is to send next in the group on the screen; the fields begin with it.
    """

    BINDINGS: ClassVar[list[Any]] = [
        Binding("f2,ctrl+t", "switch", show=False),
        Binding("f3", "scheduled", show=False),
    ]

    def __init__(
        self, session: Session, navigator: Navigator, *, asks_receiver: bool = False, turn: Turn | None = None
    ) -> None:
        super().__init__(session, navigator)
        self.draft = Draft() if turn is None else Draft("lucky", turn.amount_fen, turn.shares)
        self._asks_receiver = asks_receiver
        self._payment: Payment | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="form send"):
            yield Drawn(Content.styled(self.text("form_title"), f"bold {GOLD}"), id="title")
            yield Drawn(id="kinds")
            yield from self.fields(*NAMES)
            yield Drawn(id="costs")
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.field("shares").value = str(self.draft.shares)
        self.field("amount").value = self._typed(self.draft.shown_fen)
        self.field("amount").placeholder = self.session.money.typed(0)
        self.field("greeting").placeholder = self.text("form_default")
        self.field("for").placeholder = self.text("form_for_hint")
        self.field("words").placeholder = self.text("form_words_hint")
        self.field("time").placeholder = self.text("form_time_hint")
        self.show_field("receiver", is_shown=self._asks_receiver)
        self.field("receiver" if self._asks_receiver else "amount").focus()
        self.draft = self.draft.for_one(self._is_for_one())
        self._draw()

    def _is_for_one(self) -> bool:
        """Whether the packet goes to one user."""
        if not self._asks_receiver:
            return self.session.model.current.is_one_to_one
        return self._group() == 0

    def _group(self) -> int:
        """The group that the receiver names; 0: it is a user."""
        name, model = self.value("receiver"), self.session.model
        found = [
            one.stream_id
            for one in model.conversations.values()
            if name and name in (one.name, str(one.stream_id)) and not one.is_one_to_one
        ]
        return found[0] if len(found) == 1 and found[0] != model.user_id else 0

    def _draw(self) -> None:
        draft = self.draft
        shown = FOR_ONE if draft.kind in FOR_ONE else KINDS
        kinds = [
            (f" {self.text(f'form_{one}')} ", f"reverse {GOLD}" if one == draft.kind else DIM) for one in shown
        ]
        self.query_one("#kinds", Drawn).draw(Content("  ").join(Content.assemble(one) for one in kinds))
        self.show_field("shares", is_shown=draft.kind in WITH_SHARES)
        self.show_field("for", is_shown=draft.kind == "exclusive")
        self.show_field("words", is_shown=draft.kind == "password")
        labels = {"amount": AMOUNTS[draft.kind]}
        for name in NAMES:
            self.label(name, self.text(labels.get(name, f"form_{name}")))
        amount = self.session.money.short(self.session.language, draft.total_fen)
        send_at_ms = self._send_at_ms()
        costs = self.text("form_costs", amount=amount)
        if send_at_ms:
            costs = self.text("form_costs_later", amount=amount, when=payments.when(send_at_ms))
        self.query_one("#costs", Drawn).draw(Content.styled(costs, f"bold {GOLD}"))
        if not self.is_busy:
            self.say(self._way())
        sends = "form_later" if send_at_ms else "form_send"
        self.show_keys(("↵", sends), ("F2", "key_switch"), ("F3", "key_scheduled"), ("↑↓", "key_choose_field"))

    def _way(self) -> str:
        """How it will be paid; nothing where there is only the wallet."""
        payer = self.session.desk.payer or Payer()
        if payer.is_plain:
            return ""
        if payer.cards or payer.needs_password:
            return self.text("form_by_choice")
        is_short = self.draft.total_fen > self.session.model.balance_fen
        return self.text("form_by_card" if is_short else "form_by_wallet")

    def on_input_changed(self) -> None:
        """Something was typed; text that is not a number counts as 0."""
        self.draft = self.draft.for_one(self._is_for_one())
        shares, amount_fen = self._shares(), _read(self.session.money.parse, self.value("amount"))
        if shares != self.draft.shares and self.draft.kind != "personal":
            self.draft = self.draft.with_shares(shares)
        if amount_fen != self.draft.shown_fen:
            self.draft = self.draft.with_amount(amount_fen)
        self._draw()

    def _send_at_ms(self) -> int:
        """When it is to be posted; 0: at once, or what was typed is no moment."""
        try:
            return next_ms(self.session.now_ms(), read_moment(self.value("time")))
        except ValueError:
            return 0

    def _shares(self) -> int:
        """How many shares were typed: of an exclusive packet as many as names."""
        if self.draft.kind == "exclusive":
            return len(names_in(self.value("for")))
        return _read(int, self.value("shares"))

    def action_switch(self) -> None:
        """Switch to the next kind."""
        self.draft = self.draft.switched()
        if self.draft.kind in KINDS and self._shares() != self.draft.shares:
            self.draft = self.draft._replace(shares=self._shares())
        self.field("amount").value = self._typed(self.draft.shown_fen)
        if self.draft.kind in FOR_ONE:
            self.field("shares").value = str(self.draft.shares)
        self._draw()
        if self.focused is None or not self.query_one(f"#{self.focused.id}_row").display:  # its row is hidden now
            self.field("amount").focus()

    def _typed(self, amount_fen: int) -> str:
        """An amount as it would be typed; no amount is an empty field."""
        return self.session.money.typed(amount_fen) if amount_fen else ""

    def action_scheduled(self) -> None:
        """Show the packets that wait for their time."""
        self.do(self.navigator.show_scheduled())

    def on_click(self, click: Any) -> None:
        """A click on the kinds switches."""
        if click.widget is not None and click.widget.id == "kinds":
            self.action_switch()

    def on_input_submitted(self) -> None:
        """Send it, once."""
        self.run(self._send())

    async def _send(self) -> None:
        send_at_ms = self._send_at_ms()
        if self.value("time") and not send_at_ms:
            raise BadCommand("not_understood", "at", self.value("time"))
        order = (await self._order())._replace(send_at_ms=send_at_ms)
        if self._payment is None or self._payment.order != order:  # edited: another payment
            self._payment = self.session.desk.payment_of(order)
        await payments.begin(self.session, order, self._payment)
        self._close_if_paid()

    async def _order(self) -> Order:
        draft, greeting = self.draft, self.value("greeting")
        target_id = self.session.model.current_id
        if self._asks_receiver:
            if not self.value("receiver"):
                raise BadCommand("no_receiver", "send")
            target_id = self._group() or await find_user(self.session, self.value("receiver"))
        if draft.kind == "password":
            if not self.value("words"):
                raise BadCommand("no_words", "secret")
            content = draft.kind, target_id, draft.shown_fen, draft.shares, greeting
            return packet_order(*content, words=self.value("words"))
        if draft.kind != "exclusive":
            return packet_order(draft.kind, target_id, draft.shown_fen, draft.shares, greeting)
        user_ids = await find_users(self.session, self.value("for"))
        if not user_ids:
            raise BadCommand("no_names", "for")
        return packet_order(draft.kind, target_id, draft.shown_fen, len(user_ids), greeting, user_ids)

    def take_event(self, event: Event) -> None:
        """It may be paid, by a sheet above."""
        self._close_if_paid()

    def on_screen_resume(self) -> None:
        """A page above was closed."""
        self._close_if_paid()

    def _close_if_paid(self) -> None:
        if self._payment is not None and self._payment.is_paid:
            self.close()


def _read(reader: Any, text: str) -> int:
    try:
        return max(0, int(reader(text)))
    except ValueError:
        return 0
