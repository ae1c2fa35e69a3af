"""The methods of `Client` that deal with packets."""

from __future__ import annotations

from typing import Final

from client_sim.sdk.ask import Requests
from client_sim.sdk.backoff import patiently
from client_sim.sdk.errors import Busy
from client_sim.sdk.renames import keyword_renamed, renamed
from protocol import messages

OPEN_PATIENCE_S: Final = 10.0


class PacketMethods(Requests):
    """Grab and open, send again, pages, records."""

    async def grab(self, packet_id: int) -> messages.Grabbed:
        """Tap a packet: can it still be opened? Every answer is a value, `not_allowed` too."""
        return await self._ask(messages.Grab(0, packet_id), messages.Grabbed)

    async def open(
        self, packet_id: int, patience_s: float = OPEN_PATIENCE_S, *, words: str = ""
    ) -> messages.Opened:
        """Grab and open in one. Answers `won`, `claimed`, `gone`, `expired` or `not_allowed`; again is harmless.

        `words`: those of a password packet, which become a text in the chat. Without them, unless they were said
        before, such a packet raises WordsNeeded; other ones raise WordsWrong, WordsSpent.

        While the packet is busy or a refusal is temporary, this waits as the server says and retries, for
        `patience_s`. After that it raises Busy or the last refusal.
        """
        return await patiently(lambda: self._grab_and_open(packet_id, words), patience_s)

    async def _grab_and_open(self, packet_id: int, words: str) -> messages.Opened:
        if words:
            await self._ask(messages.SayWords(0, packet_id, words), messages.WordsSaid)
        grabbed = await self.grab(packet_id)
        if grabbed.answer == "busy":
            raise Busy(packet_id, grabbed.retry_after_ms)
        if grabbed.answer != "ticket":
            return messages.Opened(0, packet_id, grabbed.answer, grabbed.amount_fen, grabbed.index)
        return await self.open_with(packet_id, grabbed.ticket)

    async def open_with(self, packet_id: int, ticket: int) -> messages.Opened:
        """Open with the ticket of a grab or a page. Raises NoTicket if it has lapsed: tap again."""
        return await self._ask(messages.Open(0, packet_id, ticket), messages.Opened)

    async def send_again(self, packet_id: int, group_id: int = 0) -> messages.SentAgain:
        """Push my unfinished packet again: where it was sent first (0), or to another group of mine, whose members
        may then open it. Not repeated automatically: raises ConnectionLost if in flight.

        Raises NotAllowed (not mine), Finished, NotAMember, Refusal (bad_target, too_many_groups).
        """
        return await self._ask(messages.SendAgain(0, packet_id, group_id), messages.SentAgain)

    async def open_page(self, packet_id: int, language: str = "zh") -> messages.OpenPageShown:
        """Tap a packet: the page to draw, and the ticket if it may be opened, in one round trip."""
        return await self._ask(messages.OpenPage(0, packet_id, language), messages.OpenPageShown)

    @keyword_renamed("watch", "subscribe")
    async def result_page(
        self, packet_id: int, language: str = "zh", before_index: int = 0, subscribe: bool = False
    ) -> messages.ResultPageShown:
        """The claims of a packet, as far as this user may see them. `before_index`: the claims before that one.

        `subscribe`: later claims are pushed (ResultUpdate) if the page says `watched`, until `unsubscribe`, the
        finish, or the end of the connection: subscribe again after a reconnect. Raises NotAllowed.
        """
        request = messages.ResultPage(0, packet_id, language, before_index, subscribe)
        return await self._ask(request, messages.ResultPageShown)

    async def unsubscribe(self, packet_id: int) -> None:
        """No more pushes of this packet's claims; again is harmless."""
        await self._ask(messages.StopWatching(0, packet_id), messages.WatchingStopped)

    stop_watching = renamed("stop_watching", unsubscribe)  # the old name, for one version more

    async def records(
        self, direction: str, year: int = 0, before_at_ms: int = 0, before_packet_id: int = 0
    ) -> messages.RecordsShown:
        """What I `sent` or `received` in a year (0: this one), newest first; `before_…`: older than that line."""
        request = messages.Records(0, direction, year, before_at_ms, before_packet_id)
        return await self._ask(request, messages.RecordsShown)
