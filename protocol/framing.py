"""Frames: a 4-byte big-endian length, then that many bytes of one MessagePack array.

The length is judged before the payload is buffered, so a client makes us hold at most one frame of the
largest size allowed at that stage.
"""

from __future__ import annotations

import struct
from typing import Final

LENGTH_BYTES: Final = 4
_LENGTH: Final = struct.Struct(">I")


class FrameTooLarge(Exception):
    """A frame announced `length` bytes where at most `limit` are allowed."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"frame of {length} bytes, limit {limit}")
        self.length = length
        self.limit = limit


def frame(payload: bytes) -> bytes:
    """The payload after its length."""
    return _LENGTH.pack(len(payload)) + payload


class FrameSplitter:
    """Cuts a stream of bytes into frames. `frame_bytes_max` may be raised between two calls (after login)."""

    __slots__ = ("_rest", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._rest = b""

    @property
    def buffered_bytes(self) -> int:
        """Bytes of an unfinished frame that wait for the rest of it."""
        return len(self._rest)

    def take(self, data: bytes, payloads: list[bytes]) -> None:
        """Append to `payloads` what is complete now. Raises FrameTooLarge after those before the bad frame."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        start, end, limit = 0, len(data), self.frame_bytes_max
        while end - start >= LENGTH_BYTES:
            (length,) = _LENGTH.unpack_from(data, start)
            if length > limit:
                raise FrameTooLarge(length, limit)
            stop = start + LENGTH_BYTES + length
            if stop > end:
                break
            payloads.append(data[start + LENGTH_BYTES : stop])
            start = stop
        if start < end:
            self._rest = data[start:]
