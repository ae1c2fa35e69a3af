"""The methods of `Client` that deal with packets for everyday chats."""

from __future__ import annotations

from typing import Final

from client_sim.sdk.ask import Requests
from protocol import messages

RIGHT: Final = "right"  # the answer to right words


class EverydayMethods(Requests):
    """Say the words of a packet; list and cancel packets that wait for their time; the relay of a group."""

    async def say_words(self, packet_id: int, words: str) -> str:
        """Say the words of a password packet. `right`: they are a text of mine in the chat, once however often I
        say them, and the packet can be grabbed. Otherwise what a grab answers: `claimed`, `gone`, `expired`,
        `not_allowed`.

        Raises WordsWrong (see its `attempts_left`), WordsSpent, BadWords.
        """
        return (await self._ask(messages.SayWords(0, packet_id, words), messages.WordsSaid)).answer

    async def scheduled(self) -> list[messages.ScheduledLine]:
        """My packets that wait for their time, the next one first."""
        return (await self._ask(messages.GetScheduled(0), messages.ScheduledPackets)).packets

    async def cancel_scheduled(self, packet_id: int) -> int:
        """Cancel my packet before its time; what came back, in fen. Again is harmless.

        Raises AlreadyPosted, NotAllowed.
        """
        request = messages.CancelScheduled(0, packet_id)
        return (await self._ask(request, messages.ScheduledCancelled)).refunded_fen

    async def set_relay(self, group_id: int, times: int) -> None:
        """Set the relay (接龙) of my group: after a lucky packet the user with the best luck is reminded, by a
        `RelayPosted` in the group, to send the next one, with `times` (1 to 3) times the best share. 0: no more.
        The chat backend may set it for any group. Raises NotOwner, NotAMember, BackendDecides, NoSuchGroup.
        """
        await self._ask(messages.SetRelay(0, group_id, times), messages.RelaySet)

    async def relay(self, group_id: int) -> int:
        """The rule of a group that I am in: so many times the best share; 0: none. Raises NotAMember."""
        return (await self._ask(messages.GetRelay(0, group_id), messages.RelayShown)).times
