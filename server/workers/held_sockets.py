"""Sockets that the supervisor holds: one per worker and address, so that none is closed when a worker ends.

The kernel spreads new connections over the sockets of an address (SO_REUSEPORT). A connection that waits to be
accepted waits at a socket, not at a process: the successor of a worker has a copy of the socket and accepts it.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from server.config import Config
from server.net.addresses import cannot_listen, host_and_port
from server.worker_place import HeldSockets


class HeldAddress(NamedTuple):
    """An address that all workers listen on. `where`: the key of the config that sets it; empty: --host, --port."""

    family: socket.AddressFamily
    host: str
    port: int
    where: str = ""

    def bind(self) -> socket.socket:
        """One more socket at this address. It takes no connection before a worker listens. Raises OSError."""
        # with the protocol named: an event loop may set TCP_NODELAY only where it sees that it is TCP
        bound = socket.socket(self.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if self.family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((self.host, self.port))
        except OSError as error:
            bound.close()
            raise cannot_listen(self.host, self.port, error, self.where) from error
        bound.setblocking(False)
        return bound


class HeldAddresses:
    """The addresses of a server, and the sockets there."""

    def __init__(self, config: Config) -> None:
        """Binds the sockets of the first worker: they choose where the config has port 0. Raises OSError."""
        server, websocket, http_api = config.server, config.websocket.listen, config.http_api.address
        self._addresses = {"main": _found(server.host, server.port)}
        if websocket:
            self._addresses["websocket"] = _found(*host_and_port(websocket), "websocket.listen")
        if http_api:
            self._addresses["http_api"] = _found(*host_and_port(http_api), "http_api.address")
        if config.office.enabled:
            self._addresses["office"] = _found(*host_and_port(config.office.listen), "office.listen")
        self._first: HeldSockets | None = self._bind()
        for name, one in self._first._asdict().items():
            if one is not None:
                self._addresses[name] = self._addresses[name]._replace(port=int(one.getsockname()[1]))

    @property
    def port(self) -> int:
        """The port for clients."""
        return self._addresses["main"].port

    def bind(self) -> HeldSockets:
        """The sockets of one more worker. Raises OSError."""
        first, self._first = self._first, None
        return self._bind() if first is None else first

    def _bind(self) -> HeldSockets:
        made: dict[str, socket.socket] = {}
        try:
            for name, address in self._addresses.items():
                made[name] = address.bind()
        except OSError:
            close(HeldSockets(**made))
            raise
        return HeldSockets(**made)


def close(sockets: HeldSockets) -> None:
    """Close the copies of this process."""
    for one in sockets:
        if one is not None:
            one.close()


def _found(host: str, port: int, where: str = "") -> HeldAddress:
    """The address of a name; a name of several is refused: port 0 would differ at each. Raises OSError."""
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise cannot_listen(host, port, error, where) from error
    choices = sorted({str(one[4][0]) for one in found})
    if len(choices) > 1:
        raise OSError(
            f"{where or '--host'} {host} is several addresses; with workers name one: {', '.join(choices)}"
        )
    return HeldAddress(found[0][0], choices[0], port, where)
