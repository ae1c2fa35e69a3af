"""What one process of a world with peers has besides its services: hub, dispatch and peers, all real."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from protocol.money_unit import YUAN
from server.config import NatsSection, PeersSection
from server.net.dispatch import Dispatch
from server.net.hub import Hub
from server.net.subscriptions import Subscriptions
from server.peers.assembly import PeerPlace, Peers
from server.services.packets.requests import GrabRequest, OpenRequest
from server.services.runtime.events import AccessChange
from tests.sim.peers.links import SimMesh

if TYPE_CHECKING:
    from server.peers.peer import PeerServer
    from tests.sim.peers.side import PeersSide
    from tests.sim.server import SimServer


class PeersPlace:
    """Wired as in server.app, but for the mesh, whose links are simulated."""

    def __init__(self, side: PeersSide, server: SimServer) -> None:
        assert server.clock is not None
        services, bus, clock = server.running, server.bus, server.clock
        limits, self._links = services._limits, side.links
        self.sessions: dict[int, Any] = {}
        self.hub = Hub(limits, bus)
        self.subscriptions = Subscriptions(services.live_packets, services.pages, limits, bus)
        self.dispatch = Dispatch(services, self.hub, self.subscriptions, self.sessions, bus, clock, YUAN)
        self.mesh = SimMesh(services.server_id, side.links, server.number)
        self.mesh.on_peer(lambda peer: None, partial(self._count_moves, side))
        parts = self.hub, self.dispatch, self.subscriptions, self.sessions, bus, clock
        nowhere = PeerPlace(None, PeersSection(), NatsSection())  # the mesh is where it is
        self.peers = self.dispatch.router = Peers(services, *parts, nowhere, self.mesh)
        services.changes.address = self.mesh.address
        services.changes._store._line = side.feeds[server.number]  # type: ignore[attr-defined]
        self._watch_tickets(server)
        bus.know_clients(self._awaits, self.hub.user_ids)

    def loops(self) -> dict[str, Any]:
        """What runs besides the loops of the services."""
        return {"subscriptions": self.subscriptions.run, **self.peers.loops()}

    def kill(self) -> None:
        """kill -9: no task goes on, and the others notice that the links are lost."""
        peers = self.peers
        tasks = [
            *self.dispatch._tasks,
            *peers.moving._following.values(),
            *peers.passes._tasks,
            *peers.on_behalf._tasks,
        ]
        for task in (*tasks, *self.mesh._connecting.values()):
            task.cancel()
        self._links.kill(self.mesh)
        for session in self.sessions.values():
            session.transport.end()  # type: ignore[attr-defined]
        self.sessions.clear()

    def _awaits(self, event: type, audience: Collection[int]) -> bool:
        """Every push is made, so that it is checked."""
        return event is not AccessChange or self.hub.awaits(event, audience)

    def _count_moves(self, side: PeersSide, lost: PeerServer) -> None:
        """Requests whose owner is lost before its reply: asked before the forwarder is told of the loss."""
        waiting = self.peers.forwarder._waiting.values()
        side.seen["moved on"] += sum(one.server_id == lost.server_id for one in waiting)

    def _watch_tickets(self, server: SimServer) -> None:
        """Tickets live where packets are decided, whichever server has the connection."""
        bus, tickets = server.bus, server.tickets
        deliver = bus._deliver

        def watched(request: Any, outcome: Any) -> None:
            if type(request) in (GrabRequest, OpenRequest):
                ticket = getattr(request, "ticket", None)
                tickets.answered(request.user_id, request.packet_id, ticket, outcome, request.at_ms)
            deliver(request, outcome)

        bus.deliver_replies(watched)
