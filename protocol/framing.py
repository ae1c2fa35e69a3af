"""Framing: how messages are cut out of a stream of bytes. It is the exchangeable part of a connection.

The framing of TCP is a 4-byte big-endian length, then that many bytes of one MessagePack array. The length is
judged before the payload is buffered, so a client makes us hold at most one frame of the largest size allowed at
that stage. The other framing is in protocol.websocket.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol, TypeAlias

from protocol import codes

LENGTH_BYTES: Final = 4
FRAMES_AT_ONCE: Final = 200  # of one connection, before other connections are served
_LENGTH: Final = struct.Struct(">I")
_packed, _length_at = _LENGTH.pack, _LENGTH.unpack_from  # each frame asks for them

Frame: TypeAlias = Callable[[bytes], bytes]  # puts a payload into a frame


class FramingError(Exception):
    """The bytes are no frame that is allowed; the connection ends with the code `close`."""

    close: ClassVar[codes.Close] = codes.Close.BAD_FRAME


class FrameTooLarge(FramingError):
    """A frame announced `length` bytes where at most `limit` are allowed."""

    close = codes.Close.FRAME_TOO_LARGE

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"frame of {length} bytes, limit {limit}")
        self.length = length
        self.limit = limit


class Framing(Protocol):
    """What a connection needs from its framing."""

    frame_bytes_max: int

    @property
    def frame(self) -> Frame:
        """Puts a payload into a frame."""

    @property
    def unread(self) -> bytes:
        """Bytes that the next `take` cuts, although all that it is given may be empty."""

    @property
    def control(self) -> Sequence[bytes]:
        """What the framing itself has to send; `take_control` takes it."""

    @property
    def ended(self) -> bool:
        """The peer has said that it sends nothing more and wants to read nothing more."""

    def take(self, data: bytes, payloads: list[bytes]) -> int:
        """Append to `payloads` what is complete now; how many frames came that carry no message.

        Raises FramingError, after the payloads before the bad frame are appended.
        """

    def take_control(self) -> bytes:
        """What `control` holds, once."""

    def end(self, code: int, reason: str) -> bytes:
        """What follows the last message."""


def frame(payload: bytes) -> bytes:
    """The payload after its length."""
    return _packed(len(payload)) + payload


class FrameSplitter:
    """Cuts a stream of bytes into frames. `frame_bytes_max` may be raised between two calls (after login)."""

    __slots__ = ("_rest", "frame_bytes_max")

    frame = staticmethod(frame)
    unread = b""
    control: Sequence[bytes] = ()
    ended = False

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._rest = b""

    @property
    def buffered_bytes(self) -> int:
        """Bytes of an unfinished frame that wait for the rest of it."""
        return len(self._rest)

    def take(self, data: bytes, payloads: list[bytes]) -> int:
        """Append to `payloads` what is complete now. Raises FrameTooLarge after those before the bad frame."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        start, end, limit = LENGTH_BYTES, len(data), self.frame_bytes_max  # start: of the next payload
        while start <= end:
            (length,) = _length_at(data, start - LENGTH_BYTES)
            if length > limit:
                raise FrameTooLarge(length, limit)
            stop = start + length
            if stop > end:
                break
            payloads.append(data[start:stop])
            start = stop + LENGTH_BYTES
        self._rest = data[start - LENGTH_BYTES :]
        return 0

    def take_control(self) -> bytes:
        """Nothing: there are no frames but those of messages."""
        return b""

    def end(self, code: int, reason: str) -> bytes:
        """Nothing: the goodbye is the end."""
        return b""
