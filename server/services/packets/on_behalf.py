"""What the chat backend does with packets on behalf of a user: a grab and its open in one call, and a look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from server.core.decisions import Answer, Decision
from server.services.packets.awaited import AwaitedReplies
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.live_packet import Snapshot
from server.services.packets.requests import GrabRequest, LookRequest, OpenRequest
from server.services.runtime.bus import LOCAL

NO_USER: Final = 0  # in a look of the chat backend, which may see every packet


class OnBehalfService:
    """Use cases open and look, without a session. Raises RequestRefused."""

    def __init__(self, opens: GrabOpenService, replies: AwaitedReplies, now_ms: Callable[[], int]) -> None:
        self._opens = opens
        self._replies = replies
        self._now_ms = now_ms
        # what another server decides that owns the packet; None: this one does
        self.elsewhere: Callable[[int, int], Awaitable[Decision | None]] | None = None

    async def open(self, user_id: int, packet_id: int) -> Decision:
        """Grab, and open with the ticket; again, it answers `claimed`. Without a ticket: the answer of the grab."""
        if self.elsewhere is not None and (decision := await self.elsewhere(user_id, packet_id)) is not None:
            return decision
        return await self.open_here(user_id, packet_id)

    async def open_here(self, user_id: int, packet_id: int) -> Decision:
        """The same, decided by this server: only here is it in memory what the user has just said (words)."""
        grabbed, seq = self._replies.expect(packet_id)
        self._opens.grab(GrabRequest(packet_id, user_id, self._now_ms(), LOCAL, seq))
        decision = (await grabbed).decision
        if decision.answer is not Answer.TICKET or decision.ticket is None:
            return decision
        opened, seq = self._replies.expect(packet_id)
        ticket = decision.ticket.number
        self._opens.open(OpenRequest(packet_id, user_id, self._now_ms(), LOCAL, seq, ticket=ticket))
        return (await opened).decision

    async def look(self, packet_id: int) -> Snapshot | None:
        """A packet, for one who may see all of it; None if there is none."""
        ready, seq = self._replies.expect(packet_id)
        self._opens.look(LookRequest(packet_id, NO_USER, self._now_ms(), LOCAL, seq))
        return (await ready).seen
