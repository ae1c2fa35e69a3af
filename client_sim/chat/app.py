"""The chat on a terminal: it draws the session's model, and turns keys and lines into commands and pages."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList
from textual.widgets._toast import Toast as TextualToast
from textual.widgets._toast import ToastHolder

from client_sim.chat import actions, lifecycle, toasts
from client_sim.chat.commands import BadCommand, parse
from client_sim.chat.group_requests import go
from client_sim.chat.model import Model
from client_sim.chat.screens.dialog import Dialog
from client_sim.chat.screens.first_run import FirstRun
from client_sim.chat.screens.navigator import PAGES, PageNavigator
from client_sim.chat.screens.open_page import OpenPage
from client_sim.chat.screens.widgets import Groups, Keys, Line, Talk, Top
from client_sim.chat.session import Event, Session, Start
from client_sim.chat.texts import text, usage
from client_sim.chat.toasts import Toast
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError

TOASTS_MOST = 3
NARROW = 60  # columns: in fewer the list of groups is smaller, so that a packet is whole
KEYS = [
    ("↵", "key_open"),
    ("↑↓", "key_choose"),
    ("F2", "key_send"),
    ("F3", "key_records"),
    ("F4", "key_wallet"),
    ("^N", "key_next"),
    ("F1", "key_help"),
    ("^Q", "key_quit"),
]
REDRAWS = {"here", "loaded", "lang"}  # events after which entries are drawn from the first one
PARTS = (Top, Groups, FirstRun, Talk, Keys, Line)  # of the screen; while the app ends they go one by one
HOLD_S = 0.1  # how often to check whether the coin still turns


class ChatApp(App[int]):
    """One user at a terminal. If the chat ended by an error, `failure` is that error."""

    CSS_PATH = "chat.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]  # noqa: RUF012 (no ClassVar in Textual)
    BINDINGS: ClassVar[list[Any]] = [
        Binding("up", "choose(-1)", show=False),
        Binding("down", "choose(1)", show=False),
        Binding("pageup", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(1)", show=False),
        Binding("f1", "command('/help')", show=False),
        Binding("f2", "command('/send')", show=False),
        Binding("f3", "command('/records')", show=False),
        Binding("f4", "command('/wallet')", show=False),
        Binding("f5", "command('/shake')", show=False),
        Binding("f6", "command('/next')", show=False),
        Binding("ctrl+n", "next(1)", show=False),
        Binding("ctrl+p", "next(-1)", show=False),
    ]

    def __init__(self, client: Client, start: Start | None = None, topup_options: str = "") -> None:
        """`client` is not connected yet; it is closed with the app. `topup_options`: for the hint to topup."""
        super().__init__()
        self.session = Session(client, self._take_event, start)
        self.pages = PageNavigator(self.session, push=self.push_screen, toast=self.toast, do=self.do)
        self.failure: ClientError | None = None
        self._topup_options = topup_options and f" {topup_options}"
        self._draw_is_due = False
        self._redraw = False

    def compose(self) -> ComposeResult:
        yield Top()
        with Horizontal():
            yield Groups()
            with Vertical():
                yield FirstRun()
                yield Talk()
                yield Line(id="line", compact=True)
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one(Line).focus()
        self._draw()
        self.run_worker(self._live())

    async def _live(self) -> None:
        try:
            await lifecycle.run(self.session)
        except ClientError as error:
            self.failure = error
            self.exit(1)

    # --- drawing ----------------------------------------------------------------------------------------------

    def _take_event(self, event: Event) -> None:
        """Draw soon, once for all events until then."""
        self._redraw |= event.word in REDRAWS
        if not self._draw_is_due:
            self._draw_is_due = True
            self.call_later(self._draw)
        for screen in self.screen_stack:
            if isinstance(screen, Dialog):
                screen.take_event(event)
        if event.word == "checkout":
            self.pages.show_checkout()
        if event.word == "quit":
            self.exit(0)
        elif (toast := toasts.of_event(event, self.session, self._topup_options)) is not None:
            self.toast(toast)

    def _draw(self) -> None:
        if isinstance(self.screen, OpenPage) and self.screen.is_opening:  # the page must show the amount first
            self.set_timer(HOLD_S, self._draw)
            return
        self._draw_is_due, redraw, self._redraw = False, self._redraw, False
        main, language = self.screen_stack[0], self.session.language
        if not all(main.query(part) for part in PARTS):
            return  # the app is ending
        main.query_one(Top).show(self.session)
        main.query_one(Groups).show(self.session)
        main.query_one(Talk).show(self.session, redraw)
        topup_command = toasts.topup_command(self.session, self._topup_options)
        main.query_one(Talk).display = not main.query_one(FirstRun).show(self.session, topup_command)
        main.query_one(Keys).show([(key, text(language, name)) for key, name in shown_keys(self.session)])
        main.query_one(Line).placeholder = usage(language, hint_key(self.session.model), self.session.money)

    def toast(self, toast: Toast) -> None:
        """Show a text that disappears by itself."""
        severity: Any = "error" if toast.is_error else "information"
        self.notify(toast.text, markup=False, timeout=toast.seconds, severity=severity)

    def on_notify(self) -> None:
        """Remove old toasts to make room for the next one.

        Each with its holder: Textual's rack would remove the toast alone, and an empty holder keeps a row.
        """
        for old in list(self._notifications)[: 1 - TOASTS_MOST]:
            self._unnotify(old, refresh=False)
            for screen in self.screen_stack:
                for holder in screen.query(ToastHolder):
                    if any(toast._notification is old for toast in holder.query(TextualToast)):
                        holder.remove()

    # --- commands ---------------------------------------------------------------------------------------------

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; an error becomes a toast."""
        self.run_worker(self._try(work))

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (BadCommand, ClientError) as error:
            self.toast(toasts.of_error(error, self.session.language, self.session.money))

    async def _run_line(self, line: str) -> None:
        """Carry out a command, with its page if it has one. An empty line taps the chosen packet."""
        await self.session.is_ready.wait()  # the login tells the unit of amounts
        command = parse(line, self.session.money)
        if command is None:
            await self.pages.tap(self.screen_stack[0].query_one(Talk).chosen_packet())
            return
        actions.check(self.session, command)
        if (page := PAGES.get(command.verb)) is not None:
            await page(self.pages, **command.values)
        else:
            await actions.run(self.session, command)

    def on_line_typed(self, typed: Line.Typed) -> None:
        """A line was typed."""
        self.do(self._run_line(typed.line))

    def on_talk_tapped(self, tapped: Talk.Tapped) -> None:
        """A packet was clicked."""
        self.do(self.pages.tap(tapped.packet_id))

    def on_option_list_option_selected(self, selected: OptionList.OptionSelected) -> None:
        """A group was clicked."""
        if isinstance(selected.option_list, Groups):
            self.do(go(self.session, selected.option_list.stream_ids[selected.option_index]))

    # --- keys -------------------------------------------------------------------------------------------------

    def action_command(self, line: str) -> None:
        """Run the command of a key."""
        if len(self.screen_stack) == 1:
            self.do(self._run_line(line))

    def action_help_quit(self) -> None:
        """Ctrl-C copies; say which key quits."""
        self.toast(Toast(text(self.session.language, "quit_hint")))

    def action_choose(self, step: int) -> None:
        """Choose the packet above (-1) or below (1)."""
        self.query_one(Talk).choose(step)

    def action_scroll(self, pages: int) -> None:
        """Scroll the conversation up (-1) or down (1)."""
        talk = self.query_one(Talk)
        talk.scroll_relative(y=pages * talk.size.height, animate=False)

    def action_next(self, step: int) -> None:
        """Go to the next (1) or previous (-1) conversation."""
        stream_ids = list(self.session.model.conversations)
        place = stream_ids.index(self.session.model.current_id) + step
        self.do(go(self.session, stream_ids[place % len(stream_ids)]))


def shown_keys(session: Session) -> list[tuple[str, str]]:
    """Which keys do something, with the names of their texts.

    Where there is a campaign, F5 shakes; where it is the user's turn to send the next packet, F6 does.
    """
    model, keys = session.model, KEYS
    if session.campaigns:
        is_highlighted = any(one.highlighted for one in session.campaigns)
        keys = [("F5", "key_highlighted" if is_highlighted else "key_shake"), *keys]
    return [("F6", "key_next_packet"), *keys] if model.current.turn_of(model.user_id) is not None else keys


def hint_key(model: Model) -> str:
    """Which hint stands in the empty line."""
    if model.current_id != model.user_id:
        return "say_something"
    return "inbox_hint" if len(model.conversations) > 1 else "nothing_here"
