"""Connections that only come and go, as cheaply as this machine lets them: a storm of logins is to tire the server.

asyncio makes a transport, a task and two futures for each connection. Here each is a socket in an epoll set of our
own, of which the event loop sees nothing but that something happened. Linux only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from itertools import cycle
from typing import Final

from bench.load.transport import FRAME_BYTES_MAX
from client_sim.sdk.transport import parse_url
from protocol import messages
from protocol.framing import FrameSplitter, frame
from protocol.messages import Message
from protocol.tokens import Token

AT_ONCE: Final = 512
READ_BYTES: Final = 1 << 16
RESET: Final = struct.pack("ii", 1, 0)  # linger for 0 s: no port is kept in TIME_WAIT
CHOOSE_PORT_LATER: Final = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
SOURCES: Final = [f"127.0.0.{number}" for number in range(1, 9)]  # each has all ports, so a free one is found soon


class Call:
    """One connection: whose, since when it was intended, and whether the login was accepted."""

    __slots__ = ("socket", "splitter", "start_s", "token", "welcomed")

    def __init__(self, connection: socket.socket, token: Token, start_s: float) -> None:
        self.socket = connection
        self.token = token
        self.start_s = start_s
        self.welcomed = False
        self.splitter = FrameSplitter(FRAME_BYTES_MAX)


class Dialer:
    """Makes connections and logs them in.

    `heard` gets the Welcome, or the refusal and we have hung up, or None when a connection ended by itself.
    """

    def __init__(self, url: str, heard: Callable[[Call, Message | None], None]) -> None:
        family, _, _, _, address = socket.getaddrinfo(*parse_url(url), type=socket.SOCK_STREAM)[0]
        self._family = family
        self._address = address
        self._sources = cycle(SOURCES) if str(address[0]).startswith("127.") else None
        self._heard = heard
        self._calls: dict[int, Call] = {}
        self._epoll = select.epoll()
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._attend)

    def close(self) -> None:
        """Everybody hangs up, nobody dials any more."""
        self.hang_up_all()
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def dial(self, token: Token, start_s: float) -> None:
        """Connect; the rest follows by itself. Raises OSError if there is no port or no file left."""
        connection = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if self._sources is not None:
            connection.setsockopt(socket.IPPROTO_IP, CHOOSE_PORT_LATER, 1)
            connection.bind((next(self._sources), 0))
        failed = connection.connect_ex(self._address)
        if failed not in (0, errno.EINPROGRESS):
            connection.close()
            raise OSError(failed, os.strerror(failed))
        self._calls[connection.fileno()] = Call(connection, token, start_s)
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def hang_up(self, call: Call) -> None:
        """At once and without a word."""
        del self._calls[call.socket.fileno()]
        call.socket.close()

    def hang_up_all(self) -> None:
        """Everybody."""
        for call in list(self._calls.values()):
            self.hang_up(call)

    def _attend(self) -> None:
        for number, _ in self._epoll.poll(0, AT_ONCE):
            self._read(self._calls[number])

    def _read(self, call: Call) -> None:
        try:
            data = call.socket.recv(READ_BYTES)
        except OSError:  # refused or reset
            data = b""
        if not data:
            self.hang_up(call)
            self._heard(call, None)
            return
        payloads: list[bytes] = []
        call.splitter.take(data, payloads)
        for payload in payloads:
            self._answer(call, messages.decode_from_server(payload))

    def _answer(self, call: Call, message: Message) -> None:
        match message:
            case messages.Hello():
                call.socket.send(frame(messages.encode(call.token.login(message.nonce))))
            case messages.Ping():
                call.socket.send(frame(messages.encode(messages.Pong(message.seq))))
            case messages.Welcome():
                call.welcomed = True
                self._heard(call, message)
            case messages.Refused():
                self.hang_up(call)
                self._heard(call, message)
