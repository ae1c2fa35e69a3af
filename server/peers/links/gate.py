"""The gate of a link over TCP: the handshake, within a bounded time; behind it the connection belongs to a peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from server.peers.links.handshake import Handshake, HandshakeFailed, LinkRefusal

HANDSHAKE_S: Final = 3.0  # the handshake of TLS has as much for itself

Begin = Callable[[asyncio.Transport], Handshake]  # raises HandshakeFailed
Pass = Callable[[int], asyncio.Protocol]  # the protocol of a connection to this server
End = Callable[[asyncio.Transport, LinkRefusal | None], None]


class LinkGate(asyncio.Protocol):
    """One connection until its handshake has ended; `ended` is called once, with None if it was passed on."""

    def __init__(self, begin: Begin, passed: Pass, ended: End) -> None:
        self._begin = begin
        self._passed = passed
        self._ended: End | None = ended
        self._late: asyncio.TimerHandle | None = None
        self._handshake: Handshake
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first message, if that is ours."""
        self._transport = cast("asyncio.Transport", transport)
        try:
            self._handshake = self._begin(self._transport)
        except HandshakeFailed as failed:
            self._refuse(failed.why)
            return
        self._late = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._refuse, LinkRefusal.LATE)
        self._transport.write(self._handshake.opening)

    def data_received(self, data: bytes) -> None:
        """One message of the other side, or a part of it."""
        if self._ended is None:
            return
        try:
            answer = self._handshake.receive(data)
        except HandshakeFailed as failed:
            self._refuse(failed.why)
            return
        self._transport.write(answer)
        if self._handshake.is_done:
            self._pass_on()

    def connection_lost(self, error: Exception | None) -> None:
        """It was lost before the handshake has ended."""
        self._end(LinkRefusal.CLOSED)

    def _pass_on(self) -> None:
        peer = self._passed(self._handshake.server_id)
        self._end(None)
        self._transport.set_protocol(peer)
        peer.connection_made(self._transport)
        if rest := self._handshake.rest:
            peer.data_received(rest)

    def _refuse(self, why: LinkRefusal) -> None:
        self._end(why)
        self._transport.abort()

    def _end(self, why: LinkRefusal | None) -> None:
        if self._late is not None:
            self._late.cancel()
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self._transport, why)
