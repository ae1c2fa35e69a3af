"""All that a server does together with its peers, made once. Implements the router of the sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.clock import Clock
from server.net.dispatch import Dispatch
from server.net.hub import Hub
from server.net.routing import Owned
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.peers.events import EventSharing
from server.peers.forwarding import Forwarder
from server.peers.frames import ServerLeaves, UsersNoted
from server.peers.healing import GapHealing
from server.peers.mesh import Mesh
from server.peers.moving import MovingPackets
from server.peers.on_behalf import OnBehalfSharing
from server.peers.passes import PassSharing
from server.peers.peer import PeerServer
from server.peers.served import ForwardedSessions
from server.peers.stream_order import StreamOrder
from server.services.assembly import Services
from server.services.runtime.bus import Bus
from server.services.runtime.supervised import Loop


class Peers:
    """The other servers on the database of this one."""

    def __init__(
        self,
        services: Services,
        hub: Hub,
        dispatch: Dispatch,
        subscriptions: Subscriptions,
        sessions: Mapping[int, Session],
        bus: Bus,
        clock: Clock,
        mesh: Mesh | None = None,
    ) -> None:
        """`sessions`: the connections of clients here, by number. `mesh`: instead of one over real sockets."""
        self.mesh = mesh = mesh or Mesh(services.server_id)
        self._services = services
        self._loop = asyncio.get_running_loop()
        self.order = StreamOrder(hub.announce_now, self._loop.time, self._loop.call_later)
        hub.admits = self.order.admits
        self.events = EventSharing(mesh, hub, bus)
        self.forwarder = Forwarder(mesh, sessions, dispatch.serve, hub.charge)
        self.forwarded = ForwardedSessions(mesh, dispatch, subscriptions, clock.elapsed_s)
        lives = services.live_packets, services.recovery
        self.moving = MovingPackets(
            mesh, self.forwarder, self.forwarded, sessions, subscriptions, services.pages, *lives, bus
        )
        self.on_behalf = OnBehalfSharing(mesh, services.on_behalf, self.forwarder.owner)
        services.opens.owns = self.forwarder.owns
        self.passes = PassSharing(mesh, services.passes)
        self.healing = GapHealing(hub, services.missed_news, services.passes, clock.now_ms, self.moving.look_again)
        mesh.on(ServerLeaves, lambda peer, message: mesh.leaves(peer))
        mesh.on_peer(lambda peer: self.healing.begin(), lambda peer: self.healing.begin())
        mesh.on_beat(self.healing.beat)
        mesh.on(UsersNoted, self._users_noted)
        services.changes.on_others(mesh.know)

    async def open(self, folder: Path) -> None:
        """Listen for other servers, which learn the address with the next beat. Raises OSError."""
        self._services.changes.address = await self.mesh.open(folder)

    def leave(self) -> None:
        """This server goes down: it owns nothing from now on."""
        for peer in self.mesh.peers.values():
            peer.send(ServerLeaves())

    async def close(self) -> None:
        """Hang up."""
        await self.mesh.close()

    def loops(self) -> dict[str, Loop]:
        """The loops that must run while the server serves."""
        return {"gap_healing": self.healing.run}

    def _users_noted(self, peer: PeerServer, message: UsersNoted) -> None:
        """All users here are known there: what happened there before may have been missed."""
        if message.number == 0:
            self.healing.begin()
        else:
            self.events.users_noted(peer, message)

    # --- the router -------------------------------------------------------------------------------------------

    def forward(self, session: Session, request: Any, owned: Owned) -> bool:
        """See Router."""
        return self.forwarder.forward(session, request, owned)

    def gone(self, session: Session) -> None:
        """See Router."""
        self.forwarder.gone(session)

    async def noted(self) -> None:
        """See Router."""
        await self.events.noted()

    async def pass_told(self, user_id: int, group_id: int) -> None:
        """See Router."""
        await self.passes.told(user_id, group_id)
