"""TLS: the context that a certificate and its key make, and the gate where handshakes wait for their end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from protocol.codes import Close
from server.net.address_limits import Address, address_of

LOG = structlog.get_logger()
ACCEPTS_AT_ONCE = 64  # in a turn of the loop
NO_FILES_PAUSE_S = 1.0


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or newer with these files. Raises OSError, ValueError; a key that needs a password is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


class TlsListener:
    """Accepts on a socket. A connection reaches its protocol after the handshake, and counts from the accept on."""

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        enter: Callable[[Address, int], Close | None],
        leave: Callable[[Address], None],
        handshake_s: float,
        context: ssl.SSLContext,
        address_of: Callable[[Any], Address] = address_of,
    ) -> None:
        """`enter` counts a connection, told how many handshakes are under way, and says if it may not come in;
        `leave` ends that, unless the protocol was reached: then that is its affair.
        """
        self._make = make
        self._enter = enter
        self._leave = leave
        self._address_of = address_of
        self._loop = asyncio.get_running_loop()
        self._listening: socket.socket | None = None
        self._handshakes: dict[asyncio.Task[None], None] = {}  # oldest first
        self._is_paused = False
        self.context = context  # both may be replaced; handshakes to come use the new ones
        self.handshake_s = handshake_s
        self.accepts_at_once = ACCEPTS_AT_ONCE

    @property
    def under_way(self) -> int:
        """Handshakes that have not ended yet."""
        return len(self._handshakes)

    async def open(self, host: str, port: int, backlog: int, held: socket.socket | None = None) -> int:
        """Listen, on the socket `held` if it is given; the port. Raises OSError."""
        if held is None:
            held = await self._bound(host, port, backlog)
        else:
            held.listen(backlog)
        held.setblocking(False)
        self._listening = held
        self._listen()
        return int(held.getsockname()[1])

    async def _bound(self, host: str, port: int, backlog: int) -> socket.socket:
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=backlog)

    def close(self) -> None:
        """No new connections; handshakes under way go on."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def abort(self) -> None:
        """Break off the handshakes that are under way."""
        for handshake in self._handshakes:
            handshake.cancel()

    def break_off_oldest(self) -> None:
        """Break off the handshake that has been under way for longest, for one that comes now."""
        oldest = next(iter(self._handshakes))
        del self._handshakes[oldest]  # its file is free at the end of this turn
        oldest.cancel()

    def _listen(self) -> None:
        if self._listening is not None:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        assert self._listening is not None
        for _ in range(self.accepts_at_once):
            try:
                connected, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it has hung up already
            except OSError as error:  # no open file is left, of this process or of the system
                if not self._is_paused:
                    LOG.error("accepting_paused", why=str(error))
                self._is_paused = True
                self._loop.remove_reader(self._listening)
                self._loop.call_later(NO_FILES_PAUSE_S, self._listen)
                return
            if self._is_paused:
                self._is_paused = False
                LOG.info("accepting_resumed")
            self._begin(connected, self._address_of(peer))

    def _begin(self, connected: socket.socket, address: Address) -> None:
        if self._enter(address, self.under_way) is not None:
            connected.close()  # a goodbye would cost the handshake
            self._leave(address)
            return
        connected.setblocking(False)
        handshake = self._loop.create_task(self._shake_hands(connected, address))
        self._handshakes[handshake] = None
        handshake.add_done_callback(lambda ended: self._handshakes.pop(ended, None))

    async def _shake_hands(self, connected: socket.socket, address: Address) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make, connected, ssl=self.context, ssl_handshake_timeout=self.handshake_s
            )
        except OSError:  # no TLS, too old a TLS, gone, or too slow
            connected.close()
            self._leave(address)
        except BaseException:
            self._leave(address)
            raise
