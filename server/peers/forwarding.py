"""Requests of connections here that the owner of a packet, or of a user, serves at another server.

A request is kept until its reply has come. If the peer is lost before, or the owner goes down, the request is
served again: by the next owner, or here. A repeated open finds its own claim recorded, so none is made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from protocol import codes, messages
from server.core.placement.buckets import BUCKETS, bucket_of, owners_of
from server.net.read_flow import pause_s
from server.net.routing import Owned
from server.net.session import Session
from server.peers.frames import (
    ForwardedPush,
    ForwardedRefusal,
    ForwardedReply,
    ForwardedRequest,
    ForwardingSession,
    NotServed,
    SessionEnded,
)
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from server.peers.watches import Watches


class Waiting(NamedTuple):
    """A request that another server is serving."""

    server_id: int
    session: Session
    request: messages.Message
    owned: Owned


class Forwarder:
    """The side where the connections are."""

    def __init__(
        self,
        mesh: Mesh,
        sessions: Mapping[int, Session],
        serve: Callable[[Session, Any], None],
        charge: Callable[[int, float, int, int], None],
    ) -> None:
        """`sessions` are those open now; `serve` serves an admitted request here.

        `charge` lets a user pay for a read: user, now, bytes, rows.
        """
        self._charge = charge
        self._mesh = mesh
        self._sessions = sessions
        self._serve = serve
        self._owners: list[int] = [mesh.server_id] * BUCKETS
        self._waiting: dict[tuple[int, int], Waiting] = {}
        self._known: dict[int, set[int]] = {}  # by session: the servers that know it
        self.watches = Watches()
        self.forwarded = 0
        mesh.on(ForwardedReply, self._take_reply)
        mesh.on(ForwardedRefusal, self._take_refusal)
        mesh.on(NotServed, self._take_not_served)
        mesh.on(ForwardedPush, self._take_push)
        mesh.on_peer(lambda peer: None, self._peer_lost)
        mesh.on_owners(self._learn_owners)

    @property
    def under_way(self) -> int:
        """Requests that wait for another server."""
        return len(self._waiting)

    def owner(self, number: int) -> int:
        """The server that owns a packet or a user."""
        return self._owners[bucket_of(number)]

    def owns(self, packet_id: int) -> bool:
        """Whether this server owns a packet."""
        return self._owners[bucket_of(packet_id)] == self._mesh.server_id

    def forward(self, session: Session, request: Any, owned: Owned) -> bool:
        """Send a request to the owner of what it names; False: this server is the owner."""
        server_id = self._owners[bucket_of(request.packet_id if owned == "packet" else session.user_id)]
        if server_id == self._mesh.server_id:
            return False
        peer = self._mesh.peers.get(server_id)
        if peer is None:  # about to be forgotten
            return False
        self.introduce(session, peer)
        self._waiting[session.number, request.seq] = Waiting(server_id, session, request, owned)
        self.watches.asked(session.number, request)
        self.forwarded += 1
        peer.send(ForwardedRequest(session.number, request))
        return True

    def introduce(self, session: Session, peer: PeerServer) -> None:
        """The other server knows the connection from now on."""
        known = self._known.get(session.number)
        if known is None:
            known = self._known[session.number] = set()
        if peer.server_id not in known:
            known.add(peer.server_id)
            peer.send(ForwardingSession(session.number, session.user_id, list(session.features)))

    def gone(self, session: Session) -> None:
        """A connection was lost."""
        self.watches.gone(session.number)
        known = self._known.pop(session.number, ())
        if known:  # no reply comes for a connection that is gone
            for key in [one for one in self._waiting if one[0] == session.number]:
                del self._waiting[key]
        for server_id in known:
            if peer := self._mesh.peers.get(server_id):
                peer.send(SessionEnded(session.number))

    # --- what comes back --------------------------------------------------------------------------------------

    def _take_reply(self, peer: PeerServer, message: ForwardedReply) -> None:
        waiting = self._waiting.pop((message.session, message.seq), None)
        session = self._sessions.get(message.session)
        if session is None or waiting is None:
            return
        self.watches.replied(session.number, waiting.request, message.reply, peer.server_id)
        framed = session.frame(message.reply)
        session.push(framed, can_wait=False)
        if message.rows is not None:
            self._charge(session.user_id, session.now_s(), len(framed), message.rows)

    def _take_refusal(self, peer: PeerServer, message: ForwardedRefusal) -> None:
        waiting = self._waiting.pop((message.session, message.seq), None)
        session = self._sessions.get(message.session)
        if session is None or waiting is None:
            return
        refusal = codes.Refusal(message.refusal)
        if refusal is codes.Refusal.OVERLOADED:
            session.reading.pause_for(pause_s(session.number))
        session.refuse(message.seq, refusal, message.detail, message.retry_after_ms)

    def _take_not_served(self, peer: PeerServer, message: NotServed) -> None:
        waiting = self._waiting.pop((message.session, message.seq), None)
        if waiting is not None and self._sessions.get(message.session) is waiting.session:
            self._serve(waiting.session, waiting.request)  # here: its owner is about to be another one

    def _take_push(self, peer: PeerServer, message: ForwardedPush) -> None:
        framed: dict[Any, bytes] = {}
        for number in self.watches.pushed(peer.server_id, message.sessions, message.push):
            session = self._sessions.get(number)
            if session is not None:
                frame = session.frame
                if frame not in framed:
                    framed[frame] = frame(message.push)
                session.push(framed[frame], message.can_wait)

    # --- when owners change -----------------------------------------------------------------------------------

    def _learn_owners(self) -> None:
        self._owners = owners_of(self._mesh.owners)

    def _peer_lost(self, peer: PeerServer) -> None:
        for known in self._known.values():
            known.discard(peer.server_id)
        lost = [key for key, one in self._waiting.items() if one.server_id == peer.server_id]
        # the owners are computed again right after this
        asyncio.get_running_loop().call_soon(self._serve_all_again, [self._waiting.pop(key) for key in lost])

    def _serve_all_again(self, lost: list[Waiting]) -> None:
        for one in lost:
            self._serve_again(one)

    def _serve_again(self, one: Waiting) -> None:
        """The next owner serves it, or this server, unless its connection is gone."""
        is_there = self._sessions.get(one.session.number) is one.session
        if is_there and not self.forward(one.session, one.request, one.owned):
            self._serve(one.session, one.request)
