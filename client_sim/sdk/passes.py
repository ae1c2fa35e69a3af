"""The passes that the app has shown: only the server that saw one knows it, so each login shows them again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from client_sim.sdk.ask import Ask
from client_sim.sdk.errors import Refusal
from protocol import messages


class Passes:
    """The latest accepted pass of each group."""

    __slots__ = ("_signed",)

    def __init__(self) -> None:
        self._signed: dict[int, str] = {}

    def keep(self, group_id: int, signed: str) -> None:
        """The server has accepted this pass."""
        self._signed[group_id] = signed

    def show(self, ask: Ask) -> Coroutine[Any, Any, None] | None:
        """Show all passes at once; the work of taking in the replies. None without a pass."""
        if not self._signed:
            return None
        shown = {one: ask(messages.ShowPass(0, signed), messages.PassShown) for one, signed in self._signed.items()}
        return self._take_in(shown)

    async def _take_in(self, shown: Mapping[int, asyncio.Future[messages.PassShown]]) -> None:
        """A pass that has expired is dropped: the app gets a new one from the chat backend."""
        replies = await asyncio.gather(*shown.values(), return_exceptions=True)
        for group_id, reply in zip(shown, replies, strict=True):
            if isinstance(reply, Refusal) and not reply.temporary:
                self._signed.pop(group_id, None)
