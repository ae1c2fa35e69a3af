"""A connection of the attacker, and a proxy that records an honest session."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import msgpack

from client_sim.sdk.transport import Address
from protocol import messages, tokens
from protocol.framing import FrameSplitter, frame
from tests.fuzz.grammar import Frame

HANGS_S = 20.0
REPLY_BYTES_MAX = 1 << 20
SERVED = "served"  # among the names of refusals and closes
HELLO, GOODBYE, PING, PONG, REFUSED = (
    messages.kind_of(one)
    for one in (messages.Hello, messages.Goodbye, messages.Ping, messages.Pong, messages.Refused)
)
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # a million connections must leave no port in TIME_WAIT


class FuzzConnection(asyncio.Protocol):
    """Counts the messages of the server; `until` waits for a reply or the end."""

    def __init__(self, counts: Counter[str], on_message: Callable[[list[Any]], None]) -> None:
        self._counts = counts
        self._on_message = on_message
        self._splitter = FrameSplitter(REPLY_BYTES_MAX)
        self._missing: set[int] = {0}  # the hello
        self._woken: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport
        self.nonce: bytes = b""
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        opened: socket.socket = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)

    def data_received(self, data: bytes) -> None:
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        for payload in payloads:
            self._take(msgpack.unpackb(payload, strict_map_key=False))
        self._wake()

    def _take(self, message: list[Any]) -> None:
        kind, seq = message[0], message[1]
        if kind == HELLO:
            self.nonce = message[3]
        elif kind == PING:
            self.write(frame(msgpack.packb([PONG, seq])))
        elif kind in (GOODBYE, REFUSED):
            self._counts[message[3]] += 1
        else:
            self._counts[SERVED] += seq != 0
            self._on_message(message)
        if kind != PING:
            self._missing.discard(seq)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done() and (self.is_closed or not self._missing):
            self._woken.set_result(None)

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        if not self.is_closed:
            self._transport.write(data)

    def end(self) -> None:
        """Send no more."""
        if not self.is_closed:
            self._transport.write_eof()

    def hang_up(self) -> None:
        """Close at once."""
        self._transport.abort()

    def expect(self, *seqs: int) -> None:
        """`until` waits for the replies with these seqs."""
        self._missing.update(seqs)

    async def until(self) -> bool:
        """Wait for the expected replies, or the end; False if neither comes."""
        if self.is_closed or not self._missing:
            return True
        self._woken = asyncio.get_running_loop().create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(HANGS_S):
                await self._woken
            return True
        return False


async def dial(
    address: Address, counts: Counter[str], on_message: Callable[[list[Any]], None], token: tokens.Token | None
) -> FuzzConnection:
    """Connect, and log in if there is a token. Raises OSError, ConnectionError."""
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: FuzzConnection(counts, on_message), *address
    )
    await connection.until()
    if token is not None:
        connection.expect(1)
        connection.write(frame(messages.encode(token.login(connection.nonce, seq=1))))
        if not await connection.until() or connection.is_closed:
            raise ConnectionError(f"the login of {token.user_id} was not served: {dict(counts)}")
    return connection


class Tee:
    """A proxy that keeps every frame that its clients send."""

    def __init__(self, server: Address) -> None:
        self._address = server
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._splitter = FrameSplitter(REPLY_BYTES_MAX)
        self.recorded: list[Frame] = []

    async def open(self) -> int:
        """The port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accept no further connections."""
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*self._pipes)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._address)
        self._pipes |= {
            asyncio.create_task(self._pipe(reader, server_writer, self._keep)),
            asyncio.create_task(self._pipe(server_reader, writer, lambda _: None)),
        }

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: Callable[[bytes], None]
    ) -> None:
        while data := await reader.read(1 << 16):
            keep(data)
            writer.write(data)
        writer.close()

    def _keep(self, data: bytes) -> None:
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        for payload in payloads:
            kind = msgpack.unpackb(payload)[0]
            name = next((of.__name__ for of in messages.FROM_CLIENT if messages.kind_of(of) == kind), str(kind))
            self.recorded.append(Frame(name, frame(payload)))
