"""Flow control of reading: when a connection is read, and when its bytes wait in the system's buffers.

Backpressure stops reading while the peer does not take our bytes. A pause stops it for a time, after a request was
refused as overloaded, or when a connection sends more than a user's token bucket meters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.net.token_bucket import TokenBucket

READ_PAUSE_S = 0.5  # on average: one read then finds what a flood has sent
_SPREAD = 64  # connections in a row have pauses of different lengths


def pause_s(number: int) -> float:
    """How long connection `number` is not read: half to one and a half times READ_PAUSE_S.

    Connections that were paused together would be read again together, and all that they have sent meanwhile would
    arrive in one moment.
    """
    return READ_PAUSE_S * (0.5 + number % _SPREAD / _SPREAD)


def _read_nothing() -> None:
    """What a connection reads that is gone."""


class ReadFlow:
    """Of one transport. `read_on` is called when reading may go on."""

    __slots__ = ("_bucket", "_read_on", "_taken", "_transport", "backpressure", "paused")

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], None]) -> None:
        self._transport = transport
        self._read_on = read_on
        self._bucket: TokenBucket | None = None  # most connections never need one
        self._taken: asyncio.Future[None] | None = None  # done when the backpressure ends; only if it is waited for
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
        self._end_wait()
        self._read_on()

    def end(self) -> None:
        """The connection is gone. Without its callback it is in no cycle, so that it needs no garbage collector."""
        self._read_on = _read_nothing
        self.backpressure = False
        self._end_wait()

    def _end_wait(self) -> None:
        if self._taken is not None:
            self._taken.set_result(None)
            self._taken = None

    async def wait_until_taken(self, within_s: float) -> None:
        """Until the peer has taken what was written to it, but for the last 16 KiB, or is gone; at most so long."""
        if self.backpressure:
            if self._taken is None:
                self._taken = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._taken,), timeout=within_s)

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

    def charge(self, frames: int, number: int, now_s: float, per_s: float, burst: float) -> None:
        """Charge connection `number` with frames that no user's bucket meters; an empty bucket pauses it."""
        if self._bucket is None:
            self._bucket = TokenBucket(burst, now_s)
        self._bucket.charge(now_s, per_s, burst, frames)
        if self._bucket.is_empty(now_s, per_s, burst):
            self.pause_for(pause_s(number))
