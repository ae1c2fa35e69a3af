"""All peers of this server: it listens for them, connects to them, and keeps the list of those that live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from server.ops.samples.sample import Counts, LinkFigures
from server.peers.frames import ServerLeaves
from server.peers.links.address import LinkAddress, parsed
from server.peers.links.backoff import Backoff
from server.peers.links.handshake import HandshakeFailed
from server.peers.links.links import Links
from server.peers.links.missing import MissingLinks
from server.peers.links.tcp import TcpPlace
from server.peers.peer import LinkKind, PeerServer, SentCounts
from storage.postgres.change_feed import OtherServer

LOG = structlog.get_logger()
CONNECT_S: Final = 4.0  # two handshakes over a slow network
YOUNG_S: Final = 2.0  # the list may be older than a peer that was made just now

Receive = Callable[[PeerServer, Any], None]
OnPeer = Callable[[PeerServer], None]


class Mesh:
    """The peers, by the ids of their servers. Of two servers the one with the larger id connects."""

    def __init__(self, server_id: int, random_part: Callable[[], float], *, owns: bool = True) -> None:
        """`owns`: False for one that has connections only, and decides nothing while a server lives that does."""
        self.server_id, self.owns = server_id, owns
        self.peers: dict[int, PeerServer] = {}
        self.sent = SentCounts()
        self._receive: dict[type, Receive] = {}
        self._on_up: list[OnPeer] = []
        self._on_down: list[OnPeer] = []
        self._on_owners: list[Callable[[], None]] = []
        self._on_beat: list[Callable[[bool], None]] = []
        self._leaving: set[int] = set()  # servers that own nothing any more
        self._connecting: dict[int, asyncio.Task[None]] = {}
        self._awaited: dict[int, asyncio.Future[None]] = {}  # by server that we connect to: done once it is a peer
        self._links = Links(server_id, self._make_peer)
        self._backoff = Backoff()
        self._random_part = random_part
        self._missing = MissingLinks()
        self._lost_links = 0
        self._now_s = asyncio.get_running_loop().time

    def on(self, message: type, receive: Receive) -> None:
        """Hand messages of this class to `receive`."""
        self._receive[message] = receive

    def on_peer(self, up: OnPeer, down: OnPeer) -> None:
        """Call `up` with each new peer, before any message of it, and `down` once it is lost."""
        self._on_up.append(up)
        self._on_down.append(down)

    def on_owners(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the servers that may own something are others than before."""
        self._on_owners.append(changed)

    def on_beat(self, act: Callable[[bool], None]) -> None:
        """Call `act` after each beat, with whether there is a connection to each server that lives."""
        self._on_beat.append(act)

    @property
    def owners(self) -> list[int]:
        """The servers that may own something: this one, and those that are connected. One that goes down does not,
        unless there is no other; nor one that has connections only, unless there is no other that stays.
        """
        all_here = {self.server_id: self.owns, **{one: peer.owns for one, peer in self.peers.items()}}
        staying = [server_id for server_id in all_here if server_id not in self._leaving]
        return [server_id for server_id in staying if all_here[server_id]] or staying or [self.server_id]

    # --- coming and going -------------------------------------------------------------------------------------

    async def open(self, folder: Path | None, tcp: TcpPlace | None = None) -> str:
        """Listen in this folder, over TCP, or both; the address for the others. Raises OSError."""
        return str(await self._links.open(folder, tcp))

    def know(self, others: Sequence[OtherServer]) -> None:
        """After each beat: connect to living servers that wait for it, and cut off peers that do not live."""
        now_s = self._now_s()
        places = {one.server_id: parsed(one.address) for one in others}
        living = {server_id: place for server_id, place in places.items() if place is not None}
        self._backoff.keep(living)
        self._missing.know(places, self.peers, now_s)
        for server_id, peer in list(self.peers.items()):
            if server_id not in living and peer.up_at_s < now_s - YOUNG_S:
                LOG.warning("peer_cut", server_id=server_id, why="the server does not renew its lease")
                peer.close()
        unreached = living.keys() - self.peers.keys()
        for act in self._on_beat:
            act(not unreached)
        for server_id, place in living.items():
            is_ours = self.server_id > server_id and self._backoff.is_due(server_id, now_s)
            if is_ours and server_id not in self.peers and server_id not in self._connecting:
                self._connecting[server_id] = asyncio.create_task(self._connect(server_id, place))

    async def _connect(self, server_id: int, place: LinkAddress) -> None:
        up = self._awaited[server_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._links.connect(server_id, place)
                await up
        except (OSError, TimeoutError, HandshakeFailed) as error:
            why = str(error) or "no answer in time"
            self._missing.failed(server_id, why)
            if self._backoff.failed(server_id, self._now_s(), self._random_part()):
                LOG.warning("peer_not_reached", address=str(place), why=why)
        finally:
            del self._connecting[server_id], self._awaited[server_id]

    def links(self, pushes: Counts) -> LinkFigures:
        """The links now. `pushes`: messages over NATS."""
        up: dict[str, int] = dict(Counter(peer.kind for peer in self.peers.values()))
        missing = self._missing.shown(self._now_s())
        return LinkFigures(up, missing, self._lost_links, dict(self._links.refused), pushes)

    async def close(self) -> None:
        """Hang up."""
        self._links.close()
        for task in list(self._connecting.values()):
            task.cancel()
        for peer in list(self.peers.values()):
            peer.close_cleanly()
        self._links.unlink()

    def leave(self) -> None:
        """This server goes down: it owns nothing from now on, if there is another one."""
        for peer in self.peers.values():
            peer.send(ServerLeaves())
        self._leaving.add(self.server_id)
        self._owners_changed()

    def leaves(self, peer: PeerServer) -> None:
        """The other server goes down: it owns nothing from now on."""
        self._leaving.add(peer.server_id)
        self._owners_changed()

    def _make_peer(self, kind: LinkKind, server_id: int) -> PeerServer:
        return PeerServer(self, kind, server_id)

    # --- called by peers --------------------------------------------------------------------------------------

    def came_up(self, peer: PeerServer) -> None:
        """Both sides have said hello."""
        replaced = self.peers.get(peer.server_id)
        self.peers[peer.server_id] = peer
        if replaced is not None:
            replaced.is_up = False
            replaced.close()
            self._lost(replaced)
        self._backoff.forget(peer.server_id)
        if (awaited := self._awaited.get(peer.server_id)) is not None and not awaited.done():
            awaited.set_result(None)
        LOG.info("peer_up", server_id=peer.server_id, link=peer.kind)
        for up in self._on_up:
            up(peer)
        self._owners_changed()

    def went_down(self, peer: PeerServer) -> None:
        """The connection was lost."""
        if self.peers.get(peer.server_id) is peer:
            del self.peers[peer.server_id]
            self._lost_links += peer.server_id not in self._leaving
            self._leaving.discard(peer.server_id)
            LOG.info("peer_down", server_id=peer.server_id)
            self._lost(peer)
            self._owners_changed()

    def received(self, peer: PeerServer, message: Any) -> None:
        """Hand on a message."""
        self._receive[type(message)](peer, message)

    def _lost(self, peer: PeerServer) -> None:
        for down in self._on_down:
            down(peer)

    def _owners_changed(self) -> None:
        for changed in self._on_owners:
            changed()
