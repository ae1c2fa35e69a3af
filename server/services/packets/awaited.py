"""A grab, an open or a look whose reply is awaited in this process, not sent to a session."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from server.core.decisions import Decision
from server.core.refusals import Reason, RequestRefused
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.live_packet import Snapshot
from server.services.packets.live_packets import LivePackets
from server.services.runtime.bus import Bus, Outcome


class Replied(NamedTuple):
    """A reply, and the snapshot of the packet at that very moment; None: there is no such packet."""

    decision: Decision
    seen: Snapshot | None


class AwaitedReplies:
    """Makes the futures of replies."""

    def __init__(self, packets: LivePackets, opens: GrabOpenService, bus: Bus) -> None:
        self._packets = packets
        self._opens = opens
        self._bus = bus

    def expect(self, packet_id: int) -> tuple[asyncio.Future[Replied], int]:
        """The reply to come, which may raise RequestRefused; and the seq to ask with, in the session LOCAL."""
        answer: asyncio.Future[Replied] = asyncio.get_running_loop().create_future()

        def on_reply(outcome: Outcome) -> None:
            if answer.done():  # the connection that asked is gone
                return
            if isinstance(outcome, Reason):
                wait_ms = self._opens.retry_after_ms if outcome is Reason.OVERLOADED else None
                answer.set_exception(RequestRefused(outcome, retry_after_ms=wait_ms))
            elif isinstance(outcome, Decision):
                answer.set_result(Replied(outcome, self._packets.snapshot(packet_id)))

        return answer, self._bus.expect(on_reply)
