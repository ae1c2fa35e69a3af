"""The owner's side: requests of connections at other servers are served as those of connections here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import count
from typing import Final, Protocol

from protocol import codes, messages
from protocol.framing import Frame
from server.net.read_budget import rows_in
from server.net.session import Session
from server.net.subscriptions import Subscriptions
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


class ForwardedReading:
    """Reading from the client is the affair of the server that has the connection."""

    backpressure: Final = False

    def pause_for(self, seconds: float) -> None:
        """The other server pauses, when it gets the refusal."""

    async def wait_until_taken(self, within_s: float) -> None:
        """The other server waits."""


class ForwardedTransport:
    """Stands for the socket at the other server."""

    __slots__ = ("_ended",)

    def __init__(self) -> None:
        self._ended = False

    def is_closing(self) -> bool:
        """The connection is gone, or its server is."""
        return self._ended

    def end(self) -> None:
        """The connection is gone."""
        self._ended = True


def _as_it_is(payload: bytes) -> bytes:
    """The server that has the socket frames what it gets."""
    return payload


class ForwardedSession:
    """A connection at another server: replies, refusals and pushes go back to the peer."""

    is_private = False  # requests with secrets are served where the socket is

    def __init__(
        self,
        peer: PeerServer,
        there: int,
        number: int,
        user_id: int,
        features: list[str],
        now_s: Callable[[], float],
    ) -> None:
        """`there`: its number at the other server; `number`: its number here, below 0."""
        self._link = peer
        self._there = there
        self.number = number
        self.user_id = user_id
        self.features: Collection[str] = frozenset(features)
        self.now_s = now_s
        self.frame: Frame = _as_it_is
        self.unmetered = 0
        self.holds_pushes = False  # it was welcomed before its first request was forwarded
        self.reading = ForwardedReading()
        self.transport = ForwardedTransport()

    def reply(self, message: messages.Message) -> int:
        """Send a reply to the other server. Returns its bytes."""
        reply = messages.encode(message)
        rows = rows_in(message) if type(message) is messages.ResultPageShown else None
        self._link.send(ForwardedReply(self._there, message.seq, reply, rows))
        return len(reply)

    def refuse(self, seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None) -> None:
        """Send a refusal to the other server."""
        self._link.send(ForwardedRefusal(self._there, seq, int(refusal), detail, retry_after_ms))

    def push(self, framed: bytes, can_wait: bool) -> None:
        """Send a push to the other server; what was encoded once for many is sent once."""
        last = self._link.last
        if type(last) is ForwardedPush and last.push is framed and last.can_wait == can_wait:
            last.sessions.append(self._there)
        else:
            self._link.send(ForwardedPush([self._there], framed, can_wait))


class ServesForwarded(Protocol):
    """What serves an admitted request: the dispatch."""

    draining: bool
    forwarded_sessions: dict[int, Session]

    def serve(self, session: Session, request: messages.Message, /) -> None: ...


class ForwardedSessions:
    """The connections at other servers whose requests come here."""

    def __init__(
        self, mesh: Mesh, dispatch: ServesForwarded, subscriptions: Subscriptions, now_s: Callable[[], float]
    ) -> None:
        self._dispatch = dispatch
        self._subscriptions = subscriptions
        self._now_s = now_s
        self._sessions: dict[tuple[int, int], ForwardedSession] = {}  # by server and number there
        self._numbers = count(-1, -1)
        self.served = 0
        mesh.on(ForwardingSession, self._take_session)
        mesh.on(SessionEnded, lambda peer, message: self._end(peer.server_id, message.session))
        mesh.on(ForwardedRequest, self._take_request)
        mesh.on_peer(lambda peer: None, self._peer_lost)

    def find(self, peer: PeerServer, there: int) -> ForwardedSession | None:
        """The connection with this number at the other server."""
        return self._sessions.get((peer.server_id, there))

    def _take_session(self, peer: PeerServer, message: ForwardingSession) -> None:
        about = message.user_id, message.features, self._now_s
        session = ForwardedSession(peer, message.session, next(self._numbers), *about)
        self._sessions[peer.server_id, message.session] = session
        self._dispatch.forwarded_sessions[session.number] = session

    def _take_request(self, peer: PeerServer, message: ForwardedRequest) -> None:
        session = self._sessions.get((peer.server_id, message.session))
        if session is None or self._dispatch.draining:
            peer.send(NotServed(message.session, message.request.seq))
            return
        self.served += 1
        self._dispatch.serve(session, message.request)

    def _end(self, server_id: int, there: int) -> None:
        session = self._sessions.pop((server_id, there), None)
        if session is not None:
            del self._dispatch.forwarded_sessions[session.number]
            session.transport.end()
            self._subscriptions.gone(session)

    def _peer_lost(self, peer: PeerServer) -> None:
        for server_id, there in [key for key in self._sessions if key[0] == peer.server_id]:
            self._end(server_id, there)
