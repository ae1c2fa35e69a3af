"""A campaign that the user shakes in: what the server has told of it, and what the latest shakes were answered."""

from __future__ import annotations

import time

from protocol import messages

NOTHING, WON, REST, ENDED, LIMIT = "nothing", "won", "rest", "ended", "limit"
OVER = frozenset({ENDED, LIMIT})  # answers after which no shake wins any more


class Shaking:
    """One campaign. The server decides chances; this only remembers, and knows when to ask for the number again."""

    def __init__(self, shown: messages.CampaignShown) -> None:
        self.campaign = shown.campaign
        self.texts = shown.texts
        self.shakes = 0
        self.latest: messages.Shaken | None = None
        self.win: messages.WinLine | None = None  # the newest one
        self._rests_until_s = 0.0

    def show(self, shown: messages.CampaignShown) -> None:
        """The server has told the campaign again."""
        self.campaign, self.texts = shown.campaign, shown.texts

    def take(self, shaken: messages.Shaken) -> None:
        """An answer to a shake."""
        self.shakes += 1
        self.latest = shaken
        if shaken.win is not None:
            self.win = shaken.win
        if shaken.result == REST:
            self._rests_until_s = time.monotonic() + shaken.retry_after_ms / 1000

    @property
    def rest_s(self) -> float:
        """How long the user is to rest."""
        return max(0.0, self._rests_until_s - time.monotonic())

    @property
    def asks_again(self) -> bool:
        """Whether the number of shares left is to be asked for, after so many shakes."""
        return self.shakes % self.campaign.ask_every == 0

    @property
    def text(self) -> str:
        """What the server says to the latest answer; empty before the first."""
        return "" if self.latest is None else self.texts.get(self.latest.result, "")
