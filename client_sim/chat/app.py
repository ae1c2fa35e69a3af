"""The chat on a terminal. It draws what the session knows and turns keys into commands; it decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList

from client_sim.chat import actions
from client_sim.chat.commands import BadCommand, Command, parse
from client_sim.chat.screens import listing
from client_sim.chat.screens.dialog import Dialog
from client_sim.chat.screens.open_page import OpenPage
from client_sim.chat.screens.records import Records
from client_sim.chat.screens.result_page import ResultPage
from client_sim.chat.screens.send_form import SendForm
from client_sim.chat.session import Event, Session, Start
from client_sim.chat.texts import TEXTS, text
from client_sim.chat.widgets import Groups, Keys, Line, Talk, Top
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from client_sim.sdk.money import yuan

TOAST_S = 5.0
HINT_S = 20.0
TOASTS_MOST = 3
KEYS = [
    ("↵", "key_open"),
    ("↑↓", "key_choose"),
    ("F2", "key_send"),
    ("F3", "key_records"),
    ("^N", "key_next"),
    ("F1", "key_help"),
    ("^Q", "key_quit"),
]
TOASTS = {"claim", "refund", "removed", "kicked", "sent", "again", "name", "reload"}
ANSWERS = {  # of an open without a page
    "won": "state_claimed_amount",
    "claimed": "state_claimed_amount",
    "gone": "state_gone",
    "expired": "state_expired",
    "not_allowed": "not_allowed",
}
HOLD_S = 0.1  # how often we look whether the coin still turns


class ChatApp(App[int]):
    """One user at a terminal. `failure` says afterwards why it ended, if the user did not want it to."""

    CSS_PATH = "chat.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[Any]] = [
        Binding("up", "choose(-1)", show=False),
        Binding("down", "choose(1)", show=False),
        Binding("pageup", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(1)", show=False),
        Binding("f1", "command('/help')", show=False),
        Binding("f2", "command('/send')", show=False),
        Binding("f3", "command('/records')", show=False),
        Binding("ctrl+n", "next(1)", show=False),
        Binding("ctrl+p", "next(-1)", show=False),
    ]

    def __init__(self, client: Client, start: Start | None = None, topup_options: str = "") -> None:
        """`client` is not connected yet; it is closed with the app. `topup_options`: for the hint to topup."""
        super().__init__()
        self._topup_options = topup_options and f" {topup_options}"
        self.client = client
        self.session = Session(client, self._heard, start)
        self.failure: ClientError | None = None
        self._draw_is_due = False
        self._draw_anew = False
        self._is_tapping = False

    def compose(self) -> ComposeResult:
        yield Top()
        with Horizontal():
            yield Groups()
            with Vertical():
                yield Talk()
                yield Line(id="line", compact=True)
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one(Line).focus()
        self._draw()
        self.run_worker(self._live())

    async def _live(self) -> None:
        try:
            await self.session.run()
        except ClientError as error:
            self.failure = error
            self.exit(1)

    # --- drawing ------------------------------------------------------------------------------------------------

    def text(self, key: str, **fields: object) -> str:
        """A text of the client in the session's language."""
        return text(self.session.language, key, **fields)

    def _heard(self, event: Event) -> None:
        """Draw soon, once for all that is heard until then."""
        self._draw_anew |= event.word in ("loaded", "lang", "here")
        if not self._draw_is_due:
            self._draw_is_due = True
            self.call_later(self._draw)
        for screen in self.screen_stack:
            if isinstance(screen, Dialog):
                screen.heard(event)
        self._remind(event)

    def _draw(self) -> None:
        if isinstance(self.screen, OpenPage) and self.screen.is_opening:  # the page is the first to tell the amount
            self.set_timer(HOLD_S, self._draw)
            return
        self._draw_is_due, anew, self._draw_anew = False, self._draw_anew, False
        main = self.screen_stack[0]
        main.query_one(Top).show(self.session)
        main.query_one(Groups).show(self.session)
        main.query_one(Talk).show(self.session, anew)
        main.query_one(Keys).show([(key, self.text(name)) for key, name in KEYS])
        main.query_one(Line).placeholder = self.text(self._hint())

    def _hint(self) -> str:
        model = self.session.model
        if model.current_id != model.user_id:
            return "say_something"
        return "inbox_hint" if len(model.conversations) > 1 else "nothing_here"

    def _remind(self, event: Event) -> None:
        fields: dict[str, Any] = dict(event.fields)
        if event.word == "quit":
            self.exit(0)
        elif event.word == "welcome" and not fields["balance_fen"]:
            name = self.session.name or fields["user"]
            self.toast("hint_topup", seconds=HINT_S, name=name, options=self._topup_options)
        elif event.word == "opened":
            answer, amount_fen = fields["answer"], fields["amount_fen"]
            self.toast(ANSWERS[answer], is_error=not amount_fen, amount=yuan(amount_fen))
        elif event.word == "balance" and fields["reason"] in ("top_up", "asked"):
            reason, fen = (
                ("toast_top_up", "change_fen") if fields["change_fen"] else ("toast_balance", "balance_fen")
            )
            self.toast(reason, amount=yuan(fields[fen]))
        elif event.word == "claim" and fields["user"] == self.client.user_id:
            return  # nobody need be told what they do themselves
        elif event.word in TOASTS:
            amount_fen = fields.get("amount_fen", fields.get("total_fen", 0))
            self.toast(f"toast_{event.word}", **fields, amount=yuan(amount_fen))

    def toast(self, key: str, is_error: bool = False, seconds: float = TOAST_S, **fields: object) -> None:
        """A text that goes away by itself."""
        self.notify(
            self.text(key, **fields),
            markup=False,
            timeout=seconds,
            severity="error" if is_error else "information",
        )

    def on_notify(self) -> None:
        """Make room for another toast."""
        for old in list(self._notifications)[: 1 - TOASTS_MOST]:
            self._unnotify(old)

    # --- doing --------------------------------------------------------------------------------------------------

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the background; what goes wrong becomes a toast."""
        self.run_worker(self._tried(work))

    async def _tried(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BadCommand as bad:
            usage = self.text(f"use_{bad.verb}") if f"use_{bad.verb}" in TEXTS else ""
            self.toast(bad.key, is_error=True, verb=bad.verb, text=bad.text, usage=usage)
        except ClientError as error:
            key = f"refused_{error.name}"
            self.toast(key if key in TEXTS else "refused", is_error=True, detail=actions.why(error) or error.name)

    def on_line_typed(self, typed: Line.Typed) -> None:
        """A line was typed; an empty one taps the chosen packet."""
        self.do(self._obey(typed.line))

    async def _obey(self, line: str) -> None:
        command = parse(line)
        await self.session.is_ready.wait()
        if command is None:
            await self.tap(self.screen_stack[0].query_one(Talk).chosen_packet())
        else:
            await self._command(command)

    async def _command(self, command: Command) -> None:
        actions.check(self.session, command)
        page = PAGES.get(command.verb)
        if page is not None:
            await page(self, **command.values)
        else:
            await actions.run(self.session, command)

    def on_talk_tapped(self, tapped: Talk.Tapped) -> None:
        """A packet was clicked."""
        self.do(self.tap(tapped.packet_id))

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        """A group was clicked."""
        if isinstance(selected.option_list, Groups):
            self.do(self.session.go(selected.option_list.stream_ids[selected.option_index]))

    def action_command(self, line: str) -> None:
        """A key stands for a command."""
        if len(self.screen_stack) == 1:
            self.do(self._obey(line))

    def action_help_quit(self) -> None:
        """Ctrl-C is for copying; say what quits, in the session's language."""
        self.toast("quit_hint")

    def action_choose(self, step: int) -> None:
        """The packet above or below."""
        self.query_one(Talk).choose(step)

    def action_scroll(self, pages: int) -> None:
        """Look further up or down."""
        talk = self.query_one(Talk)
        talk.scroll_relative(y=pages * talk.size.height, animate=False)

    def action_next(self, step: int) -> None:
        """The next conversation."""
        stream_ids = list(self.session.model.conversations)
        place = stream_ids.index(self.session.model.current_id) + step
        self.do(self.session.go(stream_ids[place % len(stream_ids)]))

    # --- pages --------------------------------------------------------------------------------------------------

    async def tap(self, packet_id: int = 0) -> None:
        """The page that the server shows for a tap. Taps while one is under way are the same tap."""
        if self._is_tapping:
            return
        self._is_tapping = True
        try:
            page = await self.session.tap(actions.packet_meant(self.session, packet_id))
        finally:
            self._is_tapping = False
        if page.result is not None:
            await self.show_result(page.packet_id)
        elif page.view:
            self.push_screen(OpenPage(self.session, page))
        else:
            self.toast(page.answer, is_error=True)

    async def show_result(self, packet_id: int = 0) -> None:
        """Who got how much, live."""
        packet_id = actions.packet_meant(self.session, packet_id)
        page = await self.session.result(packet_id, watch=True)
        self.push_screen(ResultPage(self.session, packet_id, page))

    async def show_records(self, direction: str = "received", year: int = 0) -> None:
        """What I received or sent."""
        self.push_screen(Records(self.session, await self.session.records(direction, year)))

    async def _form(self) -> None:
        self.push_screen(SendForm(self.session))

    async def _members(self) -> None:
        self.push_screen(await listing.members(self.session))

    async def _who(self) -> None:
        self.push_screen(await listing.grab_stats(self.session))

    async def _help(self) -> None:
        self.push_screen(listing.commands(self.session))


PAGES: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "tap": ChatApp.tap,
    "result": ChatApp.show_result,
    "records": ChatApp.show_records,
    "form": ChatApp._form,
    "members": ChatApp._members,
    "who": ChatApp._who,
    "help": ChatApp._help,
}
