"""The methods of `Client` that deal with packets for everyday chats."""

from __future__ import annotations

from typing import Final

from client_sim.sdk.ask import Requests
from protocol import messages

RIGHT: Final = "right"  # the answer to right words


class EverydayMethods(Requests):
    """Say the words of a packet."""

    async def say_words(self, packet_id: int, words: str) -> str:
        """Say the words of a password packet. `right`: they are a text of mine in the chat, once however often I
        say them, and the packet can be grabbed. Otherwise what a grab answers: `claimed`, `gone`, `expired`,
        `not_allowed`.

        Raises WordsWrong (see its `attempts_left`), WordsSpent, BadWords.
        """
        return (await self._ask(messages.SayWords(0, packet_id, words), messages.WordsSaid)).answer
