"""Agreement on the owners: only while all servers agree on who decides a packet is memory certain.

Each server tells its peers which servers it takes for owners, and whether claims of packets that are not its own
any more are still in flight. While a peer names others, or a server that may live is not reached,
another server may decide what is ours. What rests on a durable claim is right all the same. What does not (a
ticket, an end without a share) needs memory that was read after the request came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.peers.frames import PeerPulse
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from server.services.packets.live_packet import LivePacket
from server.services.packets.live_packets import LivePackets
from server.services.runtime.change_feed import GIVE_UP_S

NEVER: Final = float("inf")


class OwnerAgreement:
    """Since when memory is certain, by the clock of the loop."""

    def __init__(
        self, mesh: Mesh, packets: LivePackets, owns: Callable[[int], bool], now_s: Callable[[], float]
    ) -> None:
        """`owns`: whether this server takes a packet for its own; up to date before `mesh` tells of a change."""
        self._mesh, self._packets, self._owns, self._now_s = mesh, packets, owns, now_s
        self._told: dict[int, PeerPulse] = {}  # what each peer said last
        self._lost_s: dict[int, float] = {}  # servers whose link was lost, when
        self._is_whole = False  # at the last beat each server that lives was reached
        self._under_way: list[LivePacket] = []  # claims that we decided of packets that are not ours any more
        self._since_s = NEVER
        mesh.on(PeerPulse, self._take)
        mesh.on_peer(lambda peer: self._came(peer.server_id), lambda peer: self._lost(peer.server_id))
        mesh.on_owners(self._owners_changed)
        mesh.on_beat(self._beat)

    def certain_since(self, packet_id: int) -> float:
        """What memory has read of a packet since then is certain; NEVER: another server may decide it now."""
        return self._since_s if self._owns(packet_id) else NEVER

    def pulse(self) -> PeerPulse:
        """What this server tells the others."""
        self._under_way = [live for live in self._under_way if live.has_claims_under_way]
        return PeerPulse(sorted(self._mesh.owners), not self._under_way)

    def woken(self) -> None:
        """This process stood still: the others may have gone on without it."""
        self._told.clear()
        self._is_whole, self._since_s = False, NEVER

    # --- what changes it --------------------------------------------------------------------------------------

    def _take(self, peer: PeerServer, pulse: PeerPulse) -> None:
        self._told[peer.server_id] = pulse
        self._judge()

    def _came(self, server_id: int) -> None:
        self._lost_s.pop(server_id, None)

    def _lost(self, server_id: int) -> None:
        told = self._told.pop(server_id, None)
        if told is None or server_id in told.owners or not told.is_quiet:
            self._lost_s[server_id] = self._now_s()  # otherwise it has left, and decides nothing
        self._judge()

    def _owners_changed(self) -> None:
        self._under_way += [live for live in self._packets.under_way() if not self._owns(live.packet_id)]
        pulse = self.pulse()
        for peer in self._mesh.peers.values():
            peer.send(pulse)
        self._judge()

    def _beat(self, is_whole: bool) -> None:
        """After each beat; a server that lives and is not reached makes it not whole."""
        self._is_whole = is_whole
        if is_whole:
            since_s = self._now_s() - GIVE_UP_S  # until then a lost server may decide what it takes for its own
            self._lost_s = {one: lost_s for one, lost_s in self._lost_s.items() if lost_s > since_s}
        self._judge()

    def _judge(self) -> None:
        if not self._is_agreed():
            self._since_s = NEVER
        elif self._since_s == NEVER:
            self._since_s = self._now_s()

    def _is_agreed(self) -> bool:
        agreed = PeerPulse(sorted(self._mesh.owners), is_quiet=True)
        told = self._told
        return self._is_whole and not self._lost_s and all(told.get(one) == agreed for one in self._mesh.peers)
