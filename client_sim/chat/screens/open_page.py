"""The open page: sender, greeting, and the coin that turns while the packet is opened; or an input for words."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer

from client_sim.chat import packet_requests
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import CREAM, GOLD
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Session
from client_sim.sdk.errors import ClientError
from protocol import messages

FRAME_S = 0.04
TURN_S = 0.6  # one turn of the coin; opening shows at least one


class Coin(Drawn):
    """開. It turns while the packet is opened; a click on it opens."""

    def __init__(self) -> None:
        super().__init__(drawing.coin(0), id="coin")
        self._turning: Timer | None = None
        self._began_s = 0.0

    def turn(self) -> None:
        """Start to turn."""
        self._began_s = time.monotonic()
        self._turning = self.set_interval(FRAME_S, self._frame)

    def _frame(self) -> None:
        self.draw(drawing.coin((time.monotonic() - self._began_s) / TURN_S))

    def rest(self) -> None:
        """Show the face again."""
        if self._turning is not None:
            self._turning.stop()
        self.draw(drawing.coin(0))

    def on_click(self) -> None:
        """The same as the button."""
        self.screen.run_action("open") if self._turning is None else None


class OpenPage(Dialog):
    """Drawn as the server computed it: a text that is empty is not there, nor is a button or a link."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("enter,space,o,O", "open", show=False),
        Binding("l,L", "result", show=False),
    ]

    def __init__(self, session: Session, navigator: Navigator, page: messages.OpenPageShown) -> None:
        super().__init__(session, navigator)
        self.page = page
        self.is_opening = False

    def compose(self) -> ComposeResult:
        page = self.page
        with Vertical(classes="packet"):
            sender = self.text("from", name=page.sender_name or page.sender_id)
            yield Drawn(Content.styled(sender, GOLD), id="sender")
            yield Drawn(Content.styled(page.greeting, f"bold {CREAM}"), id="greeting")
            if page.view == "open":
                yield Coin()
            if page.for_names:
                named = drawing.for_whom(self.session.language, page.for_names, len(page.for_names))
                yield Drawn(Content.styled(named, CREAM), id="named")
            yield Drawn(Content.styled(page.line or page.button, f"bold {GOLD}"), id="line")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        keys = [("↵", "key_unseal")] if self.page.view == "open" else []
        self.show_keys(*keys, server=(("L", self.page.link),) if self.page.link else ())

    def action_open(self) -> None:
        """Open it, once."""
        if self.page.view == "open" and not self.is_opening:
            self.is_opening = True
            self.do(self._open())

    async def _open(self) -> None:
        packet_id, coin = self.page.packet_id, self.query_one(Coin)
        coin.turn()
        self.query_one("#line", Drawn).draw(Content.styled(self.text("opening"), GOLD))
        try:
            opening = packet_requests.open_share(self.session, packet_id, self.page.ticket)
            opened, _ = await asyncio.gather(opening, asyncio.sleep(TURN_S))
        except ClientError:
            self.is_opening = False
            raise
        finally:
            coin.rest()
        self.dismiss()
        if opened.answer in ("won", "claimed"):
            await self.navigator.show_result(packet_id)
        else:
            await self.navigator.tap(packet_id)  # too late: now the page says so

    def action_result(self) -> None:
        """Follow the link to the result page."""
        if self.page.link and not self.is_opening:
            self.dismiss()
            self.do(self.navigator.show_result(self.page.packet_id))


class WordsPage(Sheet):
    """The page of a packet whose words were not said: what is typed is said in the group, if it is right."""

    def __init__(self, session: Session, navigator: Navigator, page: messages.OpenPageShown) -> None:
        super().__init__(session, navigator)
        self.page = page

    def compose(self) -> ComposeResult:
        with Vertical(classes="form"):
            sender = self.text("from", name=self.page.sender_name or self.page.sender_id)
            yield Drawn(Content.styled(sender, f"bold {GOLD}"), id="title")
            yield Drawn(Content.styled(self.page.greeting, CREAM), id="greeting")
            yield from self.fields("words")
            yield Drawn(id="message")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self.label("words", self.text("form_words"))
        self.say(self.page.line)
        self.show_keys(("↵", "key_say"))
        self.field("words").focus()

    def on_input_submitted(self) -> None:
        """Say it, once."""
        self.run(self._say())

    async def _say(self) -> None:
        await packet_requests.say_words(self.session, self.page.packet_id, self.value("words"))
        self.close()
        self.navigator.do(self.navigator.tap(self.page.packet_id))
