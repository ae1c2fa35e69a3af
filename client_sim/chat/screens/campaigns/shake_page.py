"""The shake page: space shakes the phone. It shows the win, the rest (休息一下), and how many are left."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer

from client_sim.chat.campaigns import shake_requests
from client_sim.chat.campaigns.shaking import OVER, WON, Shaking
from client_sim.chat.screens import drawing
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import CREAM, DIM, GOLD
from client_sim.chat.screens.widgets import Drawn, Keys
from client_sim.chat.session import Session
from protocol import messages

FRAME_S: Final = 0.05
SWING_S: Final = 0.4  # the phone swings so long for a shake; also the shortest time between two
REFRESH_S: Final = 0.2  # how often a countdown is drawn again


class Phone(Drawn):
    """It swings while an answer is awaited."""

    def __init__(self) -> None:
        super().__init__(drawing.phone(0), id="phone")
        self._timer: Timer | None = None
        self._began_s = 0.0

    def swing(self) -> None:
        """Swing once more."""
        self._began_s = time.monotonic()
        if self._timer is None:
            self._timer = self.set_interval(FRAME_S, self._frame)

    def _frame(self) -> None:
        passed_s = time.monotonic() - self._began_s
        if passed_s >= SWING_S and self._timer is not None:
            self._timer.stop()
            self._timer, passed_s = None, 0.0
        self.draw(drawing.phone(math.sin(4 * math.pi * passed_s / SWING_S)))


class ShakePage(Dialog):
    """One campaign. While an answer is awaited, or the user is to rest, the key does nothing."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("space", "shake", show=False),
        Binding("enter,l,L", "win", show=False),
    ]

    def __init__(self, session: Session, navigator: Navigator, shaking: Shaking) -> None:
        super().__init__(session, navigator)
        self.shaking = shaking
        self.is_shaking = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="packet shake"):
            yield Drawn(id="sender")
            yield Drawn(id="greeting")
            yield Phone()
            yield Drawn(id="line")
            yield Drawn(id="more")
            yield Drawn(id="left")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._draw()
        self.set_interval(REFRESH_S, self._draw)

    @property
    def is_over(self) -> bool:
        """Whether no further shake can win."""
        latest = self.shaking.latest
        return self.shaking.campaign.state == "ended" or (latest is not None and latest.result in OVER)

    def action_shake(self) -> None:
        """Shake, unless it is of no use now."""
        if not (self.is_shaking or self.is_over or self.shaking.rest_s):
            self.is_shaking = True
            self.do(self._shake())

    async def _shake(self) -> None:
        self.query_one(Phone).swing()
        try:
            await asyncio.gather(shake_requests.shake(self.session, self.shaking), asyncio.sleep(SWING_S))
        finally:
            self.is_shaking = False
            if self.is_attached:
                self._draw()

    def action_win(self) -> None:
        """The result page of the newest win."""
        if self.shaking.win is not None:
            self.do(self.navigator.show_result(self.shaking.win.packet_id))

    # --- drawing ----------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        campaign = self.shaking.campaign
        self._show("sender", self.text("shake_sponsor", name=campaign.sponsor_name), GOLD)
        self._show("greeting", campaign.name, f"bold {CREAM}")
        self._show("line", self._line(), f"bold {GOLD}")
        self._show("more", self._more(), CREAM)
        self._show("left", self._left(campaign), DIM if self.is_over else GOLD)
        keys = [] if self.is_over else [("␣", "key_shake")]
        self.show_keys(*keys, *([("↵", "key_win")] if self.shaking.win is not None else []))

    def _show(self, name: str, words: str, style: str) -> None:
        self.query_one(f"#{name}", Drawn).draw(Content.styled(words, style))

    def _line(self) -> str:
        """The large line: the win, the rest, or what the server says to the shake."""
        shaking = self.shaking
        if shaking.rest_s:
            return self.text("shake_rest")
        if shaking.latest is None:
            return "" if self.is_over else self.text("shake_start")
        if shaking.latest.result == WON and shaking.win is not None:
            return f"{shaking.text}  {self._amount(shaking.win)}"
        return shaking.text

    def _more(self) -> str:
        """The line under it: how long to rest, when it begins, the greeting of a win, how many shakes."""
        shaking, campaign = self.shaking, self.shaking.campaign
        if campaign.starts_at_ms > self.session.now_ms():
            return self.text("shake_begins", clock=drawing.day(campaign.starts_at_ms))
        if shaking.rest_s:
            return self.text("shake_rest_s", seconds=math.ceil(shaking.rest_s))
        if shaking.latest is not None and shaking.latest.win is not None:
            return shaking.latest.win.greeting
        return self.text("shake_count", count=shaking.shakes) if shaking.shakes else ""

    def _left(self, campaign: messages.CampaignLine) -> str:
        if not campaign.at_most_left:
            return self.text("shake_none_left")
        return self.text("shake_left", count=f"{campaign.at_most_left:,}", clock=drawing.clock(campaign.left_at_ms))

    def _amount(self, win: messages.WinLine) -> str:
        return self.session.money.short(self.session.language, win.amount_fen)
