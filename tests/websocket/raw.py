"""A raw client over WebSocket, written from RFC 6455 and docs/protocol.md: it uses nothing of `protocol`, nor the
library that the server uses.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from contextlib import suppress
from hashlib import sha1
from typing import Any, ClassVar, NamedTuple

import msgpack

from tests.conftest import Server
from tests.wire.raw import ConnectionEnded, Fields, Raw, unpacked

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, COMPRESSED, MASKED = 0x80, 0x40, 0x80
MASK = b"\x01\x02\x03\x04"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(bytes(range(16)))
HEADERS = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY.decode(),
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "hongbao.v1",
}


def port_of(server: Server) -> int:
    """Where a server listens for WebSocket."""
    assert server.app.websocket is not None
    return int(server.app.websocket.url.rpartition(":")[2])


def request(start: str = "GET / HTTP/1.1", /, **headers: str | None) -> bytes:
    """A request for an upgrade; a header that is None is left out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in {**HEADERS, **named}.items() if value is not None]
    return "\r\n".join([start, *lines, "", ""]).encode()


def ws_frame(
    payload: bytes, opcode: int = BINARY, first: int = FIN, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """One frame of a client."""
    masked = MASKED if mask is not None else 0
    size = len(payload)
    head = bytes([first | opcode])
    if size < 126:
        head += bytes([masked | size])
    elif size < 1 << 16:
        head += bytes([masked | 126]) + struct.pack(">H", size)
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", size)
    if mask is None:
        return head + payload
    repeated = int.from_bytes((mask * (size // 4 + 1))[:size])
    return head + mask + (int.from_bytes(payload) ^ repeated).to_bytes(size)


class Answer(NamedTuple):
    """What the server answers to a request."""

    status: int
    headers: dict[str, str]
    body: bytes


class Frame(NamedTuple):
    """One frame of the server."""

    opcode: int
    payload: bytes


class WebSocketRaw(Raw):
    """One connection over WebSocket."""

    opened: ClassVar[list[WebSocketRaw]] = []  # of this test

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected)
        self.closed: tuple[int, str] | None = None  # code and reason of the server's close
        self.pongs: list[bytes] = []
        self.opened.append(self)

    @classmethod
    async def open(cls, server: Server) -> WebSocketRaw:
        """A connection without a request."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port_of(server)))
        return cls(opened)

    async def upgrade(self, **headers: str | None) -> WebSocketRaw:
        """Ask for the upgrade, which must be accepted, and read the hello."""
        await self.send_bytes(request(**headers))
        answer = await self.answer()
        assert answer.status == 101, answer
        assert answer.headers["sec-websocket-accept"] == base64.b64encode(sha1(KEY + MAGIC).digest()).decode()
        assert answer.headers["sec-websocket-protocol"] == "hongbao.v1"
        assert "sec-websocket-extensions" not in answer.headers
        self.hello = await self.read()
        return self

    async def answer(self) -> Answer:
        """The answer to the request. Raises ConnectionEnded."""
        while b"\r\n\r\n" not in self._incoming:
            self._incoming += await self._some()
        head, _, self._incoming = self._incoming.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self._exactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split(" ")[1]), headers, body)

    async def send(self, *message: Any) -> None:
        """Send one message."""
        await self.send_bytes(ws_frame(msgpack.packb(message)))

    async def read(self) -> Fields:
        """The next message. Raises ConnectionEnded at the end."""
        return unpacked(await self.read_payload())

    async def read_payload(self) -> bytes:
        """The payload of the next binary frame."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == BINARY:
                return payload
            if opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self.closed = struct.unpack(">H", payload[:2])[0], payload[2:].decode()
            else:
                raise AssertionError(f"frame {opcode}")

    async def read_frame(self) -> Frame:
        """The next frame; it is whole and not masked."""
        first, size = await self._exactly(2)
        assert first & 0x70 == 0, "reserved bits"
        assert first & FIN, "a fragment"
        assert not size & MASKED, "masked"
        if size == 126:
            (size,) = struct.unpack(">H", await self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self._exactly(8))
        return Frame(first & 15, await self._exactly(size))

    async def at_end(self) -> None:
        """Only the end of the connection follows."""
        with suppress(ConnectionEnded):
            raise AssertionError(f"{await self.read_frame()} and no end")
