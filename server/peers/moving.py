"""What moves with a packet when another server becomes its owner: who follows it, and what memory knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from protocol import messages
from server.core.refusals import Reason, RequestRefused
from server.core.texts import Language
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.peers.forwarding import Forwarder
from server.peers.frames import ForwardedRequest, PacketChanged, SubscriptionMoves
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from server.peers.served import ForwardedSessions
from server.peers.watches import Watch
from server.services.packets.batch import ClaimsRecorded
from server.services.packets.pages import PageService, language_of
from server.services.packets.recovery import Recovery
from server.services.runtime.bus import Bus
from server.services.runtime.events import PacketPost, Refunded
from server.services.runtime.store_errors import StoreUnavailable

PAUSE_S: Final = 0.5


class MovingPackets:
    """Keeps memory and subscriptions where the owners are."""

    def __init__(
        self,
        mesh: Mesh,
        forwarder: Forwarder,
        forwarded: ForwardedSessions,
        sessions: Mapping[int, Session],
        subscriptions: Subscriptions,
        pages: PageService,
        recovery: Recovery,
        bus: Bus,
    ) -> None:
        self._mesh, self._forwarder, self._forwarded = mesh, forwarder, forwarded
        self._sessions, self._subscriptions = sessions, subscriptions
        self._pages, self._recovery = pages, recovery
        self._following: dict[tuple[int, int], asyncio.Task[None]] = {}  # by connection and packet
        mesh.on(SubscriptionMoves, self._take_subscription)
        mesh.on(PacketChanged, lambda peer, message: recovery.doubt((message.packet_id,)))
        mesh.on_peer(lambda peer: None, lambda peer: forwarder.watches.lost(peer.server_id))
        mesh.on_owners(self._owners_changed)
        bus.subscribe(self._on_recorded, ClaimsRecorded)
        bus.subscribe(self._on_refunded, Refunded)
        bus.subscribe(self._on_post, PacketPost)

    # --- memory -----------------------------------------------------------------------------------------------

    def _on_recorded(self, event: ClaimsRecorded, audience: Collection[int]) -> None:
        if not event.batch.packet.terms.dealt:  # a lease is its server's, whatever the bucket
            self._tell_owner(event.batch.live.packet_id)

    def _on_refunded(self, event: Refunded, audience: Collection[int]) -> None:
        self._tell_owner(event.packet_id)

    def _on_post(self, event: PacketPost, audience: Collection[int]) -> None:
        if event.stream_id != event.terms.stream_id:  # it was sent again: members of another group may open it
            self._tell_owner(event.terms.packet_id)

    def _tell_owner(self, packet_id: int) -> None:
        if self._mesh.peers and not self._forwarder.owns(packet_id):
            peer = self._mesh.peers.get(self._forwarder.owner(packet_id))
            if peer is not None:
                peer.send(PacketChanged(packet_id))

    def look_again(self) -> None:
        """What connections here follow may have moved on at a server that is not reached."""
        followed = {packet_id for _, packet_id, _, _ in self._subscriptions.all()}
        self._recovery.doubt(followed)
        for packet_id in followed:
            self._subscriptions.look_at(packet_id)

    def _owners_changed(self) -> None:
        self._move_watches()
        self._move_subscriptions()

    # --- subscriptions ----------------------------------------------------------------------------------------

    def _move_watches(self) -> None:
        """Those of connections here at other servers."""
        for number, packet_id, watch in self._forwarder.watches.all():
            session, owner = self._sessions.get(number), self._forwarder.owner(packet_id)
            if session is None or owner == watch.server_id:
                continue
            if (old := self._mesh.peers.get(watch.server_id)) is not None:
                old.send(ForwardedRequest(number, messages.StopWatching(0, packet_id)))
            if owner == self._mesh.server_id:
                self._forwarder.watches.drop(number, packet_id)
                self._follow_soon(session, packet_id, watch)
            else:
                self._forwarder.watches.move(number, packet_id, owner)
                self._hand_over(session, packet_id, watch)

    def _move_subscriptions(self) -> None:
        """Those of connections here to packets that were ours."""
        for session, packet_id, language, told in self._subscriptions.all():
            owner = self._forwarder.owner(packet_id)
            if session.number > 0 and owner != self._mesh.server_id:
                self._subscriptions.stop(session, packet_id)
                watch = Watch(owner, language, told)
                self._forwarder.watches.add(session.number, packet_id, watch)
                self._hand_over(session, packet_id, watch)

    def _hand_over(self, session: Session, packet_id: int, watch: Watch) -> None:
        peer = self._mesh.peers.get(self._forwarder.owner(packet_id))
        if peer is not None:
            self._forwarder.introduce(session, peer)
            peer.send(SubscriptionMoves(session.number, packet_id, watch.language, watch.told))

    def _take_subscription(self, peer: PeerServer, message: SubscriptionMoves) -> None:
        session = self._forwarded.find(peer, message.session)
        if session is not None:
            self._follow_soon(session, message.packet_id, Watch(0, message.language, message.told))

    def _follow_soon(self, session: Session, packet_id: int, watch: Watch) -> None:
        key = session.number, packet_id
        if (before := self._following.get(key)) is not None:
            before.cancel()  # it knows less of what the connection was told
        task = asyncio.get_running_loop().create_task(self._follow(session, packet_id, watch))
        self._following[key] = task
        task.add_done_callback(lambda done: self._followed(key, done))

    def _followed(self, key: tuple[int, int], done: asyncio.Task[None]) -> None:
        if self._following.get(key) is done:
            del self._following[key]

    async def _follow(self, session: Session, packet_id: int, watch: Watch) -> None:
        """Read the packet, then tell the connection of the claims that it does not know.

        While the stores are away it is tried again, until the connection is gone.
        """
        language = language_of(watch.language)
        while not session.transport.is_closing():
            try:
                found = await self._pages.result(session.user_id, packet_id, language, 0)
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_S)
            except RequestRefused as refused:
                if refused.retry_after_ms is None and refused.reason is not Reason.STORE_UNAVAILABLE:
                    return
                await asyncio.sleep(max(PAUSE_S, (refused.retry_after_ms or 0) / 1000))
            else:
                is_behind = found.page.lists_claims and found.opened > watch.told  # of one that is over, too
                if found.may_subscribe or is_behind:
                    self._follow_where_it_is(session, packet_id, language, watch)
                return

    def _follow_where_it_is(self, session: Session, packet_id: int, language: Language, watch: Watch) -> None:
        """Here, unless the packet of a connection here has got another owner while it was read."""
        owner = self._forwarder.owner(packet_id)
        if session.number > 0 and owner != self._mesh.server_id:
            watch = watch._replace(server_id=owner)
            self._forwarder.watches.add(session.number, packet_id, watch)
            self._hand_over(session, packet_id, watch)
        else:
            self._subscriptions.subscribe(session, packet_id, language, watch.told)
