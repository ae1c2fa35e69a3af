"""The ceiling: our wire on a bare uvloop Protocol, and nothing behind it.

It does what no server in Python with these frames can leave out: split, decode with all checks, look up and count,
encode, and write once per read. Whatever a real server does more shows as the distance to it. What it answers:
* Login: a Welcome, whoever it is; the proof is not looked at;
* Grab: "gone", after counting it in a dict by the packet's id;
* Say: the text as a push, encoded once, to every connection that is logged in, one write each (the bare write
  loop for `push`); then Said;
* Ping: a Pong; anything else is refused as unknown.

It knows no users, groups, packets or money, stores nothing, limits nothing, pings nobody and never notices a client
that stops reading: by design it would not survive the open internet.

`python -m bench.compare.rivals.echo --port 0` prints its url when it listens, and ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final, cast

import cyclopts
import msgspec

from protocol import codes, messages, tokens
from protocol.connection import refused
from protocol.framing import FrameSplitter, FrameTooLarge, frame
from server.loop import run as run_loop

BACKLOG: Final = 1024
FRAME_BYTES_MAX: Final = 4096
NO_PING_MS: Final = (
    24 * 3_600_000
)  # nobody is pinged: this long a client may wait before it takes silence for death


class Echo:
    """What all connections share."""

    def __init__(self) -> None:
        self.grabs: dict[int, int] = {}
        self.logged_in: dict[Connection, int] = {}  # with the user's id
        self.said = 0

    async def serve(self, host: str, port: int, listening: Callable[[str], None]) -> None:
        """Serve until it is cancelled; `listening` gets the url. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), host, port, backlog=BACKLOG)
        gc.freeze()
        listening(f"tcp://{host}:{server.sockets[0].getsockname()[1]}")
        try:
            await server.serve_forever()
        finally:
            for connection in list(self.logged_in):
                connection.abort()

    def push(self, sender: Connection, say: messages.Say) -> int:
        """The text to everybody, in one turn of the loop; its number."""
        self.said += 1
        at_ms = time.time_ns() // 1_000_000
        user_id = self.logged_in.get(sender, 0)
        framed = frame(messages.encode(messages.TextPosted(0, say.group_id, self.said, user_id, at_ms, say.text)))
        for connection in self.logged_in:
            connection.push(framed)
        return self.said


class Connection(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_echo", "_splitter", "_transport")

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._splitter = FrameSplitter(FRAME_BYTES_MAX)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        now_ms, nonce = time.time_ns() // 1_000_000, os.urandom(tokens.NONCE_BYTES)
        limits = {"frame_bytes_max": FRAME_BYTES_MAX}
        hello = messages.Hello(0, messages.VERSION, nonce, "none", NO_PING_MS, NO_PING_MS, now_ms, limits)
        self._transport.write(frame(messages.encode(hello)))

    def data_received(self, data: bytes) -> None:
        """Answer all that these bytes complete in one write; bytes that are no frames end the connection."""
        payloads: list[bytes] = []
        replies: list[bytes] = []
        try:
            self._splitter.take(data, payloads)
            for payload in payloads:
                request = messages.decode_from_client(payload)
                answer = ANSWERS.get(type(request), _unknown)
                replies.append(frame(messages.encode(answer(self._echo, self, request))))
        except (FrameTooLarge, msgspec.DecodeError):
            self._transport.abort()
            return
        if replies:
            self._transport.write(replies[0] if len(replies) == 1 else b"".join(replies))

    def connection_lost(self, error: Exception | None) -> None:
        """No more pushes."""
        self._echo.logged_in.pop(self, None)

    def push(self, framed: bytes) -> None:
        """Write a frame that was encoded once for many; uvloop raises if the peer has just gone."""
        if not self._transport.is_closing():
            self._transport.write(framed)

    def abort(self) -> None:
        """Hang up."""
        self._transport.abort()


def _welcome(echo: Echo, connection: Connection, login: messages.Login) -> messages.Message:
    echo.logged_in[connection] = login.user_id
    return messages.Welcome(login.seq, login.user_id, 0, [])


def _grabbed(echo: Echo, _: Connection, grab: messages.Grab) -> messages.Message:
    packet_id = grab.packet_id
    echo.grabs[packet_id] = echo.grabs.get(packet_id, 0) + 1
    return messages.Grabbed(grab.seq, packet_id, "gone")


def _said(echo: Echo, connection: Connection, say: messages.Say) -> messages.Message:
    return messages.Said(say.seq, say.group_id, echo.push(connection, say))


def _pong(_: Echo, __: Connection, ping: messages.Ping) -> messages.Message:
    return messages.Pong(ping.seq)


def _unknown(_: Echo, __: Connection, request: messages.Message) -> messages.Message:
    return refused(request.seq, codes.Refusal.UNKNOWN_REQUEST, "from the bench's echo server")


Answer = Callable[[Echo, Connection, Any], messages.Message]
ANSWERS: Final[dict[type[messages.Message], Answer]] = {
    messages.Grab: _grabbed,
    messages.Login: _welcome,
    messages.Say: _said,
    messages.Ping: _pong,
}


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C, and print the url first."""
    serving = asyncio.ensure_future(Echo().serve(host, port, lambda url: print(url, flush=True)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()


def main(*, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until SIGTERM, and print the url first; port 0 lets the system choose."""
    run_loop(serve(host, port))


if __name__ == "__main__":
    cyclopts.run(main)
