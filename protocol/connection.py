"""A connection of a server without its socket: bytes in, messages out; time is an argument, a deadline a result.

`ServerConnection` never raises on bad input: a bad frame becomes a Goodbye in the outgoing bytes and `closing` says
why. What is framed well but asks for something unknown or malformed becomes a Refused.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from protocol import codes, messages
from protocol.framing import FRAMES_AT_ONCE, FrameSplitter, Framing, FramingError
from protocol.undecodable import UNDECODABLE

DETAIL_CHARS_MAX = 200
_HANDLED_HERE = frozenset({messages.Login, messages.Ping, messages.Pong})
_encode = messages.encode


class Timing(NamedTuple):
    """Seconds. The first ping comes at a random point between half an interval and a whole one."""

    login_timeout_s: float = 5.0
    ping_interval_s: float = 25.0
    pong_timeout_s: float = 8.0


class Sizes(NamedTuple):
    """Largest payload of one frame from a client, in bytes."""

    before_login: int = 512
    after_login: int = 4096
    of_backend: int = 1 << 20


class ServerConnection:
    """The server's side of one connection: hello -> login returned to the caller -> `admit` -> ... -> closing."""

    __slots__ = (
        "_bad_frame",
        "_deadline",
        "_frame",
        "_framing",
        "_out",
        "_payloads",
        "_ping_is_out",
        "_sizes",
        "_timing",
        "closing",
        "logged_in",
        "login_seen",
        "nonce",
        "unmetered",
    )

    def __init__(
        self, hello: messages.Hello, now: float, timing: Timing, sizes: Sizes, framing: Framing | None = None
    ) -> None:
        """`framing`: that of TCP if it is None."""
        self._framing: Framing = framing or FrameSplitter(0)
        self._framing.frame_bytes_max = sizes.before_login
        self._frame = self._framing.frame
        self._sizes = sizes
        self._timing = timing
        self._out: list[bytes] = [self._frame(messages.encode(hello))]
        self._payloads: list[bytes] = []  # complete frames whose turn has not come
        self._bad_frame: FramingError | None = None  # after them
        self.unmetered = 0
        self.nonce = hello.nonce
        self._ping_is_out = False
        self._deadline = now + timing.login_timeout_s
        self.login_seen = False
        self.logged_in = False
        self.closing: codes.Close | None = None

    def receive_data(self, data: bytes, now: float) -> list[messages.Message]:
        """The requests that these bytes complete, in order, from at most FRAMES_AT_ONCE frames.

        While `has_more`, call it with no bytes for the next of them. Heartbeats are answered here and not returned.
        `unmetered` then says how many frames were neither a request nor a pong that was waited for.
        """
        waiting, framing, self.unmetered = self._payloads, self._framing, 0
        try:
            self.unmetered = framing.take(data, waiting)
        except FramingError as error:
            self._bad_frame = error
        if framing.control:
            self._out.append(framing.take_control())
        if len(waiting) > FRAMES_AT_ONCE:
            payloads, self._payloads = waiting[:FRAMES_AT_ONCE], waiting[FRAMES_AT_ONCE:]
        else:
            payloads, self._payloads = waiting, []
        requests = self._requests_in(payloads, now) if self.closing is None else []
        if self.closing is not None:
            self._payloads.clear()
        elif self._bad_frame is not None and not self._payloads:
            self.close(self._bad_frame.close, str(self._bad_frame))
        return requests

    @property
    def has_more(self) -> bool:
        """There are frames whose turn has not come."""
        return bool(self._payloads or self._framing.unread)

    def _requests_in(self, payloads: list[bytes], now: float) -> list[messages.Message]:
        """The requests among these, up to one that closes the connection."""
        if self.logged_in and (requests := _all_requests(payloads)) is not None:
            return requests
        requests = []
        for payload in payloads:
            request = self._request_in(payload, now)
            if request is not None:
                requests.append(request)
            elif self.closing is not None:
                break
        return requests

    def _request_in(self, payload: bytes, now: float) -> messages.Message | None:
        try:
            message: messages.Message = messages.decode_from_client(payload)
        except msgspec.ValidationError as error:
            self.unmetered += 1
            self._refuse_or_close(payload, str(error))
            return None
        except UNDECODABLE as error:
            self.close(codes.Close.BAD_FRAME, str(error))
            return None
        if type(message) in _HANDLED_HERE or not self.logged_in:
            return self._handle(message, now)
        return message

    def _handle(self, message: messages.Message, now: float) -> messages.Message | None:
        """Heartbeats and the login: what concerns the connection and not the service."""
        kind = type(message)
        if kind is messages.Login and not self.login_seen:
            self.login_seen = True
            return message
        if not self.logged_in:
            self.close(codes.Close.LOGIN_EXPECTED, f"{kind.__name__} before the welcome")
        elif kind is messages.Pong and self._ping_is_out:
            self._ping_is_out = False
            self._deadline = now + self._timing.ping_interval_s
        else:
            self.unmetered += 1
            if kind is messages.Ping:
                self.send(messages.Pong(message.seq))
            elif kind is messages.Login:
                self.refuse(message.seq, codes.Refusal.OUT_OF_ORDER)
        return None

    def _refuse_or_close(self, payload: bytes, why: str) -> None:
        """The bytes are MessagePack but no request of ours: answer if there is a kind and a seq, else close."""
        try:
            kind, seq = messages.decode_envelope(payload)
        except UNDECODABLE:
            self.close(codes.Close.BAD_FRAME, why)
            return
        if not self.logged_in:
            self.close(codes.Close.LOGIN_EXPECTED, why)
        elif kind in messages.KINDS_FROM_CLIENT:
            self.refuse(seq, codes.Refusal.BAD_REQUEST, messages.naming_field(kind, why))
        else:
            self.refuse(seq, codes.Refusal.UNKNOWN_REQUEST, f"kind {kind}")

    def send(self, message: messages.Message) -> int:
        """Queue one message, and say how many bytes it takes; nothing follows the last words."""
        if self.closing is not None:
            return 0
        framed = self._frame(_encode(message))
        self._out.append(framed)
        return len(framed)

    def send_frame(self, framed: bytes) -> None:
        """Queue a frame that was encoded once for many receivers; nothing follows the last words."""
        if self.closing is None:
            self._out.append(framed)

    def refuse(self, seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None) -> None:
        """Queue the refusal of one request; `retry_after_ms` overrides the table's."""
        self.send(refused(seq, refusal, detail, retry_after_ms))

    def admit(self, now: float, first_ping: float, *, is_backend: bool = False) -> None:
        """The login was accepted: larger frames are allowed (of the chat backend yet larger), the heartbeat starts.

        `first_ping` in [0.5, 1]: which part of an interval passes before the first ping, so that a storm of
        reconnects does not ping in step. Does nothing if the connection was closed while the login was checked.
        """
        if self.closing is not None:
            return
        self.logged_in = True
        self._framing.frame_bytes_max = self._sizes.of_backend if is_backend else self._sizes.after_login
        self._deadline = now + self._timing.ping_interval_s * first_ping

    def close(self, code: codes.Close, detail: str = "", reconnect_after_ms: int = 0) -> None:
        """Queue the last words. Only the first close counts."""
        if self.closing is None:
            reconnect = codes.should_reconnect(code)
            name, detail = code.name.lower(), detail[:DETAIL_CHARS_MAX]
            self.send(messages.Goodbye(0, int(code), name, reconnect, detail, reconnect_after_ms))
            self._out.append(self._framing.end(code, name))
            self.closing = code
            self._deadline = float("inf")

    def data_to_send(self) -> bytes:
        """All that is queued, once."""
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def next_deadline(self) -> float:
        """When `handle_deadline` wants to be called."""
        return self._deadline

    def handle_deadline(self, now: float) -> None:
        """Login too late, no pong, or time for a ping: whatever is due."""
        if now < self._deadline:
            return
        if not self.logged_in:
            self.close(codes.Close.LOGIN_TIMEOUT)
        elif self._ping_is_out:
            self.close(codes.Close.PING_TIMEOUT)
        else:
            self.send(messages.Ping(0))
            self._ping_is_out = True
            self._deadline = now + self._timing.pong_timeout_s


def _all_requests(payloads: list[bytes]) -> list[messages.Message] | None:
    """These payloads, if each is a request for the service, as nearly always; otherwise None."""
    try:
        requests: list[messages.Message] = [*map(messages.decode_from_client, payloads)]
    except UNDECODABLE:
        return None
    return requests if _HANDLED_HERE.isdisjoint(map(type, requests)) else None


def refused(
    seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None
) -> messages.Refused:
    """The refusal as a message, filled in from the table."""
    row = codes.REFUSALS[refusal]
    after = row.retry_after_ms if retry_after_ms is None else retry_after_ms
    return messages.Refused(
        seq, int(refusal), refusal.name.lower(), row.temporary, after, detail[:DETAIL_CHARS_MAX]
    )
