"""All ways to other servers: a unix socket to siblings in the same folder, TCP to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from server.ops.socket.unix_socket import BoundSocket, bind, connect
from server.peers.links.address import LinkAddress
from server.peers.links.tcp import TcpLinks, TcpPlace
from server.peers.peer import LinkKind, PeerServer

SOCKET_MODE: Final = 0o600

MakePeer = Callable[[LinkKind, int], PeerServer]  # of this kind, to this server; 0: to any


class NoWay(OSError):
    """The other server is on another machine, and one of both has no address for that."""


class Links:
    """Listens for other servers and connects to them."""

    def __init__(self, own_id: int, make_peer: MakePeer) -> None:
        self._own_id = own_id
        self._make_peer = make_peer
        self._folder: Path | None = None
        self._tcp: TcpLinks | None = None
        self._listening: asyncio.Server | None = None
        self._bound: BoundSocket | None = None

    @property
    def refused(self) -> Mapping[str, int]:
        """Handshakes over TCP that have failed, by why."""
        return {} if self._tcp is None else self._tcp.refused

    async def open(self, folder: Path | None, tcp: TcpPlace | None) -> LinkAddress:
        """Listen in this folder, over TCP, or both; the address for the others. Raises OSError."""
        path, at = None, ("", 0)
        if folder is not None:
            self._bound = bind(folder / f"{self._own_id:x}.peer", SOCKET_MODE)
            path = self._bound.path.absolute()
            self._folder = path.parent
            make = partial(self._make_peer, "unix", 0)
            self._listening = await asyncio.get_running_loop().create_unix_server(make, sock=self._bound.socket)
        if tcp is not None:
            self._tcp = TcpLinks(tcp, self._own_id, partial(self._make_peer, "tcp"))
            at = await self._tcp.open()
        return LinkAddress(path, *at)

    async def connect(self, server_id: int, to: LinkAddress) -> None:
        """Connect to a server. Raises OSError, HandshakeFailed."""
        by_tcp = self._tcp is not None and to.port != 0
        is_sibling = to.path is not None and to.path.parent == self._folder
        if to.path is not None and to.path.exists() and (is_sibling or not by_tcp):
            try:
                await self._connect_here(server_id, to.path)
                return
            except OSError:  # a file of another machine, in a folder that both see
                if not by_tcp:
                    raise
        if self._tcp is None or not by_tcp:
            raise NoWay("it is on another machine; set peers.listen at both servers")
        await self._tcp.connect(server_id, to.host, to.port)

    async def _connect_here(self, server_id: int, path: Path) -> None:
        make = partial(self._make_peer, "unix", server_id)
        await asyncio.get_running_loop().create_unix_connection(make, sock=connect(path))

    def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.close()
        if self._tcp is not None:
            self._tcp.close()

    def unlink(self) -> None:
        """Remove the file of the socket."""
        if self._bound is not None:
            self._bound.unlink()
