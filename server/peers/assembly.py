"""All that a server does together with its peers, made once. Implements the router of the sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from server.clock import Clock
from server.config import NatsSection, PeersSection
from server.net.dispatch import Dispatch
from server.net.hub import Hub
from server.net.routing import Owned
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.ops.samples.sample import LinkFigures, PeerFigures
from server.peers.agreement import OwnerAgreement
from server.peers.events import EventSharing
from server.peers.forwarding import Forwarder
from server.peers.frames import ServerLeaves, UsersNoted
from server.peers.healing import GapHealing
from server.peers.links.pulse import LinkPulse
from server.peers.links.tcp import TcpPlace, ports_of
from server.peers.mesh import Mesh
from server.peers.moving import MovingPackets
from server.peers.nats_pushes import NatsPushes
from server.peers.on_behalf import OnBehalfSharing
from server.peers.passes import PassSharing
from server.peers.peer import PeerServer
from server.peers.served import ForwardedSessions
from server.peers.settling import SettlementSharing
from server.peers.stream_order import StreamOrder
from server.services.assembly import Services
from server.services.runtime.bus import Bus
from server.services.runtime.supervised import Loop


class PeerPlace(NamedTuple):
    """How other servers and this one reach each other. `folder`: on this machine; `section`: on others.

    `workers`: how many processes listen as the section says, while no one replaces another. `owns`: see Mesh.
    """

    folder: Path | None
    section: PeersSection
    nats: NatsSection
    workers: int = 1
    owns: bool = True

    @property
    def is_anywhere(self) -> bool:
        """Some may reach it."""
        return self.folder is not None or bool(self.section.listen)


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
        place: PeerPlace,
        mesh: Mesh | None = None,
    ) -> None:
        """`sessions`: the connections of clients here, by number. `mesh`: instead of one over real sockets."""
        self.mesh = mesh = mesh or Mesh(services.server_id, clock.random_part, owns=place.owns)
        self._place = place
        self._random_bytes = clock.random_bytes
        self._services = services
        self._loop = asyncio.get_running_loop()
        self.order = StreamOrder(hub.announce_now, self._loop.time, self._loop.call_later)
        hub.admits = self.order.admits
        self.events = EventSharing(mesh, hub, bus)
        self.forwarder = Forwarder(mesh, sessions, dispatch.serve, hub.charge)
        self.forwarded = ForwardedSessions(mesh, dispatch, subscriptions, clock.elapsed_s)
        self.agreement = OwnerAgreement(mesh, services.live_packets, self.forwarder.owns, self._loop.time)
        services.opens.certain_since = self.agreement.certain_since
        self.moving = MovingPackets(
            mesh, self.forwarder, self.forwarded, sessions, subscriptions, services.pages, services.recovery, bus
        )
        self.on_behalf = OnBehalfSharing(mesh, services.on_behalf, self.forwarder.owner)
        self.passes = PassSharing(mesh, services.passes)
        of_sets, unrecorded = services.of_sets.settlements, lambda: services.commit.unrecorded
        self.settling = SettlementSharing(mesh, of_sets, self.forwarder.owner, unrecorded)
        self.healing = GapHealing(hub, services.missed_news, services.passes, clock.now_ms, self.moving.look_again)
        mesh.on(ServerLeaves, lambda peer, message: mesh.leaves(peer))
        mesh.on_peer(lambda peer: self.healing.begin(), self._peer_lost)
        mesh.on_beat(self.healing.beat)
        mesh.on(UsersNoted, self._users_noted)
        self.by_nats = self._pushes_over_nats()
        self._pulse = LinkPulse(mesh.peers, self.agreement.pulse, self._loop.time, self.agreement.woken)
        services.changes.on_others(mesh.know)

    async def open(self) -> None:
        """Listen for other servers, which learn the address with the next beat. Raises OSError."""
        folder, section = self._place.folder, self._place.section
        tcp = TcpPlace(
            section, ports_of(self._place.workers), lambda: self._services.seeds.keys, self._random_bytes
        )
        self._services.changes.address = await self.mesh.open(folder, tcp if section.listen else None)

    def leave(self) -> None:
        """This server goes down: it owns nothing from now on."""
        self.mesh.leave()

    async def close(self) -> None:
        """Hang up."""
        await self.mesh.close()

    def loops(self) -> dict[str, Loop]:
        """The loops that must run while the server serves."""
        pushes = {} if self.by_nats is None else {"nats_pushes": self.by_nats.run}
        return {"gap_healing": self.healing.run, "link_pulse": self._pulse.run, **pushes}

    def _pushes_over_nats(self) -> NatsPushes | None:
        nats, services = self._place.nats, self._services
        if services.nats is None or not nats.pushes:
            return None
        heard = self.events.take_event, self.healing.begin
        pushes = NatsPushes(services.nats, nats.subject, self.mesh, lambda: services.seeds.keys, *heard)
        self.events.broadcast = pushes.share
        return pushes

    def _peer_lost(self, peer: PeerServer) -> None:
        """What it has sent since it was last heard may be lost, too."""
        self.healing.begin(self._loop.time() - peer.heard_s)

    def _users_noted(self, peer: PeerServer, message: UsersNoted) -> None:
        """All users here are known there: what happened there before may have been missed."""
        if message.number == 0:
            self.healing.begin()
        else:
            self.events.users_noted(peer, message)

    # --- what operators see -----------------------------------------------------------------------------------

    def links(self) -> LinkFigures:
        """The links now."""
        return self.mesh.links({} if self.by_nats is None else self.by_nats.figures())

    def figures(self) -> PeerFigures:
        """What was sent and served since the start."""
        sent = self.mesh.sent
        return PeerFigures(
            waiting=self.forwarder.under_way,
            forwarded=self.forwarder.forwarded,
            served=self.forwarded.served,
            events=self.events.told,
            gaps=self.healing.gaps,
            frames=sent.frames,
            messages=sent.messages,
            bytes=sent.bytes,
        )

    def counted_elsewhere(self, user_ids: Collection[int]) -> int:
        """How many of these users, who are here, another server counts: each user counts at one server."""
        return self.events.presence.counted_elsewhere(user_ids, self.mesh.server_id)

    def copies(self) -> int:
        """How many of the packets in memory are another server's."""
        owns = self.forwarder.owns
        return sum(not owns(packet_id) for packet_id in self._services.live_packets.ids())

    # --- the router -------------------------------------------------------------------------------------------

    def forward(self, session: Session, request: Any, owned: Owned) -> bool:
        """See Router."""
        self._pulse.notice(session.now_s())
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
