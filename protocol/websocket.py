"""The framing of WebSocket (RFC 6455): one message in one binary message of WebSocket, and the upgrade before it.

The `websockets` library parses; it does no I/O here. What a server sends is framed by `frame`: it is not masked, so
its bytes are the same for many receivers.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, PayloadTooBig
from websockets.frames import CTRL_OPCODES, Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SERVER, Event, Protocol
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from protocol.framing import FRAMES_AT_ONCE, FrameTooLarge, FramingError

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled part of the library for this platform
    from websockets.utils import apply_mask

SUBPROTOCOL: Final = Subprotocol("hongbao.v1")
HEAD_END: Final = b"\r\n\r\n"
HEAD_BYTES_MAX: Final = 8192  # of the request for an upgrade
BYTES_AT_ONCE: Final = 2048  # they hold at most 341 frames: so many are parsed before frames are counted again
MESSAGE_BYTES_MAX: Final = 1 << 20  # until a connection says less
LOGGER: Final = logging.getLogger("websockets")
LOGGER.setLevel(logging.ERROR)  # the library tells of every connection

MASKED: Final = 0x80
MASK_BYTES: Final = 4
SMALL: Final = 125  # the largest payload whose size is in the second byte
SMALL_HEAD: Final = 2 + MASK_BYTES
_BINARY: Final = 0x82  # the last frame of a binary message
_SHORT: Final = struct.Struct(">BB")
_MEDIUM: Final = struct.Struct(">BBH")
_LONG: Final = struct.Struct(">BBQ")


def frame(payload: bytes) -> bytes:
    """The payload as a server sends it."""
    size = len(payload)
    if size < 126:
        return _SHORT.pack(_BINARY, size) + payload
    if size < 1 << 16:
        return _MEDIUM.pack(_BINARY, 126, size) + payload
    return _LONG.pack(_BINARY, 127, size) + payload


def masked_frame(payload: bytes) -> bytes:
    """The payload as a client sends it."""
    return Frame(Opcode.BINARY, payload).serialize(mask=True)


def _size_of(event: Event) -> int:
    """The least bytes of a client that an event can have had: with them all used, nothing waits for more."""
    if not isinstance(event, Frame):
        return 0
    size = len(event.data)
    return SMALL_HEAD + size + (0 if size <= SMALL else 2 if size < 1 << 16 else 8)


class UpgradeRefused(FramingError):
    """The server, or a proxy before it, has answered the request for an upgrade with another status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the upgrade to WebSocket was refused: {status} {text}".rstrip())
        self.status = status


