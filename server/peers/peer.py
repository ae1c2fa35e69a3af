"""A peer: one other server, and the connection to it. What is sent in one turn of the loop leaves in one frame."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

import structlog

from server.peers.frames import PEER_VERSION, BadFrame, FrameReader, PeerHello, frame_of

LOG = structlog.get_logger()
UNSENT_BYTES_MAX: Final = 1 << 26  # the other side has read nothing for seconds

LinkKind: TypeAlias = Literal["unix", "tcp"]


class SentCounts:
    """What this server has sent to all its peers since it started, also to those that are gone."""

    __slots__ = ("bytes", "frames", "messages")

    def __init__(self) -> None:
        self.frames = self.messages = self.bytes = 0


class PeerHost(Protocol):
    """What a peer needs from the mesh."""

    server_id: int
    owns: bool
    sent: SentCounts

    def came_up(self, peer: PeerServer, /) -> None: ...
    def received(self, peer: PeerServer, message: Any, /) -> None: ...
    def went_down(self, peer: PeerServer, /) -> None: ...


class PeerServer(asyncio.Protocol):
    """`server_id` is 0 until the other side has said hello."""

    def __init__(self, host: PeerHost, kind: LinkKind, expected_id: int = 0) -> None:
        """`expected_id`: the server that must be at the other end; 0: any one that connects."""
        self._host = host
        self.kind = kind
        self._expected_id = expected_id
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._batch: list[Any] = []
        self._number = 0  # of the next frame
        self._transport: asyncio.Transport
        self.server_id, self.owns = 0, True
        self.up_at_s = self.heard_s = 0.0  # by the clock of the loop: when it came up, when it last said something
        self.is_up = False  # both have said hello, and the connection is there

    def send(self, message: Any) -> None:
        """Queue a message; it leaves at the end of this turn of the loop. Without a connection it is dropped."""
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append(message)

    @property
    def last(self) -> Any:
        """The last message that is queued and has not left; None: there is none."""
        return self._batch[-1] if self._batch else None

    def close(self) -> None:
        """Cut the connection; `went_down` follows."""
        self._transport.abort()

    def close_cleanly(self) -> None:
        """Send what is queued, then hang up."""
        self._flush()
        self._transport.close()

    # --- called by the event loop -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast("asyncio.Transport", transport)
        self.send(PeerHello(PEER_VERSION, self._host.server_id, self._host.owns))

    def data_received(self, data: bytes) -> None:
        """Hand on what has arrived."""
        self.heard_s = self._loop.time()
        try:
            found = self._reader.read(data)
        except BadFrame as error:
            LOG.error("peer_failed", server_id=self.server_id, why=str(error))
            self.close()
            return
        for message in found:
            if self.is_up:
                self._host.received(self, message)
            elif not self._greet(message):
                return

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the mesh, once."""
        was_up, self.is_up = self.is_up, False
        if was_up:
            self._host.went_down(self)

    def _greet(self, message: Any) -> bool:
        if not isinstance(message, PeerHello) or message.version != PEER_VERSION:
            LOG.warning("peer_refused", why=f"the other server speaks no peers of version {PEER_VERSION}")
            self.close()
            return False
        if self._expected_id not in (0, message.server_id):  # a path of another machine, or of a server before
            self.close()
            return False
        self.server_id, self.owns = message.server_id, message.owns
        self.is_up, self.up_at_s = True, self._loop.time()
        self._host.came_up(self)
        return True

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._write(batch)

    def _write(self, batch: list[Any]) -> None:
        if self._transport.is_closing():
            return
        number, self._number = self._number, self._number + 1
        frame, sent = frame_of(batch, number), self._host.sent
        self._transport.write(frame)
        sent.frames += 1
        sent.messages += len(batch)
        sent.bytes += len(frame)
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            LOG.error("peer_failed", server_id=self.server_id, why="the other server does not read")
            self.close()
