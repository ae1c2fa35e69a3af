"""Keep-alive connections to the HTTP API that only measure: requests are signed before, replies become messages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from typing import Any, Final, cast

import msgspec

from bench.load.transport import MeasuredConnection
from protocol import messages
from protocol.messages import Message
from protocol.tokens import Token
from server.core.signed_requests import SignedContent, sign

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"Content-Length: "


class Signer:
    """Makes signed requests of a chat backend."""

    def __init__(self, key_id: str, key: bytes) -> None:
        self._key_id = key_id
        self._key = key

    def post(self, path: str, body: dict[str, Any], idempotency_key: str = "") -> bytes:
        """The bytes of a request; they are accepted for five minutes from now on."""
        encoded = msgspec.json.encode(body)
        content = SignedContent("POST", path, idempotency_key, encoded)
        headers = {
            "Host": "bench",
            "Content-Type": "application/json",
            "Content-Length": str(len(encoded)),
            **sign(self._key, self._key_id, int(time.time()), secrets.token_urlsafe(16), content),
        }
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + encoded


class HttpReply(msgspec.Struct):
    """What is read of the reply to a send or an open, or of a problem document."""

    packet_id: str = "0"
    total_fen: int = 0
    answer: str = ""
    amount_fen: int = 0
    index: int = 0
    code: str = ""


DECODER: Final = msgspec.json.Decoder(HttpReply)


def message_of(body: bytes, seq: int) -> Message:
    """The reply as it would come over the wire, so that it is counted and judged like one."""
    reply = DECODER.decode(body)
    if reply.code:
        return messages.Refused(seq, 0, reply.code, False, 0)
    if reply.answer:
        return messages.Opened(seq, int(reply.packet_id), reply.answer, reply.amount_fen, reply.index)
    return messages.PacketSent(seq, int(reply.packet_id), reply.total_fen, b"", 0)


class HttpConnection(MeasuredConnection):
    """The requests on behalf of one user, one after the other; those that find the connection busy wait here."""

    __slots__ = ("_answered", "_buffer", "_busy", "_waiting")

    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self._waiting: deque[bytes] = deque()
        self._buffer = b""
        self._busy = False
        self._answered = 0

    def send(self, framed: bytes) -> None:
        """Write a request, or keep it until the one before it is answered."""
        if self._busy or self._transport is None:
            self._waiting.append(framed)
        else:
            self._busy = True
            self._transport.write(framed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is no login: each request is signed."""
        self._transport = cast("asyncio.Transport", transport)
        self.detach()
        self.ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Handle the reply if it is complete, and send the next request."""
        self._buffer += data
        head, found, rest = self._buffer.partition(HEAD_END)
        if not found:
            return
        length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        body, self._buffer = rest[:length], rest[length:]
        self._answered += 1
        self._busy = False
        if self._waiting:
            self.send(self._waiting.popleft())
        self.on_reply(message_of(body, self._answered))