class WebSocketFraming:
    """Cuts the messages out of WebSocket frames, on a connection that has been upgraded; answers pings."""

    __slots__ = ("_frame_bytes_max", "_owed", "_parser", "_parts", "control", "ended", "unread")

    frame = staticmethod(frame)

    def __init__(self, protocol: Protocol | None = None) -> None:
        """`protocol`: parses the frames; by default those of a client."""
        # of a client it is made for the first frame that is not small: most connections never need its 1 KiB
        self._parser = protocol
        self._frame_bytes_max = MESSAGE_BYTES_MAX if protocol is None else protocol.max_message_size or 0
        # bytes that the library has for a frame that is not complete; 0: it is between two frames
        self._owed = 0 if protocol is None else 1
        self._parts: list[bytes] = []  # of a fragmented message
        self.unread = b""
        self.control: list[bytes] = []
        self.ended = False

    @property
    def frame_bytes_max(self) -> int:
        """The largest message, whether in one frame or in several."""
        return self._frame_bytes_max

    @frame_bytes_max.setter
    def frame_bytes_max(self, bytes_max: int) -> None:
        self._frame_bytes_max = bytes_max
        if self._parser is not None:
            self._parser.max_message_size = bytes_max

    def _protocol(self) -> Protocol:
        if self._parser is None:
            self._parser = Protocol(SERVER, max_size=self._frame_bytes_max, logger=LOGGER)
        return self._parser

    def take(self, data: bytes, payloads: list[bytes]) -> int:
        """Append to `payloads` what is complete now; the rest of very many frames stays `unread`.

        Returns how many frames came that complete no message. Raises FramingError, after the payloads before.
        """
        self.unread = self.unread + data if self.unread else data
        if not (self._owed or self._is_within_message() or self.ended):
            self.unread = self._take_small(self.unread, payloads)
        if not self.unread:
            return 0
        protocol = self._protocol()
        frames = without_message = 0
        while self.unread and frames < FRAMES_AT_ONCE and not self.ended:
            piece, self.unread = self.unread[:BYTES_AT_ONCE], self.unread[BYTES_AT_ONCE:]
            protocol.receive_data(piece)
            self._owed += len(piece)
            for event in protocol.events_received():
                frames += 1
                self._owed -= _size_of(event)
                without_message += not (isinstance(event, Frame) and self._take_frame(event, payloads))
            if protocol.parser_exc is not None or protocol.handshake_exc is not None:
                self.unread = b""
                self._fail(protocol.parser_exc, protocol.handshake_exc)
            self.ended = protocol.close_rcvd is not None
            if self.ended:
                self.unread = b""
            else:
                self.control += protocol.data_to_send()
        return without_message

    def _is_within_message(self) -> bool:
        return self._parser is not None and self._parser.current_size is not None

    def _take_small(self, data: bytes, payloads: list[bytes]) -> bytes:
        """Take whole messages in small frames, the usual ones, without the library, which needs ten times as long;
        what is left. The library judges all that is anything else.
        """
        largest = MASKED | min(SMALL, self.frame_bytes_max)
        start, end = 0, len(data)
        while end - start >= SMALL_HEAD and data[start] == _BINARY and MASKED <= data[start + 1] <= largest:
            body = start + SMALL_HEAD
            stop = body + data[start + 1] - MASKED
            if stop > end:
                break
            payloads.append(apply_mask(data[body:stop], data[body - MASK_BYTES : body]))
            start = stop
        return data[start:]

    def _take_frame(self, part: Frame, payloads: list[bytes]) -> bool:
        """Whether a message is complete with this frame."""
        if part.opcode is Opcode.TEXT:
            self.unread = b""
            raise FramingError("a text frame; messages travel in binary frames")
        if part.opcode in CTRL_OPCODES:
            return False
        if part.fin and not self._parts:
            payloads.append(bytes(part.data))
            return True
        if part.data:
            self._parts.append(bytes(part.data))
        if part.fin:
            payloads.append(b"".join(self._parts))
            self._parts.clear()
        return part.fin

    def _fail(self, fault: Exception | None, refused: Exception | None) -> None:
        """Raise what a fault of the peer means."""
        if isinstance(fault, PayloadTooBig):
            raise FrameTooLarge(fault.size or 0, self.frame_bytes_max)
        if isinstance(refused, InvalidStatus):
            response = refused.response
            raise UpgradeRefused(response.status_code, bytes(response.body).decode(errors="replace").strip())
        raise FramingError(f"not WebSocket: {fault or refused}")

    def take_control(self) -> bytes:
        """Answers to pings."""
        control = b"".join(self.control)
        self.control.clear()
        return control

    def end(self, code: int, reason: str) -> bytes:
        """The frame that closes the connection."""
        close = Close(code, reason).serialize()
        return Frame(Opcode.CLOSE, close).serialize(
            mask=self._parser is not None and self._parser.side is not SERVER
        )


class WebSocketClientFraming(WebSocketFraming):
    """The side of the client; its first `control` asks for the upgrade."""

    __slots__ = ()

    frame = staticmethod(masked_frame)

    def __init__(self, url: str) -> None:
        protocol = ClientProtocol(parse_uri(url), subprotocols=[SUBPROTOCOL], logger=LOGGER)
        super().__init__(protocol)
        protocol.send_request(protocol.connect())
        self.control += protocol.data_to_send()


class Upgrade(NamedTuple):
    """The answer to a request for an upgrade."""

    response: bytes
    status: int
    forwarded_for: Sequence[str]  # the values of X-Forwarded-For, as they came
    forwarded_proto: Sequence[str] = ()  # those of X-Forwarded-Proto

    @property
    def is_accepted(self) -> bool:
        """WebSocket frames may follow."""
        return self.status == HTTPStatus.SWITCHING_PROTOCOLS


def answer(head: bytes, origins: Sequence[str]) -> Upgrade:
    """The answer to a request (up to the empty line behind its head).

    `origins`: the values of Origin that are accepted; a client that is not a browser sends none.
    """
    protocol = ServerProtocol(
        origins=[None, *map(Origin, origins)], subprotocols=[SUBPROTOCOL], extensions=None, logger=LOGGER
    )
    protocol.receive_data(head)
    events = protocol.events_received()
    if not events:  # not HTTP, or too many lines: then the library has its answer
        response = b"".join(protocol.data_to_send())
        status = int(response.split(b" ", 2)[1]) if response else int(HTTPStatus.BAD_REQUEST)
        return Upgrade(response or refusal(HTTPStatus.BAD_REQUEST, "not an HTTP request"), status, ())
    request = cast(Request, events[0])
    made = protocol.accept(request)
    headers = request.headers
    told = headers.get_all("X-Forwarded-For"), headers.get_all("X-Forwarded-Proto")
    return Upgrade(made.serialize(), made.status_code, *told)


def refusal(status: HTTPStatus, text: str) -> bytes:
    """An answer of HTTP that is no upgrade."""
    made: Response = ServerProtocol(logger=LOGGER).reject(status, f"{text}\n")
    return made.serialize()
