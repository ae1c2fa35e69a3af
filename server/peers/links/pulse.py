"""The pulse of links: a message each half second, so a server that is frozen or cut off is noticed in seconds.

Its frame has a number, so by it the other side also notices that the last frame before it was lost. A server that
was frozen itself notices it here, too, before it answers what waits in its sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from server.peers.frames import PeerPulse
from server.peers.peer import PeerServer

LOG = structlog.get_logger()
PULSE_S: Final = 0.5
SILENT_S: Final = 3.0  # longer than a busy loop says nothing
STOOD_STILL_S: Final = 1.2  # after 2 s without a beat other servers take what is ours


class LinkPulse:
    """Sends the pulse of this server and cuts links on which nothing comes."""

    def __init__(
        self,
        peers: Mapping[int, PeerServer],
        pulse: Callable[[], PeerPulse],
        now_s: Callable[[], float],
        on_woken: Callable[[], None],
    ) -> None:
        """`now_s`: the clock of the loop. `on_woken` is called when this process has stood still."""
        self._peers = peers
        self._pulse = pulse
        self._now_s = now_s
        self._on_woken = on_woken
        self._ran_s = now_s()  # when the loop was last seen to run
        self.silent_s_max = SILENT_S

    async def run(self) -> None:
        """Never ends; to be supervised."""
        while True:
            slept_s = self._ran_s = self._now_s()
            await asyncio.sleep(PULSE_S)
            self.notice(self._now_s())
            # while this loop stood still nothing was read: that silence is our own
            self.beat(max(0.0, self._now_s() - slept_s - PULSE_S))

    def notice(self, now_s: float) -> None:
        """Find out whether this process has stood still until now."""
        if now_s - self._ran_s > STOOD_STILL_S:
            LOG.warning("process_stood_still", seconds=round(now_s - self._ran_s, 1))
            self._ran_s = now_s
            self._on_woken()

    def beat(self, stood_s: float) -> None:
        """Once; the loop stood still for so long."""
        pulse = self._pulse()
        for peer in list(self._peers.values()):
            peer.heard_s += stood_s
            silent_s = self._now_s() - peer.heard_s
            if silent_s > self.silent_s_max:
                LOG.warning("peer_cut", server_id=peer.server_id, why=f"nothing came for {silent_s:.1f} s")
                peer.close()
            else:
                peer.send(pulse)
