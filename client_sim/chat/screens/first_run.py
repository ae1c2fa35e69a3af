"""The first screen of a user without a group: how to get into one, how to get money, which keys there are."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.content import Content

from client_sim.chat.screens.drawing import GOLD
from client_sim.chat.screens.widgets import Drawn
from client_sim.chat.session import Session
from client_sim.chat.texts import text


class FirstRun(VerticalScroll, can_focus=False):
    """Shown in place of the conversation, while there is nothing in it and no other one."""

    def __init__(self) -> None:
        self._words = Drawn()
        super().__init__(self._words, id="first")

    def show(self, session: Session, topup_command: str) -> bool:
        """Draw it if there is nothing else to show; whether it is shown."""
        self.display = session.is_ready.is_set() and session.model.is_first_run
        parts = (
            ["first_group", "first_keys"]
            if session.model.balance_fen
            else ["first_group", "first_money", "first_keys"]
        )
        words: list[str | tuple[str, str]] = []
        for part in parts:
            words.append((text(session.language, f"{part}_title"), f"bold {GOLD}"))
            words.append(f"\n{text(session.language, part, command=topup_command)}\n\n")
        self._words.draw(Content.assemble(*words))
        return self.display
