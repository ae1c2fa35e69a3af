"""The methods of `Client` that pass packets on from friend to friend (裂变)."""

from __future__ import annotations

from client_sim.sdk.ask import Requests
from client_sim.sdk.backoff import patiently
from client_sim.sdk.errors import Busy, Refusal
from client_sim.sdk.methods.packets import OPEN_PATIENCE_S
from protocol import codes, messages


class TooDeep(Refusal):
    """The packet has been passed on from friend to friend as far as it may be."""

    CODE = codes.Refusal.TOO_DEEP


class LinkMethods(Requests):
    """Make links to packets that friends may open, and come by one."""

    async def pass_on(self, packet_id: int, language: str = "zh") -> messages.PassedOn:
        """A link to a packet of the kind `fission` that I have opened: who shows it may open a share.

        `text` of the reply is for a friend, with the link in it: say it in any chat. Raises NotAllowed (not opened,
        or of another kind), Finished, TooDeep.
        """
        return await self._ask(messages.PassOn(0, packet_id, language), messages.PassedOn)

    async def tap_link(self, link: str, language: str = "zh") -> messages.LinkTapped:
        """Tap the packet of a friend's link: the page to draw, and the ticket if it may be opened.

        From then on the packet is tapped and opened by its `packet_id`, as any other. Raises BadLink (forged or
        expired), NotAllowed (I have sent it), TooDeep.
        """
        return await self._ask(messages.TapLink(0, link, language), messages.LinkTapped)

    async def open_link(self, link: str, patience_s: float = OPEN_PATIENCE_S) -> messages.Opened:
        """Come by a link, grab and open in one. As `open`, and raises what `tap_link` does."""
        return await patiently(lambda: self._tap_and_open(link), patience_s)

    async def _tap_and_open(self, link: str) -> messages.Opened:
        tapped = await self.tap_link(link)
        if tapped.answer == "busy":
            raise Busy(tapped.packet_id, tapped.retry_after_ms)
        if tapped.answer == "claimed":
            grabbed = await self._ask(messages.Grab(0, tapped.packet_id), messages.Grabbed)
            return messages.Opened(0, tapped.packet_id, grabbed.answer, grabbed.amount_fen, grabbed.index)
        if tapped.answer != "ticket":
            return messages.Opened(0, tapped.packet_id, tapped.answer)
        return await self._ask(messages.Open(0, tapped.packet_id, tapped.ticket), messages.Opened)
