"""Flow control of reading: when a connection is read, and when its bytes wait in the system's buffers.

Backpressure stops reading while the peer does not take our bytes. A pause stops it for a time, after a request was
refused as overloaded, or when a connection sends more than a user's token bucket meters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.net.token_bucket import TokenBucket

READ_PAUSE_S = 0.5  # one read then finds what a flood has sent


class ReadFlow:
    """Of one transport. `read_on` is called when reading may go on."""

    __slots__ = ("_bucket", "_read_on", "_transport", "backpressure", "paused")

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], None]) -> None:
        self._transport = transport
        self._read_on = read_on
        self._bucket: TokenBucket | None = None  # most connections never need one
        self.backpressure = False
        self.paused = False

    @property
    def is_open(self) -> bool:
        """The connection is being read."""
        return not (self.paused or self.backpressure or self._transport.is_closing())

    def stop_for_backpressure(self) -> None:
        """The peer does not read: do not read from it either."""
        self.backpressure = True
        if not (self.paused or self._transport.is_closing()):
            self._transport.pause_reading()

    def end_backpressure(self) -> None:
        """The peer reads again."""
        self.backpressure = False
        self._read_on()

    def pause_for(self, for_s: float) -> None:
        """Read nothing for a while: what comes meanwhile waits in the system's buffers and is then read at once."""
        if self.paused or self._transport.is_closing():
            return
        if not self.backpressure:
            self._transport.pause_reading()
        self.paused = True
        asyncio.get_running_loop().call_later(for_s, self._end_pause)

    def _end_pause(self) -> None:
        self.paused = False
        self._read_on()

    def resume(self) -> None:
        """Read again, unless something still stops it."""
        if self.is_open:
            self._transport.resume_reading()

    def charge(self, frames: int, now_s: float, per_s: float, burst: float) -> None:
        """Frames that no user's token bucket meters are charged to the connection; an empty bucket pauses it."""
        if self._bucket is None:
            self._bucket = TokenBucket(burst, now_s)
        self._bucket.charge(now_s, per_s, burst, frames)
        if self._bucket.is_empty(now_s, per_s, burst):
            self.pause_for(READ_PAUSE_S)
