"""A client's connection of a service in front of Redis."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final, Protocol, cast

import msgspec

from protocol import messages, tokens
from protocol.framing import FrameSplitter, FrameTooLarge, frame

FRAME_BYTES_MAX: Final = 1 << 20
NO_PING_MS: Final = 24 * 3_600_000
ANSWERS: Final = {0: "gone", -1: "claimed"}  # any other number is the amount won


class Serves(Protocol):
    """What serves the requests of connections."""

    def take(self, connection: ServiceConnection, request: messages.Message, /) -> None: ...


class ServiceConnection(asyncio.Protocol):
    """A client's connection."""

    __slots__ = ("_service", "_splitter", "_transport", "user_id")

    def __init__(self, service: Serves) -> None:
        self._service = service
        self._splitter = FrameSplitter(FRAME_BYTES_MAX)
        self._transport: asyncio.Transport
        self.user_id = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        now_ms, nonce = time.time_ns() // 1_000_000, os.urandom(tokens.NONCE_BYTES)
        limits = {"frame_bytes_max": FRAME_BYTES_MAX}
        self.send(messages.Hello(0, messages.VERSION, nonce, "redis", NO_PING_MS, NO_PING_MS, now_ms, limits))

    def data_received(self, data: bytes) -> None:
        """Serve what these bytes ask for; malformed frames end the connection."""
        payloads: list[bytes] = []
        try:
            self._splitter.take(data, payloads)
            for payload in payloads:
                self._service.take(self, messages.decode_from_client(payload))
        except (FrameTooLarge, msgspec.DecodeError):
            self.end()

    def send(self, message: messages.Message) -> None:
        """Write a message."""
        self.write(frame(messages.encode(message)))

    def write(self, data: bytes) -> None:
        """Write frames, unless the client is gone."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def end(self) -> None:
        """Hang up."""
        self._transport.abort()


def opened(request: messages.Open, amount_fen: int) -> messages.Opened:
    """The reply to an open: an amount, or what a script returns in place of one."""
    if answer := ANSWERS.get(amount_fen):
        return messages.Opened(request.seq, request.packet_id, answer)
    return messages.Opened(request.seq, request.packet_id, "won", amount_fen)
