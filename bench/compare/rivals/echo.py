"""The upper bound: our protocol on a bare uvloop Protocol, and nothing behind it.

It does the work that no server in Python with these frames can leave out: split, decode with all checks, look up
and count, encode, and write once per read. The distance to it is the cost of everything else in a real server.
Answers:
* Login: a Welcome for every user; the proof is not checked;
* Grab: "gone", after counting it in a dict by the packet's id;
* Say: the text as a push, encoded once, to every connection that is logged in, one write each (the bare write
  loop for `push`); then Said;
* Ping: a Pong; any other request is refused as unknown.

It has no users, groups, packets or money, stores nothing, limits nothing, sends no pings and never notices a client
that stops reading: by design it would not survive on the open internet.

`python -m bench.compare.rivals.echo --port 0` prints its url when it listens, and ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Final, cast

import cyclopts
import msgspec

from protocol import codes, messages, tokens
from protocol.connection import refused
from protocol.framing import FrameSplitter, FrameTooLarge, frame
from server.loop import run as run_loop

BACKLOG: Final = 1024
FRAME_BYTES_MAX: Final = 4096
NO_PING_MS: Final = 24 * 3_600_000  # there are no pings: a client may wait this long before silence means an outage


class EchoServer:
    def __init__(self) -> None:
        self.grabs: dict[int, int] = {}
        self.logged_in: dict[EchoConnection, int] = {}  # with the user's id
        self.texts = 0

    async def serve(self, host: str, port: int, listening: Callable[[str], None]) -> None:
        """Serve until it is cancelled; `listening` gets the url. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: EchoConnection(self), host, port, backlog=BACKLOG)
        gc.freeze()
        listening(f"tcp://{host}:{server.sockets[0].getsockname()[1]}")
        try:
            await server.serve_forever()
        finally:
            for connection in list(self.logged_in):
                connection.transport.abort()

    def answer(self, connection: EchoConnection, request: messages.Message) -> messages.Message:
        """The reply to a request."""
        if isinstance(request, messages.Grab):
            packet_id = request.packet_id
            self.grabs[packet_id] = self.grabs.get(packet_id, 0) + 1
            return messages.Grabbed(request.seq, packet_id, "gone")
        if isinstance(request, messages.Login):
            self.logged_in[connection] = request.user_id
            return messages.Welcome(request.seq, request.user_id, 0, [])
        if isinstance(request, messages.Say):
            return messages.Said(request.seq, request.group_id, self._push(connection, request))
        if isinstance(request, messages.Ping):
            return messages.Pong(request.seq)
        return refused(request.seq, codes.Refusal.UNKNOWN_REQUEST, "from the bench's echo server")

    def _push(self, sender: EchoConnection, say: messages.Say) -> int:
        """Write the text to all connections, without a pause for other events; returns its number."""
        self.texts += 1
        at_ms = time.time_ns() // 1_000_000
        user_id = self.logged_in.get(sender, 0)
        framed = frame(messages.encode(messages.TextPosted(0, say.group_id, self.texts, user_id, at_ms, say.text)))
        for connection in self.logged_in:
            if not connection.transport.is_closing():  # uvloop raises if the peer has just closed
                connection.transport.write(framed)
        return self.texts


class EchoConnection(asyncio.Protocol):
    __slots__ = ("_server", "_splitter", "transport")

    def __init__(self, server: EchoServer) -> None:
        self._server = server
        self._splitter = FrameSplitter(FRAME_BYTES_MAX)
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        now_ms, nonce = time.time_ns() // 1_000_000, os.urandom(tokens.NONCE_BYTES)
        limits = {"frame_bytes_max": FRAME_BYTES_MAX}
        hello = messages.Hello(0, messages.VERSION, nonce, "none", NO_PING_MS, NO_PING_MS, now_ms, limits)
        self.transport.write(frame(messages.encode(hello)))

    def data_received(self, data: bytes) -> None:
        """Answer every request that these bytes complete in one write; malformed frames end the connection."""
        payloads: list[bytes] = []
        replies: list[bytes] = []
        try:
            self._splitter.take(data, payloads)
            for payload in payloads:
                request = messages.decode_from_client(payload)
                replies.append(frame(messages.encode(self._server.answer(self, request))))
        except (FrameTooLarge, msgspec.DecodeError):
            self.transport.abort()
            return
        if replies:
            self.transport.write(replies[0] if len(replies) == 1 else b"".join(replies))

    def connection_lost(self, error: Exception | None) -> None:
        self._server.logged_in.pop(self, None)


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C, and print the url first."""
    serving = asyncio.ensure_future(EchoServer().serve(host, port, lambda url: print(url, flush=True)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()


def main(*, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until SIGTERM, and print the url first; with port 0 the system chooses one."""
    run_loop(serve(host, port))


if __name__ == "__main__":
    cyclopts.run(main)
