"""Connections that wait to be accepted, taken many at a time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, TypeAlias

MakeProtocol: TypeAlias = Callable[[], asyncio.Protocol]
BACKLOG: Final = 1024  # connections that the kernel queues
HANDLES: Final = 4  # of each socket; each costs a lone connection a system call that finds none
AT_ONCE: Final = 100
PER_S: Final = 1_000  # so many are taken a second, however long the turns of the loop are


class QueuedConnections:
    """Takes what waits behind connections that the loop has accepted.

    libuv accepts one connection in a turn of the loop for each handle of a socket. A turn of a busy server takes up
    to a tenth of a second, so without this a thousand connections that say nothing would keep every login waiting
    for a minute or more. The loop's own accept costs half as much, so a socket has several handles, and no more are
    taken here than these are behind.
    """

    def __init__(self, room: Callable[[], int]) -> None:
        """`room`: so many more may come. The loop's own accept takes those beyond it one by one, to refuse them, so
        that the files that are kept for stores stay free.
        """
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._listening: list[tuple[socket.socket, MakeProtocol]] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._came = 0  # in this turn

    async def open_handles(self, server: asyncio.Server, make: MakeProtocol) -> list[asyncio.Server]:
        """Further handles of the sockets of this server; they are to be closed as the server is."""
        copies = [one for _ in range(HANDLES - 1) for one in _sockets(server)]
        return [await self._loop.create_server(make, sock=one, backlog=BACKLOG) for one in copies]

    def watch(self, server: asyncio.Server, make: MakeProtocol) -> None:
        """Take from the sockets of this server. `make` makes the protocol of a connection, as the server does."""
        for listening in _sockets(server):
            listening.setblocking(False)
            self._listening.append((listening, make))

    def take_soon(self) -> None:
        """A connection has arrived: look for others at the end of this turn, if that is long."""
        if not self._came:
            self._loop.call_soon(self._look, self._loop.time())
        self._came += 1

    def close(self) -> None:
        """Take none any more."""
        for listening, _ in self._listening:
            listening.close()
        self._listening.clear()

    def _look(self, began_s: float) -> None:
        further, self._came = self._came - 1, 0
        most = min(AT_ONCE, round((self._loop.time() - began_s) * PER_S)) - further
        if most > 0:
            self._take(most)

    def _take(self, most: int) -> None:
        for listening, make in self._listening:
            for _ in range(min(most, self._room() - len(self._arriving))):
                try:
                    connected, _ = listening.accept()
                except ConnectionError:
                    continue  # it has hung up already
                except OSError:
                    break  # none waits; without a free file the loop's own accept copes
                connected.setblocking(False)
                arriving = self._loop.create_task(self._bring_in(connected, make))
                self._arriving.add(arriving)
                arriving.add_done_callback(self._arriving.discard)

    async def _bring_in(self, connected: socket.socket, make: MakeProtocol) -> None:
        try:
            await self._loop.connect_accepted_socket(make, connected)
        except OSError:  # gone
            connected.close()


def _sockets(server: asyncio.Server) -> list[socket.socket]:
    """The sockets of a server, once more: the loop owns its own."""
    return [socket.socket(fileno=os.dup(one.fileno())) for one in server.sockets]
