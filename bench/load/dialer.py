"""Short connections at the lowest cost, so that a login storm loads the server and not the generator.

asyncio makes a transport, a task and two futures for each connection. Here each connection is a socket in an epoll
set of its own, and the event loop only learns that one of them is readable. Linux only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from bench.load.transport import FRAME_BYTES_MAX
from client_sim.sdk.transport import parse_url
from protocol import messages
from protocol.framing import FrameSplitter, frame
from protocol.messages import Message
from protocol.tokens import Token

EVENTS_MAX: Final = 512
READ_BYTES: Final = 1 << 16
RESET: Final = struct.pack("ii", 1, 0)  # linger for 0 s: no port stays in TIME_WAIT
CHOOSE_PORT_LATER: Final = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
SOURCES: Final = [f"127.0.0.{number}" for number in range(1, 9)]  # each has all ports, so a free one is found fast


@dataclass(slots=True, eq=False)
class LoginAttempt:
    """One connection; `start_s` is the intended start of its login."""

    socket: socket.socket
    token: Token
    start_s: float
    welcomed: bool = False
    splitter: FrameSplitter = field(default_factory=lambda: FrameSplitter(FRAME_BYTES_MAX))


class Dialer:
    """Makes connections and logs them in.

    `on_reply` gets the Welcome; or the refusal, after which the connection is closed; or None when the server
    closed the connection.
    """

    def __init__(self, url: str, on_reply: Callable[[LoginAttempt, Message | None], None]) -> None:
        family, _, _, _, address = socket.getaddrinfo(*parse_url(url), type=socket.SOCK_STREAM)[0]
        self._family = family
        self._address = address
        self._sources = cycle(SOURCES) if str(address[0]).startswith("127.") else None
        self._on_reply = on_reply
        self._attempts: dict[int, LoginAttempt] = {}  # by file descriptor
        self._epoll = select.epoll()
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._read_all)

    def close(self) -> None:
        """Close all connections and accept no further `dial`."""
        self.hang_up_all()
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def dial(self, token: Token, start_s: float) -> None:
        """Connect; the login follows by itself. Raises OSError if no port or file descriptor is left."""
        connection = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if self._sources is not None:
            connection.setsockopt(socket.IPPROTO_IP, CHOOSE_PORT_LATER, 1)
            connection.bind((next(self._sources), 0))
        failed = connection.connect_ex(self._address)
        if failed not in (0, errno.EINPROGRESS):
            connection.close()
            raise OSError(failed, os.strerror(failed))
        self._attempts[connection.fileno()] = LoginAttempt(connection, token, start_s)
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def hang_up(self, attempt: LoginAttempt) -> None:
        """Close without a message to the server."""
        del self._attempts[attempt.socket.fileno()]
        attempt.socket.close()

    def hang_up_all(self) -> None:
        for attempt in list(self._attempts.values()):
            self.hang_up(attempt)

    def _read_all(self) -> None:
        for descriptor, _ in self._epoll.poll(0, EVENTS_MAX):
            self._read(self._attempts[descriptor])

    def _read(self, attempt: LoginAttempt) -> None:
        try:
            data = attempt.socket.recv(READ_BYTES)
        except OSError:  # refused or reset
            data = b""
        if not data:
            self.hang_up(attempt)
            self._on_reply(attempt, None)
            return
        payloads: list[bytes] = []
        attempt.splitter.take(data, payloads)
        for payload in payloads:
            self._answer(attempt, messages.decode_from_server(payload))

    def _answer(self, attempt: LoginAttempt, message: Message) -> None:
        match message:
            case messages.Hello():
                attempt.socket.send(frame(messages.encode(attempt.token.login(message.nonce))))
            case messages.Ping():
                attempt.socket.send(frame(messages.encode(messages.Pong(message.seq))))
            case messages.Welcome():
                attempt.welcomed = True
                self._on_reply(attempt, message)
            case messages.Refused():
                self.hang_up(attempt)
                self._on_reply(attempt, message)
