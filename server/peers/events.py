"""Events that users at other servers are told of, and who is connected where.

A user counts at another server once that server has noted it. A login waits for this before it reads what its
welcome says: an event is either in the welcome or is pushed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from server.net.hub import Hub
from server.net.pushes.encoded import EncodedPush
from server.net.pushes.table import encoded
from server.peers.frames import BalancesChanged, SharedEvent, UsersCame, UsersLeft, UsersNoted
from server.peers.mesh import Mesh
from server.peers.noting import Noting
from server.peers.peer import PeerServer
from server.peers.presence import Presence
from server.services.runtime import events
from server.services.runtime.bus import Bus

# Members who are added or removed, bans and tokens are told at each server by the change feed. A change of a
# balance has a message of its own.
SHARED: Final[tuple[type[events.Event], ...]] = (
    events.TextPost,
    events.PacketPost,
    events.ClaimsPost,
    events.FinishPost,
    events.RefundPost,
    events.RelayPost,
    events.Claimed,
    events.Finished,
    events.Refunded,
)
_DECODER: Final = msgspec.msgpack.Decoder(EncodedPush)
_ENCODER: Final = msgspec.msgpack.Encoder()

Places: TypeAlias = Mapping[int, list[int]]  # the users of an audience, by server
# Takes an event for some of the servers; the places that are left for the links.
Broadcast: TypeAlias = Callable[[str, msgspec.Raw, Places], Places]


class EventSharing:
    """Tells other servers who is here and what happened to users there; tells users here what happened there."""

    def __init__(self, mesh: Mesh, hub: Hub, bus: Bus) -> None:
        self.presence = Presence()
        self._mesh = mesh
        self._hub = hub
        self._noting = Noting()
        self.told = 0  # events, counted once for each server that was told
        self._came: list[int] = []  # in this turn of the loop
        self._number = 0  # of the message that tells of them
        self.broadcast: Broadcast | None = None  # another way than the links
        bus.subscribe(self._on_came, events.CameOnline)
        bus.subscribe(self._on_left, events.WentOffline)
        bus.subscribe(self._share, *SHARED)
        bus.subscribe(self._share_balance, events.BalanceChange)
        bus.know_clients(self._is_awaited, hub.user_ids)
        hub.servers_of = self.presence.servers_of
        mesh.on(UsersCame, self._take_came)
        mesh.on(UsersLeft, lambda peer, message: self.presence.left(peer.server_id, message.user_ids))
        mesh.on(SharedEvent, self.take_event)
        mesh.on(BalancesChanged, self._take_balances)
        mesh.on_peer(self._peer_came, self._peer_lost)

    # --- who is here ------------------------------------------------------------------------------------------

    async def noted(self) -> None:
        """Until the other servers have noted who came in this turn of the loop."""
        if self._came:
            await self._noting.wait(self._number)

    def _on_came(self, event: events.CameOnline, audience: Collection[int]) -> None:
        if not self._mesh.peers:
            return
        if not self._came:
            self._number = self._noting.begin(self._mesh.peers)
            asyncio.get_running_loop().call_soon(self._tell_came)
        self._came.append(event.user_id)

    def _tell_came(self) -> None:
        came, self._came = self._came, []
        for peer in self._mesh.peers.values():
            peer.send(UsersCame(self._number, came))

    def users_noted(self, peer: PeerServer, message: UsersNoted) -> None:
        """Another server has noted users that it was told of."""
        self._noting.noted(message.number, peer.server_id)

    def _on_left(self, event: events.WentOffline, audience: Collection[int]) -> None:
        for peer in self._mesh.peers.values():
            peer.send(UsersLeft([event.user_id]))

    def _take_came(self, peer: PeerServer, message: UsersCame) -> None:
        self.presence.came(peer.server_id, message.user_ids)
        peer.send(UsersNoted(message.number))

    def _peer_came(self, peer: PeerServer) -> None:
        peer.send(UsersCame(0, self._hub.user_ids()))

    def _peer_lost(self, peer: PeerServer) -> None:
        self.presence.forget(peer.server_id)
        self._noting.forget(peer.server_id)

    # --- what happened ----------------------------------------------------------------------------------------

    def _is_awaited(self, event: type[events.Event], audience: Collection[int]) -> bool:
        return self._hub.awaits(event, audience) or self.presence.has_any(audience)

    def _share(self, event: Any, audience: Collection[int]) -> None:
        if not self._mesh.peers:
            return
        places: Places = self.presence.places(audience)
        if not places:
            return
        name, push = type(event).__name__, msgspec.Raw(_ENCODER.encode(encoded(event)))
        self.told += len(places)
        if self.broadcast is not None:
            places = self.broadcast(name, push, places)
        for server_id, user_ids in places.items():
            if peer := self._mesh.peers.get(server_id):
                peer.send(SharedEvent(name, push, user_ids))

    def _share_balance(self, event: events.BalanceChange, audience: Collection[int]) -> None:
        """A settlement changes the wallets of many: they travel as rows of one message."""
        for server_id in self.presence.servers(event.user_id):
            if peer := self._mesh.peers.get(server_id):
                self.told += 1
                last = peer.last
                if type(last) is BalancesChanged:
                    last.changes.append(event)
                else:
                    peer.send(BalancesChanged([event]))

    def _take_balances(self, peer: PeerServer, message: BalancesChanged) -> None:
        announce = self._hub.announce
        for change in message.changes:
            announce(change, (change.user_id,))

    def take_event(self, peer: PeerServer, message: SharedEvent) -> None:
        """Users here are told of what happened there."""
        self._hub.announce(_DECODER.decode(message.event), frozenset(message.audience))
