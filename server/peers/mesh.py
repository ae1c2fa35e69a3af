"""All peers of this server: it listens for them, connects to them, and keeps the list of those that live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from server.ops.socket.unix_socket import BoundSocket, bind, connect
from server.peers.peer import PeerServer
from storage.postgres.change_feed import OtherServer

LOG = structlog.get_logger()
UNIX: Final = "unix:"
CONNECT_S: Final = 1.0
YOUNG_S: Final = 2.0  # the list may be older than a peer that was made just now
SOCKET_MODE: Final = 0o600

Receive = Callable[[PeerServer, Any], None]
OnPeer = Callable[[PeerServer], None]


class Mesh:
    """The peers, by the ids of their servers. Of two servers the one with the larger id connects."""

    def __init__(self, server_id: int) -> None:
        self.server_id = server_id
        self.peers: dict[int, PeerServer] = {}
        self._receive: dict[type, Receive] = {}
        self._on_up: list[OnPeer] = []
        self._on_down: list[OnPeer] = []
        self._on_owners: list[Callable[[], None]] = []
        self._on_beat: list[Callable[[bool], None]] = []
        self._leaving: set[int] = set()  # servers that own nothing any more
        self._missing: set[int] = set()  # servers that lived and were not reached at the last beat
        self._apart: set[int] = set()  # servers that decided alone for a while, since they were not reached
        self._connecting: dict[int, asyncio.Task[None]] = {}
        self._not_reached: set[int] = set()
        self._listening: asyncio.Server | None = None
        self._bound: BoundSocket | None = None

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

    def was_apart(self, server_id: int) -> bool:
        """Whether a server lived for a while to which there was no connection: it may have decided anything."""
        return server_id in self._apart

    @property
    def owners(self) -> list[int]:
        """The servers that may own something: this one, and those that are connected and do not go down."""
        others = [server_id for server_id in self.peers if server_id not in self._leaving]
        return [self.server_id, *others]

    # --- coming and going -------------------------------------------------------------------------------------

    async def open(self, folder: Path) -> str:
        """Listen in this folder; the address for the others. Raises OSError."""
        self._bound = bind(folder / f"{self.server_id:x}.peer", SOCKET_MODE)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_unix_server(lambda: PeerServer(self), sock=self._bound.socket)
        return f"{UNIX}{self._bound.path.absolute()}"

    def know(self, others: Sequence[OtherServer]) -> None:
        """After each beat: connect to living servers that wait for it, and cut off peers that do not live."""
        living = {one.server_id: one.address for one in others if one.address.startswith(UNIX)}
        self._not_reached &= living.keys()
        young_s = asyncio.get_running_loop().time() - YOUNG_S
        for server_id, peer in list(self.peers.items()):
            if server_id not in living and peer.up_at_s < young_s:
                LOG.warning("peer_cut", server_id=server_id, why="the server does not renew its lease")
                peer.close()
            else:
                peer.tell_number()
        missing = living.keys() - self.peers.keys()
        self._apart |= missing & self._missing
        self._missing = missing
        for act in self._on_beat:
            act(not missing)
        for server_id, address in living.items():
            if self.server_id > server_id and server_id not in self.peers and server_id not in self._connecting:
                self._connecting[server_id] = asyncio.create_task(self._connect(server_id, address))

    async def _connect(self, server_id: int, address: str) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                connected = connect(Path(address.removeprefix(UNIX)))
                make = partial(PeerServer, self, server_id)
                await asyncio.get_running_loop().create_unix_connection(make, sock=connected)
        except (OSError, TimeoutError) as error:  # the next beat tries again
            if server_id not in self._not_reached:  # it may be on another machine: that is said once
                self._not_reached.add(server_id)
                LOG.warning("peer_not_reached", address=address, why=str(error) or "no answer in time")
        finally:
            del self._connecting[server_id]

    async def close(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.close()
        for task in list(self._connecting.values()):
            task.cancel()
        for peer in list(self.peers.values()):
            peer.close_cleanly()
        if self._bound is not None:
            self._bound.unlink()

    def leaves(self, peer: PeerServer) -> None:
        """The other server goes down: it owns nothing from now on."""
        self._leaving.add(peer.server_id)
        self._owners_changed()

    # --- called by peers --------------------------------------------------------------------------------------

    def came_up(self, peer: PeerServer) -> None:
        """Both sides have said hello."""
        replaced = self.peers.get(peer.server_id)
        self.peers[peer.server_id] = peer
        if replaced is not None:
            replaced.is_up = False
            replaced.close()
            self._lost(replaced)
        self._not_reached.discard(peer.server_id)
        LOG.info("peer_up", server_id=peer.server_id)
        for up in self._on_up:
            up(peer)
        self._apart.discard(peer.server_id)
        self._owners_changed()

    def went_down(self, peer: PeerServer) -> None:
        """The connection was lost."""
        if self.peers.get(peer.server_id) is peer:
            del self.peers[peer.server_id]
            self._leaving.discard(peer.server_id)
            self._apart.add(peer.server_id)
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
